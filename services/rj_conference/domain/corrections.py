"""Corrections of a conference: which fields may be corrected, and the copies of them in later events."""

from decimal import Decimal
from typing import Final

from services.rj_conference import events
from services.rj_conference.domain.commands import COMMANDS, DEFAULT_ROLES, CorrectRecord
from services.rj_conference.domain.derived import SOURCES, derived_fields
from services.rj_conference.domain.evolve import evolve
from services.rj_conference.domain.state import Conference
from services.trade.vocabulary import Role
from shared.domain.corrections import CorrectionEngine, facts_of, recorders
from shared.domain.envelope import Fact, has_event
from shared.domain.rules import Context

CORRECTIONS: Final[CorrectionEngine[events.RecordCorrected, Conference]] = CorrectionEngine(
    events.RecordCorrected,
    evolve,
    fixed=frozenset(
        {
            # The case and the person decide whose key seals what.
            (events.ConferenceProposed, "case_id"),
            (events.FollowUpCompleted, "person_id"),
            # Who leads it reads its records: another is assigned, by the rules of that.
            (events.FacilitatorAssigned, "facilitator_id"),
        }
    ),
    corrected_by=recorders(COMMANDS, DEFAULT_ROLES, Role.SUPERVISOR),
    derived_fields=derived_fields,
    sources=SOURCES,
)

NO_HOURS: Final = Decimal(0)


def decide_correction(command: CorrectRecord, conference: Conference, context: Context) -> events.RecordCorrected:
    """Return the correction, with the copies of the corrected field in later events."""
    correction = CORRECTIONS.with_consequences(CORRECTIONS.correction(command, conference), conference, context)
    return correction.model_copy(update={"conference": _corrected_conference(correction, conference)})


def _corrected_conference(
    correction: events.RecordCorrected, conference: Conference
) -> events.CorrectedConference | None:
    """Return what disposals need that had counted the conference; None if nothing changes that they were told."""
    after = CORRECTIONS.applied(conference, correction)
    before = {fact.event_id: _end_for_disposals(fact) for fact in facts_of(conference)}
    facts = facts_of(after)
    changed = [fact for fact in facts if _end_for_disposals(fact) != before[fact.event_id]]
    if not changed:
        return None
    touched = {fact.event_id for fact in changed}
    corrections = (fact for fact in facts if has_event(fact, events.RecordCorrected))
    earlier = (fact for fact in corrections if not touched.isdisjoint(fact.event.targets))
    return events.CorrectedConference(
        before=_served(conference),
        after=_served(after),
        ends=tuple(_end(fact) for fact in changed),
        told_by=tuple(fact.event_id for fact in (*changed, *earlier)),
    )


def _served(conference: Conference) -> events.ServedCondition:
    return events.ServedCondition(disposal_id=conference.disposal_id, condition_id=conference.condition_id)


def _end_for_disposals(fact: Fact) -> tuple[events.ServedCondition, events.ConferenceEnd] | None:
    """Return what disposals learn from an event; None if it is no end of a conference that serves a condition."""
    if not isinstance(fact.event, events.ConferenceHeld | events.ConferenceDidNotProceed):
        return None
    served = events.ServedCondition(disposal_id=fact.event.disposal_id, condition_id=fact.event.condition_id)
    return served, _end(fact)


def _end(fact: Fact) -> events.ConferenceEnd:
    match fact.event:
        case events.ConferenceHeld(hours=hours):
            return events.ConferenceEnd(hours=hours, occurred_at=fact.occurred_at)
        case events.ConferenceDidNotProceed(why=why):
            return events.ConferenceEnd(hours=NO_HOURS, why=why, occurred_at=fact.occurred_at)
        case _:
            raise TypeError(f"{fact.name} ends no conference")
