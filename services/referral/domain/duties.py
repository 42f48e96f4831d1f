"""What is due when on a referral: until it is met, or lapses because the referral is closed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from uuid import UUID

from services.referral.domain.state import MessageStatus, Referral
from services.referral.events import OF_AN_OFFENDER
from services.trade.relations import related_on
from services.trade.victims import (
    CONTACTED,
    REFERRED,
    days_since,
    first_day,
    information_due,
    interpreted_on,
    telling_duties,
)
from services.trade.vocabulary import Flag, TriageOutcome
from shared.domain.dates import add_working_days, local_day
from shared.domain.duties import Duty, due_after, duty_after, numbered
from shared.domain.policy import PolicyOn


def duties(state: Referral, policy_on: PolicyOn) -> Sequence[Duty]:
    """List every duty of the referral; one that is unmet when it is closed lapses, until it is opened again.

    An alert is on a person and outlives the referral, so its review never lapses; nor does telling a victim, or ringing
    somebody whom a message has not reached.

    Duties:
        REFERRAL_ACKNOWLEDGED: the referral is received; `acknowledge_working_days`; it is acknowledged.
        REFERRAL_TRIAGED: the referral is received; `triage_working_days`; it is triaged for the first time.
        REFERRAL_CLOSED: the referral is received; `close_working_days`; it is closed.
        CONCERN_RAISED: a referral marked as exploitation is received; `mash_referral_working_days` after the report; a safeguarding concern is raised, or the MASH referral is recorded.
        MASH_REFERRED: a safeguarding concern is raised; `mash_referral_working_days`; the MASH referral is recorded, or a supervisor lifts the hold.
        MASH_DECISION: MASH is told; `mash_decision_working_days`; the local authority's answer is recorded.
        NRM_REFERRAL: a referral marked as exploitation is received, or an alert of that kind is raised; `nrm_referral_working_days`; the child is referred to the National Referral Mechanism; nothing ends it otherwise.
        NRM_DECISION: the child is referred to the National Referral Mechanism; `nrm_decision_working_days`; its decision on reasonable grounds is recorded; nothing ends it otherwise.
        YJS_REFERRAL: a referral with a knife is received; `yjs_referral_working_days`; the youth justice service is told.
        ALERT_REVIEW: an alert is raised; its own day; it is ended, or another of its kind is raised on the person.
        FEEDBACK_ANSWERED: somebody complains, or wants an answer; `feedback_answer_days`; the feedback is answered.
        FIRST_CONTACT: the referral is triaged for the first time; `first_contact_working_days`; somebody is reached.
        VICTIM_RJ_INFORMATION: the referral is triaged to other than the panel, for each victim if a suspect was under age; `victim_information_days` after the report, with enhanced rights `victim_information_enhanced_days`; the victim is informed of restorative justice; a later triage leads to the panel.
        VICTIM_SUPPORT_REFERRAL: a victim wants support; `victim_support_days` after the report; the victim is referred to support; the victim no longer wants it.
        VICTIM_TOLD: an outcome is assigned that no disposal has decided, for each victim; `victim_told_days`, with enhanced rights `victim_told_enhanced_days`; the victim is told; nothing ends it otherwise.
        RING_INSTEAD: a message fails; `answer_working_days`; somebody tries to reach the person; the message is sent again.
        ANSWER_ABSENCE: somebody says that they cannot come; `answer_working_days`; somebody tries to reach the person.
        INTERPRETER_ARRANGED: somebody would like a language in which no message is written; `interpreter_days`; they are reached with an interpreter, then or before; they would like another language.
        RELATION_ANSWERED: two parents or carers of one child are linked, for each of them; `relation_answered_days`; their relation to the child is recorded.
        PERSON_COMPARED: somebody is linked who has the name and birth date of a person whom the sender could not find; `person_compared_days`; the two are compared, or merged.
        INTERVENTION_DELIVERED: the referral is accepted for an intervention; `intervention_working_days`; an activity is undertaken; a later triage has another outcome.
    """
    opened = (
        *_of_receipt(state, policy_on),
        *_of_concerns(state, policy_on),
        *_of_triage(state, policy_on),
        *_of_victims(state, policy_on),
        *_of_languages(state, policy_on),
    )
    to_victims = telling_duties(
        state.decided_at, state.victims, state.log, state.elsewhere, state.has_enhanced_rights, policy_on
    )
    outlasting = (
        *(
            Duty("ALERT_REVIEW", local_day(alert.raised_at), alert.review_on, alert.ended_on, str(alert_id))
            for alert_id, alert in state.alerts.items()
        ),
        *_of_exploitation(state, policy_on),
        *_of_feedback(state, policy_on),
        *_of_messages(state, policy_on),
        *_of_likeness(state, policy_on),
        *_of_relations(state, policy_on),
    )
    return (*(duty.lapsing(state.closed_on) for duty in opened), *outlasting, *to_victims)


def _of_receipt(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    policy = policy_on(state.received_on)

    def after_report(name: str, days: str, met_on: date | None) -> Duty:
        due = add_working_days(state.reported_on, policy.number(days))
        return Duty(name, state.received_on, due, met_on)

    yield after_report("REFERRAL_ACKNOWLEDGED", "acknowledge_working_days", state.acknowledged_on)
    triaged_on = state.triages[0].on if state.triages else None
    yield after_report("REFERRAL_TRIAGED", "triage_working_days", triaged_on)
    yield after_report("REFERRAL_CLOSED", "close_working_days", state.closed_on)
    if state.is_of_a_knife and "yjs_referral_working_days" not in policy.not_yet_in_force:
        yield after_report("YJS_REFERRAL", "yjs_referral_working_days", state.yjs_referred_on)


def _of_concerns(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    if Flag.EXPLOITATION in state.flags:
        due = due_after(state.reported_on, policy_on, "mash_referral_working_days")
        met_on = None if state.concern_at is None else local_day(state.concern_at)
        yield Duty("CONCERN_RAISED", state.received_on, due, met_on)
    for number, concern in enumerate(state.concerns, start=1):
        raised_on, item = local_day(concern.raised_at), numbered(number)
        yield duty_after("MASH_REFERRED", raised_on, policy_on, "mash_referral_working_days", concern.answered_on, item)
    for number, referral in enumerate(state.mash_referrals, start=1):
        made_on, item, met_on = local_day(referral.made_at), numbered(number), referral.answered_on
        yield duty_after("MASH_DECISION", made_on, policy_on, "mash_decision_working_days", met_on, item)


def _of_feedback(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    for feedback_id, feedback in state.feedback.items():
        if feedback.asks:
            given_on, item = local_day(feedback.given_at), str(feedback_id)
            yield duty_after(
                "FEEDBACK_ANSWERED", given_on, policy_on, "feedback_answer_days", feedback.answered_on, item
            )


def _of_exploitation(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the referral to the National Referral Mechanism, and its answer: the police and councils must notify (MSA 2015 s52)."""
    referred_on = min(state.nrm_referred_on, default=None)
    if (opened_on := state.exploited_on) is not None:
        yield duty_after("NRM_REFERRAL", opened_on, policy_on, "nrm_referral_working_days", referred_on)
    if referred_on is not None:
        yield duty_after("NRM_DECISION", referred_on, policy_on, "nrm_decision_working_days", state.nrm_decided_on)


