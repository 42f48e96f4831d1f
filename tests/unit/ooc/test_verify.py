"""How far a verification has come: each walk counts alike, and the line is a terminal's only."""

import io
from typing import Any, Final

import pytest
from rich.console import Console

from ooc.evidence.verification import WALKS, find_known_logs, report_progress
from ooc.evidence.verify_command import ProgressLine, differing_members

ERASE_LINE = "\x1b[2K"


def test_all_walks_together_verify_each_event_once() -> None:
    """Given 100 events, when every walk has passed all of them, and one more record, then 100 are verified, never more."""
    heard: list[tuple[float, int]] = []
    passed = report_progress(lambda *now: heard.append(now), 100)
    assert heard == [(0, 100)]
    passed(50)
    assert heard[-1] == (50 / WALKS, 100)
    passed(100 * WALKS - 50)
    passed(1)
    assert heard[-2:] == [(100, 100), (100, 100)]


def test_a_terminal_shows_events_and_time_left_and_makes_room_for_findings() -> None:
    """Given a terminal, the line says how many events of how many, and is erased before a finding is printed."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with ProgressLine(console) as progress:
        progress.show(0, 100_008)
        progress.show(41_200.4, 100_008)
        with progress.set_aside():
            print("whole", file=screen)
    before, _, after = screen.getvalue().partition("whole")
    assert "41,200 of 100,008 events" in before
    assert "left:" in before
    assert before.endswith(ERASE_LINE)
    assert "100,008 events" in after, "it stands again below the finding"


def test_a_pipe_gets_no_progress() -> None:
    """Given standard error that is no terminal, nothing is written of the progress."""
    pipe = io.StringIO()
    with ProgressLine(Console(file=pipe)) as progress:
        progress.show(1, 2)
        with progress.set_aside():
            pass
    assert pipe.getvalue() == ""


def test_a_kept_checkpoint_of_another_system_is_no_silent_success() -> None:
    """Given checkpoints that were kept, one of a log that is not there is named: it would be compared with nothing."""
    kept = [f"ooc.local/{name}\n5\n" for name in ("referral/events", "reporting/access", "reporting/events")]
    assert find_known_logs(kept[:2]).ok
    (line,) = find_known_logs(kept).problems
    assert line.startswith("ooc.local/reporting/events is no log of this system")


LINES: Final[list[dict[str, Any]]] = [
    {
        "command_id": "7f1c6a0e-0000-4000-8000-000000000001",
        "event_id": f"7f1c6a0e-0000-4000-8000-00000000001{n}",
        "type_name": "ooc.referral.PersonLinked.v1",
        "version": n,
        "position": 6 + n,
        "hash": f"{n}" * 64,
        "recorded_at": "2026-11-26T10:00:00.000001+00:00",
    }
    for n in (2, 3)
]
"""Two lines of a history, of one command."""

RECEIPT: Final[dict[str, Any]] = {
    "command_id": LINES[1]["command_id"],
    "service": "referral",
    "stream": "referral/7f1c6a0e-0000-4000-8000-000000000009",
    "version": 3,
    "position": 9,
    "position_token": "referral:9",
    "recorded_at": "2026-11-26T10:00:00.000001Z",
    "hash": "3" * 64,
    "events": [
        {
            name: line["type_name" if name == "type" else name]
            for name in ("event_id", "type", "version", "position", "hash")
        }
        for line in LINES
    ],
}
"""The receipt of that command."""


def test_a_receipt_is_as_it_is_recorded() -> None:
    """Given a receipt and the history, nothing differs, however a time is written."""
    assert list(differing_members(RECEIPT, LINES)) == []


@pytest.mark.parametrize("name", sorted(RECEIPT.keys() - {"stream", "events"}))
def test_each_member_of_a_receipt_is_compared(name: str) -> None:
    """Given a member that is not as it is recorded, it is named."""
    other = RECEIPT[name] + 1 if isinstance(RECEIPT[name], int) else RECEIPT[name].replace("1", "7").replace("3", "4")
    other = "disposal" if name == "service" else "referral:8" if name == "position_token" else other
    differing = list(differing_members(RECEIPT | {name: other}, LINES))
    assert any(f"has another {name}" in line or ("command" in line and name == "command_id") for line in differing)


@pytest.mark.parametrize("name", ["event_id", "type", "position", "hash"])
def test_each_event_of_a_receipt_is_compared(name: str) -> None:
    """Given an event that is not as it is recorded, what differs is named."""
    events = [RECEIPT["events"][0] | {name: 1 if name == "position" else "other"}, RECEIPT["events"][1]]
    (line,) = differing_members(RECEIPT | {"events": events}, LINES)
    assert f"version 2 (position {events[0]['position']}) has another {name}" in line
