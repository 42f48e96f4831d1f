"""The set of conditions as a command would leave it, and the dates that follow from a set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.disposal.domain.commands import IssueDisposal, ProposeCondition, VaryConditions
from services.disposal.domain.state import ConditionState, ConditionStatus, DisposalState
from services.disposal.events import ChangeAction, Condition, OmittedCondition, RetypedCondition
from services.trade.vocabulary import ConditionType, Disposal
from shared.domain.corrections import required
from shared.domain.dates import add_months
from shared.domain.policy import Policy
from shared.domain.rules import Context

REMAINS = frozenset(
    {ConditionStatus.PROPOSED, ConditionStatus.ACTIVE, ConditionStatus.COMPLETED, ConditionStatus.EXCUSED}
)


@dataclass(frozen=True, slots=True)
class ResultingSet:
    """The conditions after a command: the disposal that it is for, what remains, and what of it is still to be done."""

    disposal: Disposal
    remaining: tuple[Condition, ...]
    to_do: tuple[Condition, ...]


def resulting(command: ProposeCondition | VaryConditions | IssueDisposal, state: DisposalState) -> ResultingSet | None:
    """Return the set after the command; None if the state machine allows no conditions at all."""
    if isinstance(command, VaryConditions):
        if state.issue is None or state.issue.disposal is Disposal.YC:
            return None
        after = varied(command, state)
        to_do = (condition.terms for condition in after.values() if condition.standing is ConditionStatus.ACTIVE)
        return ResultingSet(state.issue.disposal, remaining_terms(after), tuple(to_do))
    if state.to_be_issued is None or state.to_be_issued is Disposal.YC:
        return None
    remaining = {key: condition.terms for key, condition in state.conditions.items()}
    if isinstance(command, IssueDisposal):
        return ResultingSet(state.to_be_issued, tuple(remaining.values()), tuple(remaining.values()))
    remaining[command.condition.condition_id] = command.condition
    # What was proposed before has been judged on its own day, with its own rationale.
    return ResultingSet(state.to_be_issued, tuple(remaining.values()), (command.condition,))


def varied(command: VaryConditions, state: DisposalState) -> Mapping[UUID, ConditionState]:
    """Return the conditions after a variation, without changes that make no sense (the state machine refuses those)."""
    after = dict(state.conditions)
    for change in command.changes:
        existing = after.get(change.condition_id)
        if change.action is ChangeAction.OMIT:
            if existing is not None:
                after[change.condition_id] = replace(existing, standing=ConditionStatus.OMITTED)
        elif change.condition is not None:
            after[change.condition_id] = (
                ConditionState(change.condition, ConditionStatus.ACTIVE, state.opened_at)
                if existing is None
                else replace(existing, terms=change.condition)
            )
    return after


def remaining_terms(conditions: Mapping[UUID, ConditionState]) -> tuple[Condition, ...]:
    """Return the terms of the conditions that were neither omitted nor failed."""
    return tuple(condition.terms for condition in conditions.values() if condition.standing in REMAINS)


def _type_of(condition_id: UUID, state: DisposalState) -> ConditionType:
    """Return the type of a condition. Raises `BrokenHistory` if the facts of the state lack it, as a correction may have it."""
    return required(state.conditions.get(condition_id), state, "it has no such condition").terms.type


def omitted_by(command: VaryConditions, state: DisposalState) -> tuple[OmittedCondition, ...]:
    """Return the conditions that a variation omits, with their types, which its changes do not name."""
    return tuple(
        OmittedCondition(condition_id=change.condition_id, type=_type_of(change.condition_id, state))
        for change in command.changes
        if change.action is ChangeAction.OMIT
    )


def retyped_by(command: VaryConditions, state: DisposalState) -> tuple[RetypedCondition, ...]:
    """Return the conditions whose type a variation changes, with both types."""
    pairs = (
        (_type_of(change.condition_id, state), change.condition)
        for change in command.changes
        if change.action is ChangeAction.MODIFY and change.condition is not None
    )
    return tuple(
        RetypedCondition(condition_id=condition.condition_id, before=before, after=condition.type)
        for before, condition in pairs
        if before is not condition.type
    )


def ends_on(conditions: Iterable[Condition]) -> date | None:
    """Return the deadline: the latest due date among the conditions; None if there are none."""
    return max((condition.due for condition in conditions), default=None)


def spent_on(disposal: Disposal, issued_on: date, agreed_end: date | None, policy: Policy) -> date | None:
    """Return the day on which the disposal is spent (R24); without an agreed end, as the statute reads.

    A caution is spent when given; a conditional caution at its agreed end if that is less than three months after
    giving, else three calendar months after giving, to the month's last day if it is shorter. Source: ROA 1974 sch 2
    para 1, as the Ministry of Justice's disclosure calculator reads it.
    """
    match disposal:
        case Disposal.YRD:
            return None
        case Disposal.YC:
            return issued_on
        case Disposal.YCC:
            latest = add_months(issued_on, policy.number("spent_after_months"))
            return latest if agreed_end is None else min(agreed_end, latest)


def given_day(state: DisposalState, context: Context) -> date:
    """Return the day from which deadlines count: the day of issue, before that the day of the command."""
    return context.day if state.issue is None else state.issue.on
