"""Breach: what may be referred, who decides, and what may follow."""

from datetime import datetime
from uuid import UUID

from services.disposal.domain.commands import DecideBreach, InstituteProceedings, ReferBreach, VaryConditions
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import LOST_TO_HARMED, DisposalState, Stage
from services.trade.vocabulary import BreachDecision, Disposal
from shared.domain.rules import Context


def broken_since(condition_id: UUID, state: DisposalState) -> datetime | None:
    """Return since when a condition is broken: by an unacceptable absence, a refusal, or withdrawn consent; None if it is not."""
    absences = (a.unacceptable_since for a in state.attendances if a.condition_id == condition_id)
    condition = state.active(condition_id)
    refused_at = None if condition is None else condition.refused_at
    return min((at for at in (state.consent_withdrawn_at, refused_at, *absences) if at is not None), default=None)


def is_past_due(condition_id: UUID, state: DisposalState, context: Context) -> bool:
    """Whether the date of an active condition has passed."""
    condition = state.active(condition_id)
    return condition is not None and context.day > condition.terms.due


def _broken(condition_id: UUID, state: DisposalState, context: Context) -> bool:
    """Whether an active condition has a ground of breach."""
    if state.active(condition_id) is None:
        return False
    return is_past_due(condition_id, state, context) or broken_since(condition_id, state) is not None


@rules.forbids("D2", ReferBreach)
def caution_can_be_breached(state: DisposalState, _context: Context) -> bool:
    """Only an active conditional caution can be breached: other disposals are voluntary.

    Source: CDA 1998 s66E; NPCC community resolution guidance
    """
    return state.disposal is Disposal.YCC and state.stage is Stage.ACTIVE


@rules.forbids("D2", ReferBreach, looks_at=("condition_ids",))
def breach_has_a_ground(command: ReferBreach, state: DisposalState, context: Context) -> bool:
    """A breach is of an active condition, by an unacceptable absence, a date that has passed, a refusal, or withdrawn consent.

    Source: CDA 1998 s66E
    """
    return bool(command.condition_ids) and all(_broken(key, state, context) for key in command.condition_ids)


@rules.forbids("C7", ReferBreach, looks_at=("condition_ids",), lifted_by=(VaryConditions,))
def child_did_not_lose_the_session(command: ReferBreach, state: DisposalState, _context: Context) -> bool:
    """The last session was lost because a harmed person withdrew or did not come. That is never the child's failure: vary the condition.

    Source: RJC principles (voluntarism); CDA 1998 s66D
    """
    for condition_id in command.condition_ids:
        sessions = [a for a in state.attendances if a.condition_id == condition_id]
        last = max(sessions, key=lambda attendance: attendance.at, default=None)
        if last is not None and last.because in LOST_TO_HARMED:
            return False
    return True


@rules.forbids("R23", DecideBreach, lifted_by=(ReferBreach,))
def breach_is_under_review(state: DisposalState, _context: Context) -> bool:
    """No breach of a caution is under review: refer it first. A deferral that failed is ended anew instead.

    Source: CDA 1998 s66E(1)
    """
    return state.stage is Stage.BREACH_REVIEW and state.deferral is None


@rules.forbids("R23", DecideBreach, looks_at=("reasonable_excuse", "decision"))
def prosecution_needs_failure_without_excuse(command: DecideBreach, _state: DisposalState, _context: Context) -> bool:
    """With a reasonable excuse there is no failure and no prosecution: excuse, vary or extend.

    Source: CDA 1998 s66E(1)
    """
    return not (command.reasonable_excuse and command.decision is BreachDecision.PROSECUTE)


@rules.warns("D3", DecideBreach)
def officer_did_not_monitor(state: DisposalState, context: Context) -> bool:
    """You monitored these conditions: say why nobody else can decide on the breach.

    Source: local policy on the separation of monitoring and decision
    """
    return context.actor.id not in state.monitors


@rules.forbids("D4", InstituteProceedings, lifted_by=(DecideBreach,))
def prosecution_was_decided(state: DisposalState, _context: Context) -> bool:
    """Proceedings need a decision to prosecute, on the breach or at the end of the deferral: decide first.

    Source: CDA 1998 s66E(1)
    """
    # If proceedings were instituted already the decision stands, and the state machine refuses them.
    return state.breach is not None and state.breach.decision is BreachDecision.PROSECUTE


@rules.forbids("R21", InstituteProceedings)
def there_is_time_to_prosecute(state: DisposalState, context: Context) -> bool:
    """The time in which the offence can be prosecuted has passed.

    Source: MCA 1980 s127; Communications Act 2003 s127(5)-(8); CJA 1988 s39A
    """
    limit = state.opened.prosecution_time_limit
    return limit is None or context.day <= limit
