"""Decides a correction: the value, what follows from it, and whether the disposal stays lawful."""

from services.disposal.domain.commands import CorrectRecord
from services.disposal.domain.corrections import CORRECTIONS, with_consequences
from services.disposal.domain.rules.lawfulness import unlawful_by
from services.disposal.domain.state import DisposalState
from services.disposal.events import CorrectedOutcome, OutcomeAssigned, RecordCorrected
from shared.domain.corrections import facts_of
from shared.domain.decisions import NewEvents
from shared.domain.rules import Context


def decide_correction(command: CorrectRecord, state: DisposalState, context: Context) -> NewEvents:
    """Record the correction, with what was computed from the field and the rules that it shows broken."""
    correction = with_consequences(CORRECTIONS.correction(command, state), state, context)
    after = CORRECTIONS.applied(state, correction)
    more = {"unlawful_by": unlawful_by(after, context), "outcome": corrected_outcome(correction, state, after)}
    return (correction.model_copy(update=more),)


def corrected_outcome(
    correction: RecordCorrected, state: DisposalState, after: DisposalState
) -> CorrectedOutcome | None:
    """Return the corrected outcome for the referral that has it; None if its code stays or no referral has it."""
    before, corrected = (
        next(fact for fact in facts_of(of) if fact.event_id == correction.corrects) for of in (state, after)
    )
    was, is_now = before.event, corrected.event
    if not isinstance(was, OutcomeAssigned) or not isinstance(is_now, OutcomeAssigned):
        return None
    if was.code == is_now.code or was.referral_id is None:
        return None
    earlier = (
        fact.event_id
        for fact in facts_of(after)
        if isinstance(fact.event, RecordCorrected) and fact.event.corrects == correction.corrects
    )
    return CorrectedOutcome(
        referral_id=was.referral_id,
        person_id=was.person_id,
        before=was.code,
        after=is_now.code,
        occurred_at=corrected.occurred_at,
        told_by=(correction.corrects, *earlier),
    )
