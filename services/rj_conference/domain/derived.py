"""What an end of a conference holds of its proposal and its schedule: copied when it is made, and again after a correction."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from services.rj_conference.domain.state import Conference
from services.rj_conference.events import ConferenceDidNotProceed, ConferenceHeld, Present, PresentRole, ServedFor
from shared.domain.corrections import required
from shared.domain.envelope import Fact
from shared.domain.policy import Policy
from shared.domain.rules import Context

_PROPOSAL: Final = "the proposal of the conference"
_SCHEDULE: Final = "the schedule of the conference"
_PRESENT: Final = "the list of those present"

SOURCES: Final[Mapping[str, str]] = {
    "referral_id": _PROPOSAL,
    "disposal_id": _PROPOSAL,
    "condition_id": _PROPOSAL,
    "harmer": _PROPOSAL,
    "category": _PROPOSAL,
    "mode": _SCHEDULE,
    "hours": _SCHEDULE,
    "harmed_took_part": _PRESENT,
    "harmed_ids": _PRESENT,
    "serves": "the participants of the conference",
    "follow_up_due": "the day of the conference",
}
"""Derived field -> what it follows from: that is to be corrected (rule COR1)."""


def of_end(state: Conference) -> dict[str, Any]:
    """Return what any end holds: the condition that the conference served, and the child."""
    serves = (
        ServedFor(person_id=person, disposal_id=of.serves.disposal_id, condition_id=of.serves.condition_id)
        for person, of in state.participants.items()
        if of.serves is not None
    )
    served = {"disposal_id": state.disposal_id, "condition_id": state.condition_id, "harmer": state.harmer}
    return {**served, "serves": tuple(serves) or None}


def of_held(present: Iterable[Present], state: Conference, day: date, policy: Policy) -> dict[str, Any]:
    """Return the values of proposal and schedule that readers count by, and who of the harmed took part."""
    schedule = required(state.schedule, state, "it was never scheduled")
    harmed = tuple(person.person_id for person in present if person.attended and person.role is PresentRole.HARMED)
    return {
        **of_end(state),
        "referral_id": state.referral_id,
        "hours": schedule.hours,
        "category": state.category,
        "mode": schedule.mode,
        "harmed_took_part": len(harmed),
        "harmed_ids": harmed,
        "follow_up_due": day + timedelta(weeks=policy.number("follow_up_weeks")),
    }


def derived_fields(fact: Fact[Any], state: Conference | None, context: Context) -> Mapping[str, Any]:
    match fact.event:
        case ConferenceHeld(present=present) if state is not None:
            return of_held(present, state, fact.day, context.policy)
        case ConferenceDidNotProceed() if state is not None:
            return of_end(state)
        case _:
            return {}
