"""A worker whose part hangs is known by its cycles, not by a timer."""

from pathlib import Path

import pytest

from shared.observing import progress
from shared.observing.progress import finish_cycle, hanging_parts, leave_off
from shared.runtime.worker import beat


def test_a_part_hangs_that_has_finished_no_cycle_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given two parts, the one that finished nothing since hangs, until it goes on or leaves off."""
    now = 1000.0
    monkeypatch.setattr(progress, "_finished", {})
    monkeypatch.setattr("shared.observing.progress.time.monotonic", lambda: now)
    finish_cycle("relay")
    finish_cycle("signer")
    now += progress.HANGING_SECONDS + 1
    finish_cycle("signer")
    assert hanging_parts() == ["relay"]
    finish_cycle("relay")
    assert not hanging_parts()
    now += progress.HANGING_SECONDS + 1
    leave_off("relay")
    assert hanging_parts() == ["signer"]


def test_a_heartbeat_rests_while_a_part_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given a worker whose relay hangs, its file is not touched until the relay goes on."""
    monkeypatch.setattr(progress, "_finished", {"relay": float("-inf")})
    heartbeat = tmp_path / "heartbeat"
    beat(heartbeat)
    assert not heartbeat.exists()
    finish_cycle("relay")
    beat(heartbeat)
    assert heartbeat.exists()
