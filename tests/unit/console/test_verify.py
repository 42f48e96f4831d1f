"""What verification relies on, and how far it has come: each check counts by its cost, and the line is a terminal's only."""

from __future__ import annotations

import io

from rich.console import Console

from services.console.service_verification import positions_of, streams_of
from services.console.verification_checks import Progress
from services.console.verify_command import ProgressLine
from services.registry import deciding_services
from services.reporting.read_models import READ_MODELS

ERASE_LINE = "\x1b[2K"


def test_reporting_folds_by_the_deciders_of_the_services() -> None:
    """A state folded from the event store can stand for reporting's fold, since both have one registry and one decider."""
    assert {service.name: service.read_model for service in deciding_services()} == READ_MODELS
    assert all(READ_MODELS[service.name] is service.read_model for service in deciding_services())


def test_all_checks_together_verify_each_event_once() -> None:
    """Given 100 events, when every check has passed all of them, and one more, then 100 are verified, never more."""
    heard: list[tuple[float, int]] = []
    progress = Progress(lambda *now: heard.append(now), 100)
    assert heard == [(0, 100)]
    progress.of(streams_of)(50)
    half_of_streams = heard[-1][0]
    progress.of(streams_of)(50)
    before_positions = heard[-1][0]
    assert 0 < 2 * half_of_streams == before_positions < 100
    progress.of(positions_of)(130)
    progress.finish()
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
