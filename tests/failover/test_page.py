"""docs/reference/reliability.md says what the faults of this checkout did, each of which is a test."""

from __future__ import annotations

from tests.failover.faults import FAULTS
from tests.failover.page import PAGE, Try, page_of
from tests.failover.rig import Outcome


def test_each_line_of_the_page_is_a_fault_and_nothing_was_lost_or_doubled() -> None:
    """Given the committed page, then it has a line for each fault in order, with its promise and alert, and no loss."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    lines = [row for row in rows if len(row) == 8][1:]
    assert [row[:2] for row in lines] == [[fault.what, fault.promise] for fault in FAULTS]
    assert [row[2].partition("]")[0] for row in lines] == [f"[{fault.alert}" for fault in FAULTS]
    assert {(row[4], row[5]) for row in lines} == {("0", "0")}


def test_a_loss_is_written_down() -> None:
    """Given a fault that lost a receipt in one of three tries, then its line says so, and how long it took."""
    outcomes = [Outcome(0, 0, 1.0, 9.0), Outcome(1, 0, 4.0, 8.0), Outcome(0, 2, 2.0, 30.0)]
    page = page_of([Try(FAULTS[0].name, 7, outcome) for outcome in outcomes])
    assert (
        f"| {FAULTS[0].what} | {FAULTS[0].promise} | [ApiDown](../how-to/runbook/full_disk.md) | 3 | 1 | 2 | 2, 4 | 9, 30 |"
        in page
    )
    assert "3 promotions; 0 of 3 tries on a whole system; seeds 7;" in page
