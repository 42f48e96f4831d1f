"""What is due when in a disposal case: computed from the facts, with the policy of the day that opens each duty."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from services.disposal.domain.state import ABSENT, SETTLED, ConditionStatus, DisposalState, Stage, StepStatus
from services.trade.victims import information_due, telling_duties
from services.trade.vocabulary import AttendanceStatus, Disposal
from shared.domain.dates import local_day
from shared.domain.duties import Duty, due_after, duty_after, numbered
from shared.domain.policy import PolicyOn


def duties(state: DisposalState, policy_on: PolicyOn) -> Sequence[Duty]:
    """List every duty that the case has ever opened: met, open, lapsed with the end of the case, or fallen away.

    Duties:
        VICTIM_RJ_INFORMATION: the case is opened, for each victim; `victim_information_days`, with enhanced rights `victim_information_enhanced_days`; the victim is informed of restorative justice, in any record of the case; the victim wants no contact, or the case is withdrawn.
        VICTIM_TOLD: the disposal is given, deferred, completed, annulled or its breach decided, or it is decided to charge or to take no further action (with outcome 21 or 22 too), for each victim; `victim_told_days`, with enhanced rights `victim_told_enhanced_days`; the victim is told; the disposal is annulled, of which the victim is told instead, or the case withdrawn.
        YJS_TOLD: the disposal is annulled; `yjs_told_days`; somebody is contacted other than a victim, or the child referred to the youth offending team; nothing ends it otherwise.
        ASSESSMENT: an assessment is requested, or a conditional caution or second caution is given without one; `assessment_days`; the assessment is completed (after giving: with a programme, or the reason for none); the case ends.
        YOT_REFERRAL: a youth caution or conditional caution is given; `yot_referral_days`; the child is referred to the youth offending team; the case ends.
        ATTENDANCE_RECORDED: the day of a booked session; `attendance_record_days`; the attendance is recorded; the session is cancelled, its condition done, or the case at its end.
        ABSENCE_REASON: an absence is recorded whose reason is not known; `absence_reason_days`; the reason is decided; the case ends.
        MISSED_CONTACT: an absence is recorded that is not acceptable, or whose reason is not known; `missed_contact_days`; somebody tries to reach the child, or anybody but a victim; the case ends.
        CONDITION: the disposal is given, for each condition; the condition's own date; the condition is completed; it is excused, omitted or failed, or the case ends.
        DEFERRAL_STEP: a prosecution is deferred, for each step of the plan; the step's own date; the step is done; it is excused, or the deferral ends.
        DEFERRAL_REVIEW: a prosecution is deferred; the day of the review; the deferral is completed or ended; nothing ends it otherwise.
        DEFERRAL_RECONSIDERED: a case of a later offence of the same child is opened during the deferral; `deferral_reconsidered_days`; the deferral is reviewed, completed or ended; the later case is taken back.
        DEFERRAL_STEP_MISSED: a step of the plan is recorded as missed in a knife case; the same day; the deferral is reviewed, completed or ended; nothing ends it otherwise.
        TRANSFER_REVIEW: the case is transferred to another area; the day of the review; the transfer is ended, or the case transferred anew; the case ends.
        PROSECUTION_TIME_LIMIT: the case is opened for a summary offence; `prosecution_limit_months` after the offence, its knowledge or its report, and within `prosecution_longest_months` of the offence; the child is charged or proceedings are instituted; the case ends otherwise.
        DISPOSAL_REVIEW: a correction shows that the disposal would not have been lawful; `disposal_review_days`; a correction after which it would have been lawful, or breaks other rules.
    """
    after_a_caution = (*_assessment(state, policy_on), *_programme(state, policy_on), *_yot_referral(state, policy_on))
    of_the_case = (
        *_attendance_recorded(state, policy_on),
        *_absence_reason(state, policy_on),
        *_missed_contact(state, policy_on),
        *_condition(state),
        *_transfer_review(state),
    )
    ended_on, worked_on_until, taken_back_on = _day(state.ended_at), _worked_on_until(state), _day(state.taken_back_at)
    return (
        *(duty.lapsing(ended_on) for duty in after_a_caution),
        *(duty.lapsing(worked_on_until) for duty in of_the_case),
        *(duty if state.annulment else duty.lapsing(taken_back_on) for duty in _victim_information(state, policy_on)),
        *_victim_told(state, policy_on),
        *_yjs_told(state, policy_on),
        *(duty.lapsing(taken_back_on) for duty in _deferral(state)),
        *(duty.lapsing(taken_back_on) for duty in _deferral_reviews(state, policy_on)),
        *_prosecution_time_limit(state),
        *(duty.lapsing(taken_back_on) for duty in _review(state, policy_on)),
    )


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else local_day(moment)


def _worked_on_until(state: DisposalState) -> date | None:
    """Return the day on which the case ended for all but what follows a caution.

    A youth caution is terminal when it is given, and yet takes the referral to the YOT and the assessment; a diversion
    ends with its crime outcome.
    """
    if state.issue is not None and state.issue.disposal is Disposal.YC:
        return state.issue.on
    if state.stage is Stage.DIVERTED:
        return _day(state.outcome_at)
    return _day(state.ended_at)


def _unless_met(met_on: date | None, closed_on: date | None) -> date | None:
    return None if met_on is not None else closed_on


def _victim_information(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to tell each victim of restorative justice: within five working days of the report, one with enhanced rights.

    It outlives the case, is met wherever in it the victim is told, and ends if the victim wants no contact.
    """
    opened_on, reported_on = local_day(state.opened_at), local_day(state.opened.reported_at)
    policy = policy_on(opened_on)
    by_age = policy.flag("victim_information_by_age")
    for victim in state.named_victims:
        enhanced = state.has_enhanced_rights(victim) if by_age else state.is_said_to_have_enhanced_rights(victim)
        due = information_due(reported_on, policy, enhanced=enhanced)
        if due is not None:
            met_on, view = _day(state.informed_at(victim)), state.views.get(victim)
            wants_none = view is not None and view.consents_to_contact is False
            closed_on = _day(view.at) if view is not None and wants_none else None
            yield Duty(
                "VICTIM_RJ_INFORMATION", opened_on, due, met_on, str(victim), closed_on=_unless_met(met_on, closed_on)
            )