def _of_messages(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    contacted_on = days_since(state.log, CONTACTED)
    for message_id, message, failed_at in state.failures:
        failed_on = local_day(failed_at)
        met_on = contacted_on(message.person_id, failed_at)
        sent_again_on = None if message.status is MessageStatus.FAILED else local_day(message.at)
        item, closed_on = str(message_id), sent_again_on if met_on is None else None
        yield duty_after("RING_INSTEAD", failed_on, policy_on, "answer_working_days", met_on, item, closed_on)
    for (person, about), announced_at in state.absences.items():
        said_on, met_on = local_day(announced_at), contacted_on(person, announced_at)
        yield duty_after("ANSWER_ABSENCE", said_on, policy_on, "answer_working_days", met_on, f"{person} {about}")


def _of_languages(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    for person, said_at in state.interpreters_wanted.items():
        opened_on, reached_on = local_day(said_at), interpreted_on(state.log, person)
        met_on = None if reached_on is None else max(opened_on, reached_on)
        yield duty_after("INTERPRETER_ARRANGED", opened_on, policy_on, "interpreter_days", met_on, str(person))


def _of_triage(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    if not state.triages:
        return
    first = state.triages[0].on
    due = add_working_days(state.reported_on, policy_on(first).number("first_contact_working_days"))
    yield Duty("FIRST_CONTACT", first, due, state.contacted_on)
    yield from _intervention(state, policy_on)


def _intervention(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    """From the latest acceptance for intervention on; another outcome after it ends the duty."""
    accepted = [n for n, triage in enumerate(state.triages) if triage.outcome is TriageOutcome.ACCEPT_INTERVENTION]
    if not accepted:
        return
    opened = state.triages[accepted[0]].on
    due = add_working_days(state.reported_on, policy_on(opened).number("intervention_working_days"))
    met_on = local_day(min(state.activities)) if state.activities else None
    later = state.triages[accepted[-1] + 1 :]
    ended_on = later[0].on if later and met_on is None else None
    yield Duty("INTERVENTION_DELIVERED", opened, due, met_on, closed_on=ended_on)


def _of_victims(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duties to inform each victim of restorative justice, and to refer those who want support."""
    to_others = [
        n for n, triage in enumerate(state.triages) if triage.outcome is not TriageOutcome.REFER_DISPOSAL_PANEL
    ]
    of_a_child = bool(to_others) and _is_of_a_child(state, state.triages[to_others[0]].on, policy_on)
    for victim in state.victims:
        if of_a_child:
            yield from _information(state, victim, to_others, policy_on)
        details = state.victim_details.get(victim)
        if details is not None and details.wanted_support_on is not None:
            met_on = first_day(state.log, victim, REFERRED)
            days = policy_on(details.wanted_support_on).number("victim_support_days")
            yield Duty(
                "VICTIM_SUPPORT_REFERRAL",
                details.wanted_support_on,
                add_working_days(state.reported_on, days),
                met_on,
                str(victim),
                closed_on=None if details.wants_support or met_on is not None else local_day(details.recorded_at),
            )


def _is_of_a_child(state: Referral, day: date, policy_on: PolicyOn) -> bool:
    """Whether a suspect was under age at the incident, by the policy of a day."""
    adult = policy_on(day).number("adult_age")
    return any(
        person.category in OF_AN_OFFENDER and person.age_at_incident is not None and person.age_at_incident < adult
        for person in state.people.values()
    )


def _information(state: Referral, victim: UUID, to_others: Sequence[int], policy_on: PolicyOn) -> Iterator[Duty]:
    """From the first triage to other than the panel on; a later one to the panel ends it, since its disposal has the duty."""
    opened_on = state.triages[to_others[0]].on
    due = information_due(state.reported_on, policy_on(opened_on), enhanced=state.has_enhanced_rights(victim))
    if due is None:
        return
    met_on = state.informed_on(victim)
    later = state.triages[to_others[-1] + 1 :]
    ended_on = later[0].on if later and met_on is None else None
    yield Duty("VICTIM_RJ_INFORMATION", opened_on, due, met_on, str(victim), closed_on=ended_on)


def _of_likeness(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to compare somebody with those of the same name and birth date whom the sender could not find."""
    for person, linked in state.people.items():
        if not linked.resembles:
            continue
        met_on = _all_answered_on(_compared_on(state, person, other) for other in linked.resembles)
        yield duty_after("PERSON_COMPARED", linked.linked_on, policy_on, "person_compared_days", met_on, str(person))


def _all_answered_on(days: Iterable[date | None]) -> date | None:
    """Return the day of the last of some answers; None if one is missing."""
    answered = list(days)
    return None if None in answered else max(day for day in answered if day is not None)


def _compared_on(state: Referral, person: UUID, other: UUID) -> date | None:
    """Return the day on which two persons were compared, or merged; None if they were not."""
    merged_at = state.known.merged_at(person, other)
    days = (state.compared.get((person, other)), None if merged_at is None else local_day(merged_at))
    return min((day for day in days if day is not None), default=None)


def _of_relations(state: Referral, policy_on: PolicyOn) -> Iterator[Duty]:
    """Yield the duty to say of each of two parents or carers of one child whether they may be in contact with the child."""
    for adult, children in state.children_of_parents.items():
        beside = [others for child in children if len(others := state.parents_of(child)) > 1]
        if not beside:
            continue
        opened_on = min(max(state.people[other].linked_on for other in others) for others in beside)
        answered_on = _all_answered_on(
            related_on(adult, child, state.known) for child in children if len(state.parents_of(child)) > 1
        )
        met_on = None if answered_on is None else max(answered_on, opened_on)
        yield duty_after("RELATION_ANSWERED", opened_on, policy_on, "relation_answered_days", met_on, str(adult))
