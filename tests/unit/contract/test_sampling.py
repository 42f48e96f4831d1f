"""Taking samples: what is missing is added, what is kept stays, and what no story tells is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.messages import Fact
from tests.unit.contract import sample

TYPES = [name for service in sample.SERVICES for name in service.events.by_type]


def as_frozen() -> dict[str, list[tuple[bytes, Fact]]]:
    """What the stories told when the samples were taken: one fact of each type."""
    return {
        service.name: [
            (
                bytes.fromhex(kept["previous"]),
                service.events.read(kept["body"].encode(), hash=bytes.fromhex(kept["hash"])),
            )
            for kept in sample.samples(service.name).values()
        ]
        for service in sample.SERVICES
    }


FACTS = as_frozen()


@pytest.fixture(autouse=True)
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without samples."""
    monkeypatch.setattr(sample, "GOLDEN", tmp_path / "golden")
    return tmp_path / "golden"


def written(golden: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in golden.iterdir()}


def test_an_event_that_no_story_tells_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no stories and no samples, then the run fails and names each event, and where to tell it."""
    monkeypatch.setattr(sample, "told", dict)
    with pytest.raises(SystemExit) as end:
        sample.main()
    lines = str(end.value.code).splitlines()
    assert [line.split(":")[0] for line in lines] == TYPES
    assert all("tests/scenarios" in line for line in lines)


def test_what_the_stories_tell_is_sampled_once(
    golden: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given stories, then every event is sampled, and another run adds nothing and changes nothing."""
    monkeypatch.setattr(sample, "told", lambda: FACTS)
    sample.main()
    taken = written(golden)
    assert set(capsys.readouterr().out.splitlines()) >= {f"{name}: sampled" for name in TYPES}
    sample.main()
    assert written(golden) == taken
    assert not capsys.readouterr().out
