"""Records that several cases share, as sessions and sittings do: one case stands in so many, since who opens it reads all."""

from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.rules import Context
from shared.domain.service import Claims


def claim_of(rule: str, case_id: UUID, fact: Fact) -> Claims | None:
    """Return the claim by which a record counts for a case for ever; None for an event that is older than the rule."""
    record = f"{_records_of(case_id, fact)}{fact.stream_id}"
    return Claims(rule, take=(record,)) if rule in fact.envelope.rules else None


def has_room(case_id: UUID, opening: Fact, context: Context, most: int) -> bool:
    """Tell whether a case has this record already, or fewer than the most in the area of the record that an event opened."""
    records = _records_of(case_id, opening)
    counted = {mark for mark in context.linked(case_id) if mark.startswith(records)}
    return len(counted) < most or f"{records}{context.stream}" in counted


def _records_of(case_id: UUID, fact: Fact) -> str:
    # By area, so that nobody fills the cases of another one.
    return f"{case_id}:{fact.envelope.labels.get('area', '')}:"
