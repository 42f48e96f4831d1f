"""How far a verification has come: each walk counts alike, and the line is a terminal's only."""

from __future__ import annotations

import io

from rich.console import Console

from ooc.evidence.verification import WALKS, report_progress
from ooc.evidence.verify_command import ProgressLine

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
