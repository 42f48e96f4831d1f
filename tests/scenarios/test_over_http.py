"""The stories of this folder against the running system, as a person runs them: `ooc up`, `ooc scenario run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.local.running import status_reasons
from tests.ports import free_base

OOC = str(Path(sys.executable).parent / "ooc")
STORIES = sorted(str(file) for file in Path(__file__).parent.glob("*.yaml"))
GIVEN = 14
"""So many of them, the first, are the acceptance tests."""

PROVIDED = (
    "OOC_DATABASE_URL",
    "OOC_ADMIN_DATABASE_URL",
    "OOC_KAFKA",
    "OOC_ISSUER",
    "OOC_URL",
    "OOC_KEK",
    "OOC_KEK_FILE",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Running:
    """A system that a person has started in a directory of its own, on ports of its own."""

    var: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def ooc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        return subprocess.run(
            [OOC, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )

    def caught_up(self) -> bool:
        """Whether `ooc status` finds nothing to wait for."""
        return not status_reasons(self.var) and self.ooc("status").returncode == 0

    def pids(self) -> dict[str, int]:
        """Return the processes that it runs."""
        return {file.stem: int(file.read_text()) for file in (self.var / "run").glob("*.pid")}


def _until(holds: object, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield the whole system, started once for the stories of this module."""
    folder = tmp_path_factory.mktemp("system")
    environment = {name: value for name, value in os.environ.items() if name not in PROVIDED}
    environment |= {"OOC_VAR": str(folder / "var"), "OOC_PORT_BASE": str(free_base())}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([OOC, "up"], env=environment, stdout=log, stderr=log)
    running = Running(folder / "var", environment, process)
    try:
        _until(
            lambda: process.poll() is not None or (running.var / "system.json").exists(), 180, "the system to be ready"
        )
        assert process.poll() is None, (folder / "up.log").read_text()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


def test_every_story_is_played_and_the_acceptance_tests_twice(system: Running) -> None:
    """Given the running system, when all stories are played, and those given again, then every step finds what it expects."""
    for stories in (STORIES, STORIES[:GIVEN]):
        played = system.ooc("scenario", "run", "--quiet", *stories)
        assert played.returncode == 0, played.stdout[-3000:] + played.stderr


@pytest.mark.parametrize("killed", ["disposal-worker", "disposal-api", "kafka", "postgres"])
def test_a_process_killed_during_a_story_changes_nothing(system: Running, killed: str) -> None:
    """Given a story being played, when a process is killed outright, then the story ends in the same state, and all catches up."""
    story = next(file for file in STORIES if "13-" in file)
    output = b""
    with subprocess.Popen(
        [OOC, "scenario", "run", story], env=system.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as playing:
        assert playing.stdout is not None
        while b"\n   40 " not in output and (line := playing.stdout.readline()):
            output += line
        os.kill(system.pids()[killed], signal.SIGKILL)
        output += playing.stdout.read()
    assert playing.returncode == 0, output.decode()[-3000:]
    _until(system.caught_up, 90, "the system to catch up")


def test_it_is_ready_caught_up_and_whole(system: Running) -> None:
    """Given what was played and killed, when status and verification are asked, then all is caught up and nothing is broken."""
    _until(system.caught_up, 60, "the system to catch up")
    verified = system.ooc("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "BROKEN" not in verified.stdout


def test_a_difference_ends_with_exit_code_one(system: Running, tmp_path: Path) -> None:
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
    played = system.ooc("scenario", "run", str(file))
    assert played.returncode == 1
    assert "step 2" in played.stderr
    assert "expected: DELIVERED" in played.stderr
    assert "got:      PLANNED" in played.stderr
    assert time.monotonic() - began >= 15


def test_it_stops_and_leaves_nothing_behind(system: Running) -> None:
    """Given the running system, when it is told to end, then every process is gone and its addresses with them."""
    pids = system.pids()
    system.process.send_signal(signal.SIGTERM)
    assert system.process.wait(90) == 0
    assert not system.pids()
    assert not (system.var / "system.json").exists()
    for name, pid in pids.items():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert name
    assert "ooc up" in system.ooc("status").stderr