def _victim_told(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to tell each victim of each decision; what is taken back need not be told any more."""
    taken_back_on = _day(state.taken_back_at)
    for duty in telling_duties(
        state.decided_at, state.everyone_harmed, state.log, state.elsewhere, state.has_enhanced_rights, policy_on
    ):
        is_of_the_annulment = state.annulment is not None and duty.opened_on == taken_back_on
        yield duty if is_of_the_annulment else duty.lapsing(taken_back_on)


def _yjs_told(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to tell the youth justice service that a disposal is annulled."""
    if state.annulment is None:
        return
    annulled_at = state.annulment.at
    told_at = (at for at in (*state.contacted_at, state.yot_referred_at) if at is not None and at >= annulled_at)
    met_on = _day(min(told_at, default=None))
    yield duty_after("YJS_TOLD", local_day(annulled_at), policy_on, "yjs_told_days", met_on)


def _assessment(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    for number, request in enumerate(state.requests, start=1):
        opened_on, met_on = local_day(request.at), _day(request.completed_at)
        yield duty_after("ASSESSMENT", opened_on, policy_on, "assessment_days", met_on, numbered(number))


def _programme(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to assess and plan a programme after a conditional or second caution without an assessment (R13).

    It is met by an assessment that plans a programme or says why one would be inappropriate; one that was asked for
    before and not completed is due by its own date beside it.
    """
    issue = state.issue
    if issue is None or not must_be_assessed(state):
        return
    if any(assessment.at <= issue.at for assessment in state.assessments):
        return
    met_on = _day(min((a.at for a in state.assessments if a.programme), default=None))
    yield duty_after("ASSESSMENT", issue.on, policy_on, "assessment_days", met_on, "R13")


def must_be_assessed(state: DisposalState) -> bool:
    """Whether the disposal given, or to be given, asks for an assessment: a conditional or second caution (R13)."""
    prior = state.prior
    cautioned_before = prior is not None and prior.yc + prior.ycc > 0
    match state.disposal:
        case Disposal.YCC:
            return True
        case Disposal.YC:
            return cautioned_before
        case _:
            return False


def _yot_referral(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    issue = state.issue
    if issue is None or issue.disposal is Disposal.YRD:
        return
    yield duty_after("YOT_REFERRAL", issue.on, policy_on, "yot_referral_days", _day(state.yot_referred_at))


def _attendance_recorded(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    last_attendances = state.last_attendances
    for booking in state.bookings.values():
        starts_on = local_day(booking.starts_at)
        last = last_attendances.get(booking.session_id)
        cancelled = last is not None and last.status is AttendanceStatus.CANCELLED_BY_SERVICE
        met_on = local_day(last.at) if last is not None and not cancelled else None
        condition = state.conditions.get(booking.condition_id)
        done_on = _day(condition.done_at) if condition is not None else None
        fell_away_on = local_day(last.at) if last is not None and cancelled else done_on
        item, closed_on = str(booking.session_id), _unless_met(met_on, fell_away_on)
        term = "attendance_record_days"
        yield duty_after("ATTENDANCE_RECORDED", starts_on, policy_on, term, met_on, item, closed_on)


def _absence_reason(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    for missed in state.attendances:
        if missed.status is AttendanceStatus.DNA_PENDING:
            opened_on, met_on = local_day(missed.at), _day(missed.decided_at)
            item = str(missed.session_id)
            yield duty_after("ABSENCE_REASON", opened_on, policy_on, "absence_reason_days", met_on, item)


def _missed_contact(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to contact a child who did not come, or somebody for the child, reached or not; a victim is neither."""
    contacted_at = state.contacted_at
    for missed in state.attendances:
        if missed.status in ABSENT and missed.status is not AttendanceStatus.DNA_ACCEPTABLE:
            opened_on = local_day(missed.at)
            later = bisect_left(contacted_at, missed.at)
            met_on = local_day(contacted_at[later]) if later < len(contacted_at) else None
            item = str(missed.session_id)
            yield duty_after("MISSED_CONTACT", opened_on, policy_on, "missed_contact_days", met_on, item)


def _condition(state: DisposalState) -> Iterator[Duty]:
    for condition_id, condition in state.conditions.items():
        if condition.given_on is None:
            continue
        done_on = _day(condition.done_at)
        met_on = done_on if condition.standing is ConditionStatus.COMPLETED else None
        yield Duty(
            "CONDITION",
            condition.given_on,
            condition.terms.due,
            met_on=met_on,
            item=str(condition_id),
            closed_on=_unless_met(met_on, done_on),
        )


def _deferral(state: DisposalState) -> Iterator[Duty]:
    """Yield the steps of the plan, and its review."""
    deferral = state.deferral
    if deferral is None:
        return
    ended_on = _day(deferral.ended_at)
    for step_id, step in deferral.steps.items():
        settled_on = _day(step.recorded_at) if step.status in SETTLED else None
        met_on = settled_on if step.status is StepStatus.DONE else None
        duty = Duty(
            "DEFERRAL_STEP",
            deferral.on,
            step.terms.due,
            met_on=met_on,
            item=str(step_id),
            closed_on=_unless_met(met_on, settled_on),
        )
        yield duty.lapsing(ended_on)
    yield Duty("DEFERRAL_REVIEW", deferral.on, deferral.review_on, met_on=ended_on)


def _deferral_reviews(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duties to review the deferral: after each later offence, and each missed step in a knife case."""
    deferral = state.deferral
    if deferral is None:
        return
    reviewed_at = sorted(at for at in (*deferral.reviewed_at, deferral.ended_at) if at is not None)
    later = [case.opened_at for case in state.later if case.opened_at >= deferral.at]
    if deferral.ended_at is not None:
        later = [at for at in later if at < deferral.ended_at]
    missed = deferral.missed_at if state.is_of_a_knife else ()
    for name, opened_at in (("DEFERRAL_RECONSIDERED", later), ("DEFERRAL_STEP_MISSED", missed)):
        for number, at in enumerate(opened_at, start=1):
            opened_on = local_day(at)
            same_day = name == "DEFERRAL_STEP_MISSED"
            due = opened_on if same_day else due_after(opened_on, policy_on, "deferral_reconsidered_days")
            met_on = _day(next((review for review in reviewed_at if review >= at), None))
            yield Duty(name, opened_on, due, met_on, numbered(number))


def _transfer_review(state: DisposalState) -> Iterator[Duty]:
    for number, transfer in enumerate(state.transfers, start=1):
        opened_on, met_on = local_day(transfer.at), _day(transfer.ended_at)
        yield Duty("TRANSFER_REVIEW", opened_on, transfer.review_on, met_on, numbered(number))


def _prosecution_time_limit(state: DisposalState) -> Iterator[Duty]:
    """Yield the time limit for prosecuting a summary offence; met by charge or proceedings, lapsed with any other end."""
    limit = state.opened.prosecution_time_limit
    if limit is None:
        return
    charged_at = state.ended_at if state.stage is Stage.CHARGED else state.proceedings_at
    duty = Duty("PROSECUTION_TIME_LIMIT", local_day(state.opened_at), limit, met_on=_day(charged_at))
    yield duty if charged_at is not None else duty.lapsing(_settled(state))


def _settled(state: DisposalState) -> date | None:
    """Return the day from which the child need not expect prosecution: cautioned, diverted, or the case at its end."""
    if state.stage is Stage.DIVERTED and state.decision is not None:
        return local_day(state.decision.at)
    return _worked_on_until(state)


def _review(state: DisposalState, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to review a disposal that a correction has shown to be unlawful, and to correct what was wrong.

    Named by the rules that it breaks. It is met by a correction after which it would have been lawful (or breaks other
    rules, which opens another); nothing hides it, the end of the disposal included.
    """
    for number, review in enumerate(state.reviews, start=1):
        opened_on = local_day(review.at)
        item = f"{number}: {', '.join(review.unlawful_by)}"
        yield duty_after("DISPOSAL_REVIEW", opened_on, policy_on, "disposal_review_days", _day(review.met_at), item)
