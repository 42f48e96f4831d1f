"""The stories of this folder against the running system, as a person runs them: `ooc up`, `ooc scenario run`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.whole_system import OOC, WholeSystem, caught_up, ooc, wait_until
from tools.local.supervisor import running

STORIES = sorted(str(file) for file in Path(__file__).parent.glob("*.yaml"))
GIVEN = [file for file in STORIES if int(Path(file).name.partition("-")[0]) <= 14]
"""The acceptance tests among them, by their numbers."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a running system."""
    return shared_system.var


def test_every_story_is_played_and_the_acceptance_tests_twice(system: Path) -> None:
    """Given the running system, when all stories are played, and those given again, then every step finds what it expects."""
    for stories in (STORIES, GIVEN):
        played = ooc(system, "scenario", "run", "--quiet", *stories)
        assert played.returncode == 0, played.stdout[-3000:] + played.stderr


@pytest.mark.parametrize("killed", ["disposal-worker", "disposal-api", "kafka", "postgres"])
def test_a_process_killed_during_a_story_changes_nothing(system: Path, killed: str) -> None:
    """Given a story being played, when a process is killed outright, then the story ends in the same state, and all catches up."""
    story = next(file for file in STORIES if "13-" in file)
    output = b""
    with subprocess.Popen(
        [*OOC, "scenario", "run", story],
        env={**os.environ, "OOC_VAR": str(system)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as playing:
        assert playing.stdout is not None
        while b"\n   40 " not in output and (line := playing.stdout.readline()):
            output += line
        os.kill(running(system)[killed], signal.SIGKILL)
        output += playing.stdout.read()
    assert playing.returncode == 0, output.decode()[-3000:]
    wait_until(lambda: caught_up(system), 90, "the system to catch up")


def test_it_is_ready_caught_up_and_whole(system: Path) -> None:
    """Given what was played and killed, when status and verification are asked, then all is caught up and nothing is broken."""
    wait_until(lambda: caught_up(system), 60, "the system to catch up")
    assert ooc(system, "status").returncode == 0
    verified = ooc(system, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "BROKEN" not in verified.stdout


def test_a_difference_ends_with_exit_code_one(system: Path, tmp_path: Path) -> None:
    """Given a story that expects what does not happen, when it is played, then step, expected and got are said."""
    scenario = """id: wrong
title: A session is not what is told
steps:
  - {at: 2026-05-04T09:00:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: education.PlanSession, to: s1,
     with: {kind: GROUP, topic: WEAPONS, starts_at: 2026-05-06T10:00:00+01:00, hours: 1, place: Library}}
  - {check: education/s1, is: {state: DELIVERED}}
"""
    file = tmp_path / "wrong.yaml"
    file.write_text(scenario, encoding="utf-8")
    began = time.monotonic()
    played = ooc(system, "scenario", "run", str(file))
    assert played.returncode == 1
    assert "step 2" in played.stderr
    assert "expected: DELIVERED" in played.stderr
    assert "got:      PLANNED" in played.stderr
    assert time.monotonic() - began >= 15
