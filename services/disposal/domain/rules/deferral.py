"""Deferred prosecution: when it may be decided and agreed, what its plan asks, and when it is completed."""

from datetime import date, timedelta

from services.disposal.domain.commands import (
    AgreeDeferral,
    AssignOutcome,
    CompleteDeferral,
    DecideDisposal,
    RecordDeferralStep,
)
from services.disposal.domain.rules.decision import suffices_to_charge
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import SETTLED, DisposalState
from services.disposal.events import PlanStepKind
from services.trade.vocabulary import OutcomeCode, Recommendation
from shared.domain.rules import Context


def _may_be_deferred(state: DisposalState, context: Context) -> bool:
    age = state.age_on(context.day)
    is_a_child = age is not None and age <= context.policy.number("highest_age_at_issue")
    return context.policy.flag("deferred_prosecution") and is_a_child and suffices_to_charge(state)


@rules.forbids("DP1", DecideDisposal, looks_at=("decision",))
def prosecution_may_be_deferred(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """A prosecution is deferred from 12 February 2026 on, for a child under 18, with evidence that suffices to charge.

    Source: Home Office, child knife possession guidance (12 February 2026); Home Office outcome 23
    """
    return command.decision is not Recommendation.DEFERRED_PROSECUTION or _may_be_deferred(state, context)


@rules.forbids("DP1", AgreeDeferral)
def prosecution_may_still_be_deferred(state: DisposalState, context: Context) -> bool:
    """A prosecution is deferred from 12 February 2026 on, for a child who is under 18 on the day of the agreement, with evidence that suffices to charge.

    Source: Home Office, child knife possession guidance (12 February 2026); Home Office outcome 23
    """
    return not state.awaits_plan or _may_be_deferred(state, context)


@rules.forbids("DP2", AgreeDeferral, looks_at=("child_agrees", "appropriate_adult_present"))
def child_agrees_before_an_adult(command: AgreeDeferral, _state: DisposalState, _context: Context) -> bool:
    """The child must agree to the plan, and an appropriate adult must be there: meet again, with one.

    Source: Home Office outcome 23
    """
    return command.child_agrees and command.appropriate_adult_present


def _days(command: AgreeDeferral) -> list[date]:
    """Return the days of the plan: those of its steps and of its review."""
    return [*(step.due for step in command.plan), command.review_on]


@rules.forbids("DP3", AgreeDeferral, looks_at=("plan",))
def plan_has_a_step(command: AgreeDeferral, _state: DisposalState, _context: Context) -> bool:
    """The plan has no step: agree with the child on at least one.

    Source: Home Office outcome 23
    """
    return bool(command.plan)


@rules.forbids("DP3", AgreeDeferral, looks_at=("plan", "review_on"))
def plan_ends_in_time(command: AgreeDeferral, state: DisposalState, context: Context) -> bool:
    """The steps and the review are due within 16 weeks of the agreement, and not after the time limit for prosecution: set earlier days.

    Source: Home Office outcome 23; local policy; MCA 1980 s127
    """
    last = context.day + timedelta(weeks=context.policy.number("deferral_limit_weeks"))
    limit = state.opened.prosecution_time_limit or last
    return all(context.day <= day <= min(last, limit) for day in _days(command))


@rules.warns("DP5", AgreeDeferral, looks_at=("plan",), when=lambda state: state.is_of_a_knife)
def a_knife_needs_more_than_workshops(command: AgreeDeferral, _state: DisposalState, _context: Context) -> bool:
    """The plan has workshops alone, and there is no evidence that courses on knives help: say why nothing else is agreed.

    Source: Home Office, child knife possession guidance (12 February 2026)
    """
    return any(step.kind is not PlanStepKind.WORKSHOP for step in command.plan)


@rules.forbids("R21", AgreeDeferral, looks_at=("plan", "review_on"))
def plan_leaves_prosecution_possible(command: AgreeDeferral, state: DisposalState, _context: Context) -> bool:
    """A step or the review is due after the time limit for prosecution, so that a failure could not be prosecuted: set an earlier day.

    Source: MCA 1980 s127
    """
    limit = state.opened.prosecution_time_limit
    return limit is None or all(day <= limit for day in _days(command))


@rules.forbids("DP4", CompleteDeferral, lifted_by=(RecordDeferralStep,))
def every_step_is_settled(state: DisposalState, _context: Context) -> bool:
    """A step of the plan is neither done nor excused: record how it went, or end the deferral.

    Source: Home Office outcome 23
    """
    return state.deferral is None or all(step.status in SETTLED for step in state.deferral.steps.values())


@rules.warns("DP6", CompleteDeferral, since=date(2026, 2, 12))
def no_later_offence_is_open(state: DisposalState, _context: Context) -> bool:
    """Another case of this child is open, for a later offence: decide first what that means for the deferral, or say why it is completed all the same.

    Source: Home Office, child knife possession guidance (12 February 2026)
    """
    return not any(case.is_open for case in state.later)


@rules.forbids("O23", AssignOutcome, looks_at=("code",), lifted_by=(CompleteDeferral,))
def not_assigned_by_hand(command: AssignOutcome, _state: DisposalState, _context: Context) -> bool:
    """Outcome 23 comes with a completed deferral, by itself: complete the deferral.

    Source: Home Office crime outcomes framework, outcome 23
    """
    return command.code is not OutcomeCode.C23
