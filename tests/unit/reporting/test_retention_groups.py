"""The group by which a person's records are kept, as their offence and flags suggest it."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.reporting.queries.retention import POLICY, PersonRecords


@pytest.mark.parametrize("what", [{"category": "WEAPONS", "flags": None}, {"category": None, "flags": ["KNIFE"]}])
def test_a_knife_is_kept_as_long_as_a_serious_offence(what: dict[str, Any]) -> None:
    """Given a weapon as offence or a knife as flag, then the group is 2 since the guidance of February 2026, and was not before."""
    row = {
        "open": False,
        "updated_at": datetime(2026, 5, 1, tzinfo=UTC),
        "cases": [],
        "category": what["category"],
        "flags": json.dumps(what["flags"] or []),
    }
    groups = []
    for day in (date(2026, 2, 11), date(2026, 2, 12)):
        records = PersonRecords()
        records.add(row, POLICY.on(day))
        groups.append(records.group)
    assert groups[1] == 2
    assert groups[0] > 2
