"""Decides a breach, proceedings, and the outcome of the crime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.disposal.domain.activity import activities
from services.disposal.domain.commands import DecideBreach, InstituteProceedings
from services.disposal.domain.completion import of_child
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    BreachDecided,
    ConditionFailed,
    DisposalCeased,
    DisposalClosedWithoutProceedings,
    EndedDisposal,
    OutcomeAssigned,
    ProceedingsInstituted,
)
from services.vocabulary import BreachDecision, OutcomeCode
from shared.domain.dates import local_day
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def _failed_conditions(state: DisposalState) -> Sequence[ConditionFailed]:
    """Return the failure of each active condition that the breach named."""
    named = () if state.breach is None else state.breach.condition_ids
    return [ConditionFailed(condition_id=key) for key in dict.fromkeys(named) if state.active(key) is not None]


def about_given(state: DisposalState) -> dict[str, Any]:
    """Return what the end of a disposal says of it: what was given or deferred, when, and the child's age that day."""
    given = state.issue or state.required_deferral
    disposal = EndedDisposal.DEFERRED_PROSECUTION if state.issue is None else EndedDisposal(state.issue.disposal)
    return {**of_child(state), "disposal": disposal, "issued_on": given.on, "age_at_issue": given.age}


def decide_breach(command: DecideBreach, state: DisposalState, context: Context) -> NewEvents:
    """Record the decision; without proceedings the same conditions fail and the disposal closes."""
    decision = event_from(BreachDecided, command)
    if command.decision is not BreachDecision.NO_PROCEEDINGS:
        return (decision,)
    closed = DisposalClosedWithoutProceedings(
        **about_given(state), ended_on=context.day, spent_on=state.required_issue.spent_on
    )
    return (decision, *_failed_conditions(state), closed)


def decide_proceedings(command: InstituteProceedings, state: DisposalState, context: Context) -> NewEvents:
    """Institute proceedings: conditions fail, the caution ceases (CDA 1998 s66E(3)), outcome 1 supersedes outcome 2.

    A deferral ceases likewise; nothing of it is ever spent.
    """
    issue = state.issue
    ceased = DisposalCeased(
        **about_given(state),
        ceased_on=context.day,
        spent_on=None if issue is None else min(issue.spent_on or context.day, context.day),
    )
    return (
        event_from(ProceedingsInstituted, command),
        *_failed_conditions(state),
        ceased,
        OutcomeAssigned(code=OutcomeCode.C1, **about_outcome(state, context)),
    )


def about_outcome(state: DisposalState, context: Context) -> dict[str, Any]:
    """Return the fields of an assigned outcome that the referral and the returns need."""
    activity = max((at for at in activities(state) if at <= context.occurred_at), default=None)
    return {
        **of_child(state),
        "disposal": None if state.issue is None else state.issue.disposal,
        "superseded": state.outcome,
        "age": state.age_on(context.day),
        "age_at_offence": state.opened.age_at_offence,
        "activity_on": None if activity is None else local_day(activity),
    }
