"""Corrections of a sitting: which fields may be corrected, the copies of them, and what disposals learn of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from services.panel.domain.commands import CorrectRecord
from services.panel.domain.evolve import evolve
from services.panel.domain.state import Sitting
from services.panel.events import (
    CaseConsidered,
    CorrectedRecommendation,
    MembersRecorded,
    RecordCorrected,
    SittingPlanned,
)
from shared.domain.corrections import CorrectionEngine, derived, facts_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import DerivedCorrection, Event

COPIES: Final = frozenset({"starts_at", "present"})
"""What the record of a considered case holds of the plan and of the members."""

CORRECTIONS: Final[CorrectionEngine[RecordCorrected, Sitting]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    # The case decides whose key seals what: a wrong one is taken off the agenda.
    fixed=frozenset({(Event, "disposal_id"), (Event, "case_id"), (Event, "person_id")}),
)


def decide_correction(command: CorrectRecord, sitting: Sitting) -> RecordCorrected:
    """Return the correction, with the copies of the corrected field, for the case that it is about."""
    target = CORRECTIONS.target(command, sitting)
    alone = CORRECTIONS.correction(command, sitting)
    about = alone.model_copy(update={"case_id": getattr(target.event, "case_id", None)})
    correction = about.model_copy(
        update={"also": tuple(_derived_corrections(target, CORRECTIONS.applied(sitting, about)))}
    )
    return correction.model_copy(update={"recommendations": tuple(_recommendations(correction, sitting))})


def _derived_corrections(target: Fact, after: Sitting) -> Iterator[DerivedCorrection]:
    """Yield the copies, in the records of considered cases, of what was corrected."""
    if not isinstance(target.event, SittingPlanned | MembersRecorded):
        return
    for fact in _considered(facts_of(after)):
        if isinstance(target.event, SittingPlanned):
            now = after.starts_at.isoformat().replace("+00:00", "Z")
            if fact.event.starts_at != after.starts_at:
                yield derived(fact, "starts_at", now)
        elif fact.event.present != after.present(fact.occurred_at):
            present = after.present(fact.occurred_at)
            yield derived(fact, "present", [member.model_dump(mode="json") for member in present])


def _recommendations(correction: RecordCorrected, sitting: Sitting) -> Iterator[CorrectedRecommendation]:
    """Yield what the panel recommended, where a disposal was told otherwise."""
    before = {fact.event_id: _told(fact.event) for fact in _considered(facts_of(sitting))}
    for fact in _considered(facts_of(CORRECTIONS.applied(sitting, correction))):
        if _told(fact.event) != before[fact.event_id]:
            yield CorrectedRecommendation(
                disposal_id=fact.event.disposal_id,
                recommended=fact.event.recommended,
                voting=fact.event.voting,
                told_by=(fact.event_id, *_earlier_corrections(sitting, fact.event.disposal_id)),
            )


def _considered(facts: Sequence[Fact]) -> Iterator[Fact[CaseConsidered]]:
    return (fact for fact in facts if has_event(fact, CaseConsidered))


def _told(event: CaseConsidered) -> tuple[object, ...]:
    return event.recommended, event.voting


def _earlier_corrections(sitting: Sitting, disposal: UUID) -> Iterator[UUID]:
    corrections = (fact for fact in facts_of(sitting) if has_event(fact, RecordCorrected))
    return (
        fact.event_id
        for fact in corrections
        if any(told.disposal_id == disposal for told in fact.event.recommendations)
    )
