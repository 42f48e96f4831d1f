"""Stories of this folder against the running system, as a person runs them: `ooc up`, `ooc scenario run`."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.whole_system import OOC, WholeSystem, caught_up, ooc, wait_until
from tools.local.supervisor import running

HERE = Path(__file__).parent
CHOSEN = (
    "01-shoplifting-ycc",
    "05-failed-ycc",
    "06-no-admission",
    "09-victim-withdraws",
    "12-idempotent-and-concurrent",
    "16-conditions-and-limits",
    "18-agreed-actions",
    "23-closed-and-opened-again",
    "28-absences-without-a-condition",
    "32-who-may-what",
    "38-prosecutor-first",
    "41-corrected-and-judged-again",
    "44-late-and-out-of-step",
    "60-conference-days-and-times",
    "61-consent-of-several",
    "70-counted-by-both-times",
    "74-signed-as-it-stood",
    "81-lapsed-with-the-closing",
    "83-another-room",
    "84-a-sitting-of-three-cases",
    "90-deferral-done",
    "91-deferral-failed",
    "92-knife-at-school",
    "93-handed-over",
    "93-work-that-counts",
    "94-notes-and-answers",
    "94-the-source-is-corrected",
    "95-alerts",
    "96-a-victim-of-a-school-led-case",
    "97-the-victim-of-a-caution-is-told",
    "105-messages",
    "107-one-child-two-ids",
    "108-own-history-decides",
    "109-known-again",
    "111-no-contact",
    "112-three-suspects-of-one-crime",
    "113-the-team-of-the-seed",
    "114-annulled",
    "115-reclassified-and-decided-anew",
    "116-an-exploited-runner",
    "117-two-harmers",
    "120-second-offence-in-a-deferral",
    "122-one-condition-refused",
    "133-programmes-that-ended",
    "134-how-she-lives",
    "135-victims-of-programmes-that-ended",
    "136-how-they-lived-at-the-end",
    "137-one-outcome-of-a-crime",
    "146-what-they-needed",
    "147-whose-case-it-is",
)
"""Stories that together do over HTTP whatever any story does; all are played in memory (test_in_memory.py), and test_chosen.py compares."""

DAILY = ("01-shoplifting-ycc", "32-who-may-what", "93-handed-over")
"""The stories of `make test`, whose other tests play stories on the system as well."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a running system."""
    return shared_system.var


def play(system: Path, stories: Iterable[str]) -> None:
    """Play stories against the running system: every step finds what it expects."""
    played = ooc(system, "scenario", "run", "--quiet", *(str(HERE / f"{story}.yaml") for story in stories))
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr


def test_a_few_stories_are_played_and_one_twice(system: Path) -> None:
    """Given the running system, when a few stories are played, one of them again, then every step finds what it expects."""
    play(system, (*DAILY, DAILY[0]))


def test_the_chosen_stories_are_played(system: Path) -> None:
    """Given the running system, when stories are played that do all there is to do, then every step finds what it expects."""
    play(system, CHOSEN)


def test_an_api_killed_during_a_story_changes_nothing(system: Path) -> None:
    """Given a story being played, when an API is killed outright, then the story ends in the same state, and all catches up.

    Workers, Kafka and PostgreSQL are killed under more load in tests/chaos.
    """
    story = HERE / "05-failed-ycc.yaml"
    output = b""
    with subprocess.Popen(
        [*OOC, "scenario", "run", str(story)],
        env={**os.environ, "OOC_VAR": str(system)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as playing:
        assert playing.stdout is not None
        while b"\n   20 " not in output and (line := playing.stdout.readline()):
            output += line
        os.kill(running(system)["disposal-api"], signal.SIGKILL)
        output += playing.stdout.read()
    assert playing.returncode == 0, output.decode()[-3000:]
    wait_until(lambda: caught_up(system), 300, "the system to catch up")


def test_it_is_ready_caught_up_and_whole(system: Path) -> None:
    """Given what was played and killed, when status and verification are asked, then all is caught up and nothing is broken."""
    wait_until(lambda: caught_up(system), 300, "the system to catch up")
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
