"""The page for inspectors as it is printed: what is on it, and what stands there where something is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from services.console.auditors.inspection import name_of
from services.console.documents import print_inspection
from tests.pdf import pdf_text

MADE = datetime(2026, 11, 27, 9, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "period": "1 July 2026 to 30 September 2026",
    "made": "27 November 2026 at 09:00",
    "by": "Auditor",
    "measures": [
        {
            "name": "KPI6",
            "version": "1",
            "notice": "",
            "columns": ["Ended", "Completed"],
            "rows": [["Youth caution", "12", "not known"]],
        },
        {"name": "Workload", "version": "", "notice": "Your role does not include this.", "columns": [], "rows": []},
    ],
    "frozen": [{"name": "KPI6, definition 1", "at": "1 October 2026 at 10:00", "sha256": "ab" * 32}],
    "verification": {
        "ran": "26 November",
        "found": "61 checks, no break",
        "kept": "as it was kept",
        "sha256": "cd" * 32,
    },
    "unverified": "",
    "checkpoints": [{"log": "Disposal, events", "size": "7", "root": "AAAA=", "witness": "witness.example"}],
}


def text_of(values: dict[str, Any]) -> str:
    """Return the text of the printed page, with single spaces."""
    return pdf_text(print_inspection(values, MADE))


def test_the_page_has_numbers_and_what_they_rest_on() -> None:
    """Given a period, when it is printed, then measures, frozen returns, verification and checkpoints stand there."""
    text = text_of(VALUES)
    for words in ("KPI6", "Definition 1.", "Youth caution", "12", "not known", "Your role does not include this."):
        assert words in text
    for words in ("1 October 2026 at 10:00", "61 checks, no break", "Disposal, events", "witness.example"):
        assert words in text


def test_what_is_missing_is_said() -> None:
    """Given neither a frozen return nor a report that may be shown, when it is printed, then the page says so."""
    text = text_of({**VALUES, "frozen": [], "verification": None, "unverified": "No such report is kept."})
    assert "No return was frozen." in text
    assert "No such report is kept." in text
    assert "no break" not in text


def test_the_same_values_print_to_the_same_bytes() -> None:
    """Given the same values twice, then the same file comes out."""
    assert print_inspection(VALUES, MADE) == print_inspection(VALUES, MADE)


@pytest.mark.parametrize("day", ['2026-09-30"; filename="a.html', "2026-09-30\r\nSet-Cookie: a=b", "all was well", ""])
def test_a_period_that_is_none_names_no_file(day: str) -> None:
    """Given an address whose period holds other words than days, when the page is asked for, then it is refused."""
    assert name_of({"from": "2026-07-01", "to": "2026-09-30"}) == "inspection-2026-07-01-2026-09-30.pdf"
    with pytest.raises(HTTPException):
        name_of({"from": "2026-07-01", "to": day})
