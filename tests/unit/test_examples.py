"""The examples run as a reader runs them, and print what their page promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LENDING = ROOT / "examples" / "lending.py"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Return the lines that `python examples/lending.py` prints."""
    done = subprocess.run(
        [sys.executable, LENDING],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_library_records_an_event_for_each_accepted_command(lines: list[str]) -> None:
    """The example prints the event of each accepted command, in order."""
    events = [line.partition("ooc.lending.")[2].partition(".")[0] for line in lines if "ooc.lending." in line]
    assert events == ["BookAcquired", "BookLent", "BookReturned", "BookLent", "RecordCorrected"]


def test_a_rule_refuses_and_a_warning_needs_a_rationale(lines: list[str]) -> None:
    """A lent book is not lent again; a damaged one is, with a rationale."""
    assert [line.partition(": ")[2].partition("(")[0] for line in lines if "BrokenRule" in line] == [
        "Refused",
        "NeedsRationale",
    ]
    assert "The book is lent: it must be returned before it is lent again." in lines[2]
    assert "The book came back damaged: have it repaired, or say why it is lent." in lines[4]


def test_the_state_is_read_by_both_times(lines: list[str]) -> None:
    """The corrected due date holds from the day of the loan, and was not known before the correction."""
    now, then, as_known_then = (line.partition(": ")[2] for line in lines[-3:])
    assert "'damaged': True" in now
    assert then == "{'title': 'Middlemarch', 'due': '2026-03-30', 'damaged': False}"
    assert as_known_then == "{'title': 'Middlemarch', 'due': '2026-03-20', 'damaged': False}"


def test_the_example_fits_on_one_page() -> None:
    """The page has fewer than 180 lines."""
    assert len(LENDING.read_text(encoding="utf-8").splitlines()) < 180
