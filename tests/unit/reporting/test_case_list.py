"""The row model of the case list serves API and terminal."""

from __future__ import annotations

from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from ooc.tables import case_list
from services.reporting.queries.answers import CaseList
from services.reporting.queries.case_list import COLUMNS, CaseLine, columns_of
from shared.api.schemas import Schema

CASE = UUID(int=7)


def test_each_column_is_a_field_that_the_api_describes() -> None:
    """Given the row model, when the API's schema is made, then a case has its fields and no other."""
    described = CaseList.model_json_schema()["$defs"]["CaseLine"]
    assert list(described["properties"]) == list(COLUMNS) == list(CaseLine.model_fields)


def test_the_terminal_shows_the_columns_that_have_a_heading() -> None:
    """Given a case, when its row is printed, then each column with a heading is there, and no other."""
    case = dict.fromkeys(COLUMNS, "not shown") | {
        "case_id": str(CASE),
        "next_due": "2026-03-09",
        "overdue_duties": 0,
        "work": [{"service": "referral", "state": "TRIAGED"}, {"service": "disposal", "state": None}],
    }
    console = Console(width=160, record=True, file=StringIO())
    console.print(case_list("Cases", [case]))
    text = console.export_text()
    for word in ("case", "next due", "overdue", "work", str(CASE), "2026-03-09", "referral TRIAGED", "disposal"):
        assert word in text
    assert "not shown" not in text


def test_a_field_without_a_column_is_refused() -> None:
    """Given a row model with a field that says no SQL, when its columns are listed, then the error names the field."""

    class Wrong(Schema):
        school: str

    with pytest.raises(TypeError, match=r"Wrong\.school has no Column"):
        columns_of(Wrong)
