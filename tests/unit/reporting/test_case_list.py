"""The row model of the case list is what the API describes."""

import pytest

from services.reporting.queries.answers import CaseList
from services.reporting.queries.case_list import COLUMNS, CaseLine, columns_of
from shared.api.schemas import Schema


def test_each_column_is_a_field_that_the_api_describes() -> None:
    """Given the row model, when the API's schema is made, then a case has its fields and no other."""
    described = CaseList.model_json_schema()["$defs"]["CaseLine"]
    assert list(described["properties"]) == list(COLUMNS) == list(CaseLine.model_fields)


def test_a_field_without_a_column_is_refused() -> None:
    """Given a row model with a field that says no SQL, when its columns are listed, then the error names the field."""

    class Wrong(Schema):
        school: str

    with pytest.raises(TypeError, match=r"Wrong\.school has no Column"):
        columns_of(Wrong)
