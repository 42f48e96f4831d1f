"""docs/reference/reliability.md says what the faults of this checkout did, each of which is a test."""

from tests.failover.faults import FAULTS
from tests.failover.page import PAGE


def test_each_line_of_the_page_is_a_fault_and_nothing_was_lost_or_doubled() -> None:
    """Given the committed page, then it has a line for each fault in order, with its promise and alert, and no loss."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    lines = [row for row in rows if len(row) == 8][1:]
    assert [row[:2] for row in lines] == [[fault.what, fault.promise] for fault in FAULTS]
    assert [row[2].partition("]")[0] for row in lines] == [f"[{fault.alert}" for fault in FAULTS]
    assert {(row[4], row[5]) for row in lines} == {("0", "0")}
