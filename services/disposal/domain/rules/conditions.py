"""Conditions: what they may ask, for how long, and until when; the same for a proposal and for a variation."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal

from services.disposal.domain.commands import IssueDisposal, ProposeCondition, VaryConditions, WithdrawCondition
from services.disposal.domain.condition_set import ResultingSet, given_day, resulting
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.conditions.definition import Requirement
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState, Stage
from services.disposal.events import Condition
from services.trade.vocabulary import ConditionObject, ConditionType, Disposal, TrialMode
from shared.domain.decisions import RuleKind
from shared.domain.rules import Context, Rule

Asks = ProposeCondition | VaryConditions | IssueDisposal


def _of_caution(command: Asks, state: DisposalState) -> ResultingSet | None:
    """Return the resulting set of a conditional caution, else None: R16 and R20 to R22 bind no restorative disposal."""
    after = resulting(command, state)
    return after if after is not None and after.disposal is Disposal.YCC else None


@rules.forbids("R14", VaryConditions, looks_at=("changes",))
def a_condition_remains(command: VaryConditions, state: DisposalState, _context: Context) -> bool:
    """A conditional caution has at least one condition: add another for the one that is omitted.

    Source: CDA 1998 s66A(2)
    """
    after = _of_caution(command, state)
    return after is None or bool(after.remaining)


@rules.forbids("R14", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def agreed_actions_do_not_punish(command: Asks, state: DisposalState, _context: Context) -> bool:
    """A restorative disposal holds agreed actions only: no punishment, penalty, curfew or restriction.

    Source: NPCC community resolution guidance; CDA 1998 s66A(3)
    """
    after = resulting(command, state)
    if after is None or after.disposal is not Disposal.YRD:
        return True
    return all(
        DEFINITIONS[condition.type].agreed_action and condition.object is not ConditionObject.PUNISHMENT
        for condition in after.remaining
    )


def _hours(conditions: Iterable[Condition]) -> Decimal:
    return sum((condition.hours or Decimal(0) for condition in conditions), Decimal(0))


@rules.forbids("R15", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def attendance_is_within_its_limit(command: Asks, state: DisposalState, context: Context) -> bool:
    """Attendance may not exceed 20 hours in all, save for rehabilitation: ask for less.

    Source: CDA 1998 s66A(5)
    """
    after = resulting(command, state)
    if after is None:
        return True
    counted = (
        condition
        for condition in after.remaining
        if DEFINITIONS[condition.type].attendance and condition.object is not ConditionObject.REHABILITATION
    )
    return _hours(counted) <= context.policy.decimal("attendance_limit_hours")


@rules.forbids("R15", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def reparation_is_within_its_limit(command: Asks, state: DisposalState, context: Context) -> bool:
    """Unpaid reparation may not exceed 10 hours in all: ask for less.

    Source: DPP guidance on youth conditional cautions, annex A
    """
    after = resulting(command, state)
    if after is None:
        return True
    work = (c for c in after.remaining if DEFINITIONS[c.type].unpaid_reparation)
    return _hours(work) <= context.policy.decimal("reparation_limit_hours")


def penalty_maximum(state: DisposalState, context: Context) -> int:
    """Return the maximum of a financial penalty in pence, by age at issue and mode of trial (SI 2013/608)."""
    age = state.age_when_given(context.day)
    bands = context.policy.table("penalty_maximum_pence")
    lowest_age = max(int(start) for start in bands if int(start) <= max(age, 0))
    maximum = int(bands[str(lowest_age)][state.opened.offence.trial_mode])
    return min(maximum, context.policy.number("penalty_ceiling_pence"))


@rules.forbids("R16", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def penalty_is_within_its_limit(command: Asks, state: DisposalState, context: Context) -> bool:
    """The financial penalty is above the maximum for this offence at this age: lower it.

    Source: CDA 1998 s66C; SI 2013/608
    """
    after = _of_caution(command, state)
    if after is None:
        return True
    penalties = sum(c.amount or 0 for c in after.remaining if DEFINITIONS[c.type].penalty)
    return penalties <= penalty_maximum(state, context)


def requirement_rule(code: ConditionType, requirement: Requirement) -> Callable[[Asks, DisposalState, Context], bool]:
    """Return what a type of condition requires as a rule of its own."""

    def rule(command: Asks, state: DisposalState, context: Context) -> bool:
        after = _of_caution(command, state)
        return after is None or all(requirement.is_met(each, context) for each in after.remaining if each.type is code)

    rule.__name__, rule.__doc__ = requirement.is_met.__name__, requirement.is_met.__doc__
    return rule


for _code, _definition in DEFINITIONS.items():
    for _requirement in _definition.requirements:
        rules.forbids(_requirement.rule, ProposeCondition, VaryConditions, looks_at=("condition", "changes"))(
            requirement_rule(_code, _requirement)
        )


@rules.warns("R17", ProposeCondition, looks_at=("condition",))
def condition_does_not_punish(command: ProposeCondition, _state: DisposalState, _context: Context) -> bool:
    """A punitive condition is for where others are absent or insufficient: say why it is needed.

    Source: DPP guidance on youth conditional cautions, annex A
    """
    return command.condition.object is not ConditionObject.PUNISHMENT


def _in_weeks(day: date, weeks: int) -> date:
    try:
        return day + timedelta(weeks=weeks)
    except OverflowError:  # a time in the year 9999 is refused by T1, not by the calendar's end
        return date.max


@rules.forbids("R20", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def deadline_is_within_twenty_weeks(command: Asks, state: DisposalState, context: Context) -> bool:
    """A condition is due more than 20 weeks after giving: set an earlier date.

    Source: YCC Code of Practice, section 9
    """
    after = _of_caution(command, state)
    limit = _in_weeks(given_day(state, context), context.policy.number("completion_limit_weeks"))
    return after is None or all(condition.due <= limit for condition in after.to_do)


@rules.warns("R20W", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def deadline_is_within_sixteen_weeks(command: Asks, state: DisposalState, context: Context) -> bool:
    """A condition is due more than 16 weeks after the offence (summary) or after giving (others): say why.

    Source: YCC Code of Practice, section 9
    """
    after = _of_caution(command, state)
    offence = state.opened.offence
    start = offence.date if offence.trial_mode is TrialMode.SUMMARY else given_day(state, context)
    limit = _in_weeks(start, context.policy.number("completion_advised_weeks"))
    return after is None or all(condition.due <= limit for condition in after.to_do)


@rules.forbids("R21", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def deadline_leaves_prosecution_possible(command: Asks, state: DisposalState, _context: Context) -> bool:
    """A condition is due after the last day on which the offence can be prosecuted: set an earlier date.

    Source: MCA 1980 s127; Communications Act 2003 s127(5)-(8); CJA 1988 s39A
    """
    after = _of_caution(command, state)
    limit = state.opened.prosecution_time_limit
    return after is None or limit is None or all(condition.due <= limit for condition in after.to_do)


@rules.warns("R21W", ProposeCondition, VaryConditions, looks_at=("condition", "changes"))
def deadline_leaves_time_to_prosecute(command: Asks, state: DisposalState, context: Context) -> bool:
    """A condition is due in the last 28 days in which the offence can be prosecuted: say why.

    Source: MCA 1980 s127; Communications Act 2003 s127(5)-(8); CJA 1988 s39A; local policy
    """
    after = _of_caution(command, state)
    limit = state.opened.prosecution_time_limit
    if after is None or limit is None:
        return True
    last_days = limit - timedelta(days=context.policy.number("prosecution_margin_days"))
    return all(condition.due <= last_days for condition in after.to_do)


@rules.forbids("R22", VaryConditions, looks_at=("consent",), when=lambda state: state.disposal is not Disposal.YRD)
def child_consents_to_the_variation(command: VaryConditions, state: DisposalState, _context: Context) -> bool:
    """Conditions are varied with the child's consent, on an active conditional caution: ask the child first.

    Source: CDA 1998 s66D
    """
    return command.consent and state.disposal is Disposal.YCC and state.stage is Stage.ACTIVE


def _as_given(rule: Rule) -> Callable[[DisposalState, Context], bool]:
    """Return a rule on conditions as one on giving them: a correction may have changed what was proposed."""

    def holds(state: DisposalState, context: Context) -> bool:
        return rule.check(IssueDisposal(), state, context)

    holds.__name__ = f"{rule.name}_when_given"
    holds.__doc__ = f"{rule.text}\n\nSource: {rule.source}"
    return holds


for _rule in rules.rules_for(ProposeCondition, RuleKind.FORBIDS):
    if "condition" in _rule.looks_at:
        rules.forbids(_rule.id, IssueDisposal, lifted_by=(WithdrawCondition,))(_as_given(_rule))
