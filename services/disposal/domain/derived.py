"""What an event holds that follows from the facts before it: computed or copied when it is made, and again if one of them is corrected.

`decide` builds its events with these functions, and a correction computes them anew.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from services.disposal import events
from services.disposal.domain.activity import activities
from services.disposal.domain.commands import OpenDisposalCase, RecordProgramme, VaryConditions
from services.disposal.domain.completion import of_child
from services.disposal.domain.condition_set import ends_on, omitted_by, remaining_terms, retyped_by, spent_on, varied
from services.disposal.domain.programme import begins_on
from services.disposal.domain.state import ConditionStatus, DisposalState
from services.disposal.domain.time_limit import prosecution_time_limit
from services.trade.vocabulary import ConditionType, Disposal
from shared.domain.dates import age_on, local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Event
from shared.domain.policy import Policy
from shared.domain.rules import Context

_AGE: Final = "the date of birth and the day"
_OFFENCE: Final = "the offence in the opening of the case"
_OPENING: Final = "the opening of the case"
_DECISION: Final = "the decision"
_CONDITIONS: Final = "the conditions and their due dates"
_ISSUE: Final = "the giving of the disposal"

SOURCES: Final[Mapping[str, str]] = {
    "age_at_offence": _AGE,
    "age_at_issue": _AGE,
    "age": _AGE,
    "school_age_until": "the date of birth",
    "prosecution_time_limit": "the offence, its time limit and the report",
    "offence_code": _OFFENCE,
    "offence_category": _OFFENCE,
    "offence_date": _OFFENCE,
    "trial_mode": _OFFENCE,
    "recordable": _OFFENCE,
    "gravity_score": "the gravity score",
    "yjb_seriousness_score": "the gravity score",
    "prior": _OPENING,
    "victims": _OPENING,
    "investigating_officer": _OPENING,
    "referral_id": _OPENING,
    "disposal": _DECISION,
    "deciding_officer": _DECISION,
    "conditions": _CONDITIONS,
    "omitted": _CONDITIONS,
    "retyped": _CONDITIONS,
    "ends_on": _CONDITIONS,
    "spent_on": _CONDITIONS,
    "spent_by_statute": _ISSUE,
    "issued_on": _ISSUE,
    "deferred_on": "the agreement of the plan",
    "superseded": "the earlier outcome",
    "withdrawn": "the earlier outcome",
    "conferences": "the conditions",
    "activity_on": "the activities that were recorded",
}
"""Derived field -> what it follows from: that is to be corrected (rule COR1)."""


def of_opening(event: OpenDisposalCase | events.DisposalCaseOpened, policy: Policy) -> dict[str, Any]:
    """Return the age at the offence and how long school age lasts, unless the date of birth is forgotten, and the last day to prosecute."""
    born = None if event.details is None else event.details.date_of_birth.or_else(None)
    limit = {"prosecution_time_limit": prosecution_time_limit(event.offence, local_day(event.reported_at), policy)}
    if born is None:
        return limit
    return {
        **limit,
        "age_at_offence": age_on(born, event.offence.date),
        "school_age_until": school_age_until(born, policy.number("school_leaving_age")),
    }


def school_age_until(born: date, leaving_age: int) -> date:
    """Return the last day of compulsory school age: the last Friday in June of the school year, from September, of that birthday.

    Source: Education Act 1996 s8; SI 1997/1970.
    """
    last_of_june = date(born.year + leaving_age + (born.month >= 9), 6, 30)
    return last_of_june - timedelta(days=(last_of_june.weekday() - 4) % 7)


def of_reclassification(offence: events.Offence, state: DisposalState, policy: Policy) -> dict[str, Any]:
    """Return the child, the age at the offence as it is now, and the last day to prosecute."""
    limit = prosecution_time_limit(offence, local_day(state.opened.reported_at), policy)
    return {**of_child(state), "age_at_offence": state.age_on(offence.date), "prosecution_time_limit": limit}


def of_decision(state: DisposalState, day: date) -> dict[str, Any]:
    return {**of_child(state), "age": state.age_on(day)}


def of_issue(state: DisposalState, disposal: Disposal, on: date, policy: Policy) -> dict[str, Any]:
    """Return all that the issue of a disposal on a day holds for those who react to it and count it."""
    opened, offence = state.opened, state.opened.offence
    conditions = [proposed.terms for proposed in state.conditions.values() if disposal is not Disposal.YC]
    agreed_end = ends_on(conditions)
    return {
        **of_child(state),
        "disposal": disposal,
        "age_at_offence": opened.age_at_offence,
        "age_at_issue": state.age_on(on),
        "conditions": tuple(condition.terms for condition in conditions),
        "ends_on": agreed_end,
        "spent_on": spent_on(disposal, on, agreed_end, policy),
        "spent_by_statute": spent_on(disposal, on, None, policy),
        "offence_code": offence.code,
        "offence_category": offence.category,
        "offence_date": offence.date,
        "trial_mode": offence.trial_mode,
        "recordable": offence.recordable,
        "gravity_score": state.gravity,
        "yjb_seriousness_score": state.yjb_seriousness,
        "prior": opened.prior,
        "victims": state.victims,
        "deciding_officer": state.required_decision.by,
        "investigating_officer": opened.investigating_officer,
    }


def of_variation(command: VaryConditions, state: DisposalState, policy: Policy) -> dict[str, Any]:
    issue = state.required_issue
    remaining = remaining_terms(varied(command, state))
    agreed_end = ends_on(remaining)
    return {
        **of_child(state),
        "disposal": issue.disposal,
        "conditions": tuple(condition.terms for condition in remaining),
        "omitted": omitted_by(command, state),
        "retyped": retyped_by(command, state),
        "ends_on": agreed_end,
        "spent_on": spent_on(issue.disposal, issue.on, agreed_end, policy),
        "offence_category": state.opened.offence.category,
        "age_at_issue": issue.age,
        "victims": state.victims,
        "deciding_officer": state.required_decision.by,
    }


def of_given(state: DisposalState) -> dict[str, Any]:
    """Return the child and the disposal as given, which its end repeats; null if a diversion ends."""
    issue = state.issue
    given = (None, None, None) if issue is None else (issue.disposal, issue.on, issue.age)
    return {**of_child(state), **dict(zip(("disposal", "issued_on", "age_at_issue"), given, strict=True))}


def of_end(state: DisposalState) -> dict[str, Any]:
    """Return the child and the disposal as given, or as deferred, which ceasing and closing without proceedings repeat."""
    given = state.issue or state.required_deferral
    disposal = (
        events.EndedDisposal.DEFERRED_PROSECUTION if state.issue is None else events.EndedDisposal(state.issue.disposal)
    )
    return {**of_child(state), "disposal": disposal, "issued_on": given.on, "age_at_issue": given.age}


def of_ceasing(state: DisposalState, on: date) -> dict[str, Any]:
    """Return the disposal as given, spent on the day on which it ceases if it was not before (CDA 1998 s66E(3)).

    Nothing of a deferral is ever spent.
    """
    issue = state.issue
    return {**of_end(state), "spent_on": None if issue is None else min(issue.spent_on or on, on)}


def of_deferral(state: DisposalState, on: date) -> dict[str, Any]:
    """Return what the deferral of a prosecution on a day holds for those who count it."""
    offence = state.opened.offence
    return {
        **of_child(state),
        "age": state.age_on(on),
        "age_at_offence": state.opened.age_at_offence,
        "offence_category": offence.category,
        "trial_mode": offence.trial_mode,
        "gravity_score": state.gravity,
        "yjb_seriousness_score": state.yjb_seriousness,
    }


def of_deferral_end(state: DisposalState) -> dict[str, Any]:
    """Return the child, and the day on which the prosecution was deferred."""
    return {**of_child(state), "deferred_on": state.required_deferral.on}


def of_annulment(state: DisposalState) -> dict[str, Any]:
    """Return the child, what was given and is annulled, and the outcome that goes with it."""
    asked = (
        key
        for key in state.with_standing(ConditionStatus.ACTIVE)
        if state.conditions[key].terms.type is ConditionType.RJ_CONFERENCE
    )
    follows = {"withdrawn": state.outcome, "referral_id": state.opened.referral_id}
    return {**of_given(state), **follows, "conferences": tuple(asked) or None}


def of_programme(said: RecordProgramme | events.ProgrammeRecorded, state: DisposalState) -> dict[str, Any]:
    """Return the age on the first day of the programme, if a day of it is said."""
    if said.starts_on is None and said.ends_on is None:
        return {"age": None}
    return {"age": state.age_on(begins_on(state, said.starts_on or state.programme_said.starts_on))}


def of_outcome(state: DisposalState, context: Context) -> dict[str, Any]:
    """Return the fields of an assigned outcome that the referral and the returns need."""
    activity = max((at for at in activities(state) if at <= context.occurred_at), default=None)
    return {
        **of_child(state),
        "disposal": state.standing_disposal,
        "superseded": state.outcome,
        "age": state.age_on(context.day),
        "age_at_offence": state.opened.age_at_offence,
        "activity_on": None if activity is None else local_day(activity),
    }


def _of_varied(event: events.ConditionsVaried, state: DisposalState, context: Context) -> dict[str, Any]:
    varying = VaryConditions.model_construct(changes=event.changes, consent=event.consent, why=event.why)
    return of_variation(varying, state, context.policy)


def _of_closing(state: DisposalState) -> dict[str, Any]:
    return {**of_end(state), "spent_on": None if state.issue is None else state.issue.spent_on}


_DERIVED: Final[Mapping[type[Event], Callable[[Any, DisposalState, Context], dict[str, Any]]]] = {
    events.DisposalDecided: lambda _, state, context: of_decision(state, context.day),
    events.DisposalIssued: lambda event, state, context: of_issue(
        state, state.to_be_issued or event.disposal, event.issued_on, context.policy
    ),
    events.ProsecutionDeferred: lambda _, state, context: of_deferral(state, context.day),
    events.DeferralCompleted: lambda _, state, _context: of_deferral_end(state),
    events.DeferralEnded: lambda _, state, _context: of_deferral_end(state),
    events.ConditionsVaried: _of_varied,
    events.DisposalCompleted: lambda _, state, _context: {**of_given(state), "spent_on": state.required_issue.spent_on},
    events.DisposalClosedWithoutProceedings: lambda _, state, _context: _of_closing(state),
    events.DisposalNotCompleted: lambda _, state, _context: of_given(state),
    events.DisposalCeased: lambda event, state, _context: of_ceasing(state, event.ceased_on),
    events.OffenceReclassified: lambda event, state, context: of_reclassification(event.offence, state, context.policy),
    events.DiversionEnded: lambda _, state, _context: of_child(state),
    events.CaseWithdrawn: lambda _, state, _context: of_child(state),
    events.DisposalAnnulled: lambda _, state, _context: of_annulment(state),
    events.OutcomeAssigned: lambda _, state, context: of_outcome(state, context),
    events.ProgrammeRecorded: lambda event, state, _context: of_programme(event, state),
}
"""Event -> what it holds that follows from the state before it and from its day."""


def derived_fields(fact: Fact[Any], state: DisposalState | None, context: Context) -> Mapping[str, Any]:
    """Return what a fact holds that follows from it and from the state before it. An age that is forgotten follows from nothing."""
    event = fact.event
    if isinstance(event, events.DisposalCaseOpened):
        return of_opening(event, context.policy)
    derive = _DERIVED.get(type(event))
    if state is None or derive is None:
        return {}
    forgotten = state.opened.details.date_of_birth.is_forgotten
    found = derive(event, state, context)
    return {name: value for name, value in found.items() if not (forgotten and SOURCES.get(name) == _AGE)}
