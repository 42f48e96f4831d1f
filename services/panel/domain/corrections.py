"""Corrections of a sitting: which fields may be corrected, the copies of them, and what disposals learn of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.panel.domain.commands import CorrectRecord
from services.panel.domain.evolve import evolve
from services.panel.domain.state import Sitting
from services.panel.events import CaseConsidered, CorrectedRecommendation, RecordCorrected
from shared.domain.corrections import CorrectionEngine, facts_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Event
from shared.domain.rules import Context


def of_considered(sitting: Sitting, at: datetime) -> dict[str, Any]:
    """Return what the record of a considered case holds of the plan, and of the members at a time."""
    return {"starts_at": sitting.starts_at, "present": sitting.present(at)}


CORRECTIONS: Final[CorrectionEngine[RecordCorrected, Sitting]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    # The case decides whose key seals what: a wrong one is taken off the agenda.
    fixed=frozenset({(Event, "disposal_id"), (Event, "case_id"), (Event, "person_id")}),
    derived_fields=lambda fact, sitting, _context: (
        of_considered(sitting, fact.occurred_at) if isinstance(fact.event, CaseConsidered) else {}
    ),
    sources={"starts_at": "the plan of the sitting", "present": "the members of the sitting"},
)


def decide_correction(command: CorrectRecord, sitting: Sitting, context: Context) -> RecordCorrected:
    """Return the correction, with the copies of the corrected field, for the case that it is about."""
    case = getattr(CORRECTIONS.target(command, sitting).event, "case_id", None)
    alone = CORRECTIONS.correction(command, sitting).model_copy(update={"case_id": case})
    correction = CORRECTIONS.with_consequences(alone, sitting, context)
    return correction.model_copy(update={"recommendations": tuple(_recommendations(correction, sitting))})


def _recommendations(correction: RecordCorrected, sitting: Sitting) -> Iterator[CorrectedRecommendation]:
    """Yield what the panel recommended, if a disposal was told otherwise."""
    before = {fact.event_id: _outcome_of(fact.event) for fact in _considered(facts_of(sitting))}
    for fact in _considered(facts_of(CORRECTIONS.applied(sitting, correction))):
        if _outcome_of(fact.event) != before[fact.event_id]:
            yield CorrectedRecommendation(
                disposal_id=fact.event.disposal_id,
                recommended=fact.event.recommended,
                voting=fact.event.voting,
                told_by=(fact.event_id, *_earlier_corrections(sitting, fact.event.disposal_id)),
            )


def _considered(facts: Sequence[Fact]) -> Iterator[Fact[CaseConsidered]]:
    return (fact for fact in facts if has_event(fact, CaseConsidered))


def _outcome_of(event: CaseConsidered) -> tuple[object, ...]:
    return event.recommended, event.voting


def _earlier_corrections(sitting: Sitting, disposal: UUID) -> Iterator[UUID]:
    corrections = (fact for fact in facts_of(sitting) if has_event(fact, RecordCorrected))
    return (
        fact.event_id
        for fact in corrections
        if any(recommendation.disposal_id == disposal for recommendation in fact.event.recommendations)
    )
