"""Decides a breach, proceedings, and the outcome of the crime."""

from collections.abc import Sequence

from services.disposal import events
from services.disposal.domain.commands import DecideBreach, InstituteProceedings
from services.disposal.domain.derived import of_ceasing, of_end, of_outcome
from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import BreachDecision, OutcomeCode
from shared.domain.decisions import NewEvents
from shared.domain.messages import model_from
from shared.domain.rules import Context


def _failed_conditions(state: DisposalState) -> Sequence[events.ConditionFailed]:
    named = () if state.breach is None else state.breach.condition_ids
    return [events.ConditionFailed(condition_id=key) for key in dict.fromkeys(named) if state.active(key) is not None]


def decide_breach(command: DecideBreach, state: DisposalState, context: Context) -> NewEvents:
    """Record the decision; without proceedings the same conditions fail and the disposal closes."""
    decision = model_from(events.BreachDecided, command)
    if command.decision is not BreachDecision.NO_PROCEEDINGS:
        return (decision,)
    closed = events.DisposalClosedWithoutProceedings(
        **of_end(state), ended_on=context.day, spent_on=state.required_issue.spent_on
    )
    return (decision, *_failed_conditions(state), closed)


def decide_proceedings(command: InstituteProceedings, state: DisposalState, context: Context) -> NewEvents:
    """Institute proceedings: conditions fail, the caution ceases (CDA 1998 s66E(3)), outcome 1 supersedes outcome 2.

    A deferral ceases likewise; nothing of it is ever spent.
    """
    ceased = events.DisposalCeased(**of_ceasing(state, context.day), ceased_on=context.day)
    return (
        model_from(events.ProceedingsInstituted, command),
        *_failed_conditions(state),
        ceased,
        events.OutcomeAssigned(code=OutcomeCode.C1, **of_outcome(state, context)),
    )
