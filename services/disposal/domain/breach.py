"""Decides a breach, proceedings, and the outcome of the crime."""

from __future__ import annotations

from collections.abc import Sequence

from services.disposal.domain.commands import DecideBreach, InstituteProceedings
from services.disposal.domain.derived import of_ceasing, of_end, of_outcome
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    BreachDecided,
    ConditionFailed,
    DisposalCeased,
    DisposalClosedWithoutProceedings,
    OutcomeAssigned,
    ProceedingsInstituted,
)
from services.vocabulary import BreachDecision, OutcomeCode
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def _failed_conditions(state: DisposalState) -> Sequence[ConditionFailed]:
    """Return the failure of each active condition that the breach named."""
    named = () if state.breach is None else state.breach.condition_ids
    return [ConditionFailed(condition_id=key) for key in dict.fromkeys(named) if state.active(key) is not None]


def decide_breach(command: DecideBreach, state: DisposalState, context: Context) -> NewEvents:
    """Record the decision; without proceedings the same conditions fail and the disposal closes."""
    decision = event_from(BreachDecided, command)
    if command.decision is not BreachDecision.NO_PROCEEDINGS:
        return (decision,)
    closed = DisposalClosedWithoutProceedings(
        **of_end(state), ended_on=context.day, spent_on=state.required_issue.spent_on
    )
    return (decision, *_failed_conditions(state), closed)


def decide_proceedings(command: InstituteProceedings, state: DisposalState, context: Context) -> NewEvents:
    """Institute proceedings: conditions fail, the caution ceases (CDA 1998 s66E(3)), outcome 1 supersedes outcome 2.

    A deferral ceases likewise; nothing of it is ever spent.
    """
    ceased = DisposalCeased(**of_ceasing(state, context.day), ceased_on=context.day)
    return (
        event_from(ProceedingsInstituted, command),
        *_failed_conditions(state),
        ceased,
        OutcomeAssigned(code=OutcomeCode.C1, **of_outcome(state, context)),
    )
