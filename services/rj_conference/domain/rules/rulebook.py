"""The rule book of a conference."""

from collections.abc import Iterable
from uuid import UUID

from services.rj_conference.domain.commands import RecordConferenceHeld
from services.rj_conference.domain.state import OTHER_SIDE, Conference
from services.rj_conference.events import ConferenceHeld, PresentRole
from shared.domain.rules import Context, RuleBook

rules: RuleBook[Conference] = RuleBook("rj_conference")


def is_prepared(conference: Conference, person: UUID, context: Context) -> bool:
    """Whether somebody had had the preparation meetings that the policy asks for by then."""
    meetings = sum(moment <= context.occurred_at for moment in conference.preparations.get(person, ()))
    return meetings >= context.policy.number("preparation_meetings")


def was_held(conference: RecordConferenceHeld | ConferenceHeld, harmers: Iterable[UUID]) -> bool:
    """Whether each harmer, somebody of the harmed side and the facilitator took part (C8)."""
    attended = [person for person in conference.present if person.attended]
    who_harmed = {person.person_id for person in attended if person.role is PresentRole.HARMER}
    return (
        who_harmed.issuperset(harmers)
        and any(person.role in OTHER_SIDE for person in attended)
        and conference.facilitator_attended
    )
