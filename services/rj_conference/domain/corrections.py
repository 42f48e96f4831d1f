"""Corrections of a conference: which fields may be corrected, and the copies of them in later events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Final

from services.rj_conference.domain.commands import CorrectRecord
from services.rj_conference.domain.evolve import evolve
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import (
    ConferenceDidNotProceed,
    ConferenceEnd,
    ConferenceHeld,
    ConferenceProposed,
    ConferenceScheduled,
    CorrectedConference,
    FollowUpCompleted,
    PresentRole,
    RecordCorrected,
    ServedCondition,
)
from shared.domain.corrections import CorrectionEngine, derived, facts_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import DerivedCorrection, Event

CORRECTIONS: Final[CorrectionEngine[RecordCorrected, Conference]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    # The case and the person decide whose key seals what.
    fixed=frozenset({(ConferenceProposed, "case_id"), (FollowUpCompleted, "person_id")}),
)

OF_THE_PROPOSAL: Final[Mapping[type[Event], frozenset[str]]] = {
    ConferenceHeld: frozenset({"referral_id", "disposal_id", "condition_id", "harmer", "category"}),
    ConferenceDidNotProceed: frozenset({"disposal_id", "condition_id", "harmer"}),
}
"""What later events hold of the proposal, so that others can react without asking back."""

NO_HOURS: Final = Decimal(0)

OF_THE_SCHEDULE: Final = frozenset({"mode", "hours"})
"""What a conference that was held holds of its schedule."""


def decide_correction(command: CorrectRecord, conference: Conference) -> RecordCorrected:
    """Return the correction, with the copies of the corrected field in later events."""
    alone = CORRECTIONS.correction(command, conference)
    facts = facts_of(CORRECTIONS.applied(conference, alone))
    correction = alone.model_copy(update={"also": tuple(_derived_corrections(alone, facts))})
    return correction.model_copy(update={"conference": _corrected_conference(correction, conference)})


def _corrected_conference(correction: RecordCorrected, conference: Conference) -> CorrectedConference | None:
    """Return what disposals need that had counted the conference; None if nothing changes that they were told."""
    after = CORRECTIONS.applied(conference, correction)
    before = {fact.event_id: _end_for_disposals(fact) for fact in facts_of(conference)}
    facts = facts_of(after)
    changed = [fact for fact in facts if _end_for_disposals(fact) != before[fact.event_id]]
    if not changed:
        return None
    touched = {fact.event_id for fact in changed}
    corrections = (fact for fact in facts if has_event(fact, RecordCorrected))
    earlier = (fact for fact in corrections if not touched.isdisjoint(fact.event.targets))
    return CorrectedConference(
        before=_served(conference),
        after=_served(after),
        ends=tuple(_end(fact) for fact in changed),
        told_by=tuple(fact.event_id for fact in (*changed, *earlier)),
    )


def _served(conference: Conference) -> ServedCondition:
    return ServedCondition(disposal_id=conference.disposal_id, condition_id=conference.condition_id)


def _end_for_disposals(fact: Fact) -> tuple[ServedCondition, ConferenceEnd] | None:
    """Return what disposals learn from an event; None if it is no end of a conference that serves a condition."""
    if not isinstance(fact.event, ConferenceHeld | ConferenceDidNotProceed):
        return None
    served = ServedCondition(disposal_id=fact.event.disposal_id, condition_id=fact.event.condition_id)
    return served, _end(fact)


def _end(fact: Fact) -> ConferenceEnd:
    match fact.event:
        case ConferenceHeld(hours=hours):
            return ConferenceEnd(hours=hours, occurred_at=fact.occurred_at)
        case ConferenceDidNotProceed(why=why):
            return ConferenceEnd(hours=NO_HOURS, why=why, occurred_at=fact.occurred_at)
        case _:
            raise TypeError(f"{fact.name} ends no conference")


def _derived_corrections(alone: RecordCorrected, facts: Sequence[Fact]) -> Iterator[DerivedCorrection]:
    """Yield the fields that later events copied or computed from the corrected one, which the facts hold already."""
    number = next(n for n, fact in enumerate(facts) if fact.event_id == alone.corrects)
    later = facts[number + 1 :]
    match facts[number].event:
        case ConferenceProposed():
            holding = [fact for fact in later if alone.field in OF_THE_PROPOSAL.get(type(fact.event), ())]
            yield from (derived(fact, alone.field, alone.value) for fact in holding)
        case ConferenceScheduled() if alone.field in OF_THE_SCHEDULE:
            until_the_next = takewhile(lambda fact: not isinstance(fact.event, ConferenceScheduled), later)
            copies = [fact for fact in until_the_next if isinstance(fact.event, ConferenceHeld)]
            yield from (derived(fact, alone.field, alone.value) for fact in copies)
        case ConferenceHeld(present=present) if alone.field.partition(".")[0] == "present":
            harmed = [
                str(person.person_id) for person in present if person.attended and person.role is PresentRole.HARMED
            ]
            yield derived(facts[number], "harmed_took_part", len(harmed))
            yield derived(facts[number], "harmed_ids", harmed)
        case _:
            pass
