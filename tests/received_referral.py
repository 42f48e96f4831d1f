"""The commands by which most tests begin: a school's report of a fire behind the hall, and who is in it."""

from typing import Any, Final
from uuid import UUID

NARRATIVE: Final = "A bin was set on fire behind the hall."


def received_referral(case: UUID, at: str, **changes: Any) -> dict[str, Any]:
    """Return `ReceiveReferral` for a case, with every time `at` (ISO 8601, with its zone) and some fields changed."""
    return {
        "type": "ReceiveReferral",
        "case_id": str(case),
        "source": "SCHOOL",
        "occurred_at": at,
        "reported_at": at,
        "happened_at": at,
        "incident_type": "ASB",
        "setting": "SCHOOL",
        "on_premises": True,
        "in_school_hours": True,
        "flags": [],
        "narrative": NARRATIVE,
        "lawful_basis": "law enforcement",
        **changes,
    }


CATEGORIES: Final = {"HARMER": "SUSPECT", "HARMED": "VICTIM"}
"""The category of a person by their role; any other role is its own."""


def linked_person(person: UUID, role: str = "HARMER", **details: Any) -> dict[str, Any]:
    """Return `LinkPerson` for somebody, who is Robin Roe but for some details."""
    known = {"name": "Robin Roe", "date_of_birth": "2011-03-14"} | details
    category = CATEGORIES.get(role, role)
    ids = {"type": "LinkPerson", "person_id": str(person), "role": role, "category": category}
    return {**ids, "details": known, "rationale": {"N2": "Another one."}}
