"""Corrections of a conference: which fields may be corrected, and the copies of them in later events."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

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
    corrected_state = CORRECTIONS.applied(conference, correction)
    before, after = facts_of(conference), facts_of(corrected_state)
    others = dict.fromkeys((*conference.participants, *corrected_state.participants))
    further = (_corrected_conference(before, after, other) for other in others)
    return correction.model_copy(
        update={
            "conference": _corrected_conference(before, after),
            "further": tuple(corrected for corrected in further if corrected) or None,
        }
    )


def _corrected_conference(
    before: Sequence[Fact], after: Sequence[Fact], other: UUID | None = None
) -> events.CorrectedConference | None:
    """Return what the disposal of the first harmer, or of another, needs; None if nothing changes that it was told."""
    told = {fact.event_id: _read_end(fact, other) for fact in before}
    changed = [fact for fact in after if _read_end(fact, other) != told[fact.event_id]]
    if not changed:
        return None
    touched = {fact.event_id for fact in changed}
    corrections = (fact for fact in after if has_event(fact, events.RecordCorrected))
    earlier = (fact for fact in corrections if not touched.isdisjoint(fact.event.targets))
    return events.CorrectedConference(
        before=told[changed[-1].event_id][0],
        after=_read_end(changed[-1], other)[0],
        ends=tuple(_end(fact) for fact in changed),
        told_by=tuple(fact.event_id for fact in (*changed, *earlier)),
    )


def _read_end(fact: Fact, other: UUID | None) -> tuple[events.ServedCondition, events.ConferenceEnd | None]:
    """Return what the disposal of the first harmer, or of another, learns from an event: nothing, if it is no end of theirs."""
    match fact.event:
        case events.ConferenceHeld() | events.ConferenceDidNotProceed() as end:
            served = [end] if other is None else [of for of in end.serves or () if of.person_id == other]
            for of in served:
                return events.ServedCondition(disposal_id=of.disposal_id, condition_id=of.condition_id), _end(fact)
    return events.ServedCondition(), None


def _end(fact: Fact) -> events.ConferenceEnd:
    match fact.event:
        case events.ConferenceHeld(hours=hours):
            return events.ConferenceEnd(hours=hours, occurred_at=fact.occurred_at)
        case events.ConferenceDidNotProceed(why=why):
            return events.ConferenceEnd(hours=NO_HOURS, why=why, occurred_at=fact.occurred_at)
        case _:
            raise TypeError(f"{fact.name} ends no conference")
