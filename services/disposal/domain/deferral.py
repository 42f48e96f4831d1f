"""Defers the prosecution while the child completes an agreed plan, and ends the deferral."""

from __future__ import annotations

from services.disposal.domain.breach import about_given, about_outcome
from services.disposal.domain.commands import AgreeDeferral, CompleteDeferral, EndDeferral
from services.disposal.domain.completion import of_child
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    AfterDeferral,
    DeferralCompleted,
    DeferralEnded,
    DisposalClosedWithoutProceedings,
    OutcomeAssigned,
    ProsecutionDeferred,
)
from services.vocabulary import OutcomeCode
from shared.domain.corrections import required
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def decide_agreement(command: AgreeDeferral, state: DisposalState, context: Context) -> NewEvents:
    """Record the agreed plan, with what others need to count the child."""
    offence = state.opened.offence
    event = event_from(
        ProsecutionDeferred,
        command,
        **of_child(state),
        age=required(state.age_on(context.day), state, "the date of birth is forgotten"),
        age_at_offence=state.opened.age_at_offence,
        offence_category=offence.category,
        trial_mode=offence.trial_mode,
        gravity_score=state.gravity,
        yjb_seriousness_score=state.yjb_seriousness,
    )
    return (event,)


def decide_completion(command: CompleteDeferral, state: DisposalState, context: Context) -> NewEvents:
    """Complete the deferral; outcome 23 comes with it (rule O23)."""
    completed = event_from(
        DeferralCompleted,
        command,
        **of_child(state),
        deferred_on=state.required_deferral.on,
        completed_on=context.day,
    )
    return (completed, OutcomeAssigned(code=OutcomeCode.C23, **about_outcome(state, context)))


def decide_end(command: EndDeferral, state: DisposalState, context: Context) -> NewEvents:
    """End the deferral without completion; without proceedings the case closes."""
    ended = event_from(
        DeferralEnded, command, **of_child(state), deferred_on=state.required_deferral.on, ended_on=context.day
    )
    if command.then is AfterDeferral.PROSECUTE:
        return (ended,)
    return (ended, DisposalClosedWithoutProceedings(**about_given(state), ended_on=context.day))
