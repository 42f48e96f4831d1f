"""Defers the prosecution while the child completes an agreed plan, and ends the deferral."""

from services.disposal import events
from services.disposal.domain.commands import AgreeDeferral, CompleteDeferral, EndDeferral
from services.disposal.domain.derived import of_deferral, of_deferral_end, of_end, of_outcome
from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import OutcomeCode
from shared.domain.corrections import required
from shared.domain.decisions import NewEvents
from shared.domain.messages import model_from
from shared.domain.rules import Context


def decide_agreement(command: AgreeDeferral, state: DisposalState, context: Context) -> NewEvents:
    """Record the agreed plan, with what others need to count the child."""
    required(state.age_on(context.day), state, "the date of birth is forgotten")
    return (model_from(events.ProsecutionDeferred, command, **of_deferral(state, context.day)),)


def decide_completion(command: CompleteDeferral, state: DisposalState, context: Context) -> NewEvents:
    """Complete the deferral; outcome 23 comes with it (rule O23)."""
    completed = model_from(events.DeferralCompleted, command, **of_deferral_end(state), completed_on=context.day)
    return (completed, events.OutcomeAssigned(code=OutcomeCode.C23, **of_outcome(state, context)))


def decide_end(command: EndDeferral, state: DisposalState, context: Context) -> NewEvents:
    """End the deferral without completion; without proceedings the case closes."""
    ended = model_from(events.DeferralEnded, command, **of_deferral_end(state), ended_on=context.day)
    if command.then is events.AfterDeferral.PROSECUTE:
        return (ended,)
    return (ended, events.DisposalClosedWithoutProceedings(**of_end(state), ended_on=context.day))
