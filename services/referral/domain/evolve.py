"""The fold of a referral: how each fact changes the state. It applies no rule."""

from collections.abc import Mapping
from typing import Final, assert_never
from uuid import UUID

from services.referral import events
from services.referral.domain.state import (
    Alert,
    AssignedOutcome,
    Concern,
    Feedback,
    LinkedPerson,
    MashReferral,
    MessageStatus,
    Preferences,
    Referral,
    Screening,
    SentMessage,
    Stage,
    Triage,
    VictimDetails,
    Wish,
)
from services.trade.victims import log_after
from services.trade.vocabulary import TriageOutcome
from shared.domain.corrections import PastFacts
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.states import replace

STAGE_AFTER_TRIAGE: Final[Mapping[TriageOutcome, Stage]] = {
    TriageOutcome.ACCEPT_INTERVENTION: Stage.TRIAGED,
    TriageOutcome.ADVICE_ONLY: Stage.TRIAGED,
    TriageOutcome.REFER_EARLY_HELP: Stage.TRIAGED,
    TriageOutcome.SIGNPOST: Stage.TRIAGED,
    TriageOutcome.SCHOOL_LED: Stage.SCHOOL_LED,
    TriageOutcome.REFER_DISPOSAL_PANEL: Stage.WITH_PANEL,
    TriageOutcome.REFER_MASH: Stage.WITH_MASH,
    TriageOutcome.REFER_INVESTIGATION: Stage.WITH_INVESTIGATION,
    TriageOutcome.REJECT_OUT_OF_SCOPE: Stage.REJECTED,
    TriageOutcome.DUPLICATE: Stage.REJECTED,
}


def evolve(state: Referral | None, fact: Fact[events.ReferralEvent]) -> Referral:
    """Return the referral after one more fact; raises `BrokenHistory` if the fact could not have happened."""
    event = fact.event
    after = _state_after(state, fact, event)
    record = PastFacts(fact, None if state is None else state.record)
    return replace(after, log=log_after(after.log, fact), record=record)


def _linked(event: events.PersonLinked, fact: Fact) -> LinkedPerson:
    return LinkedPerson(
        event.role,
        event.category,
        event.age_at_incident,
        event.details.date_of_birth,
        event.details.is_organisation,
        fact.day,
        event.is_harmed,
        event.child_at_report,
        event.did_harm,
        event.details.preferred_channel,
        event.resembles or (),
        event.parent_of,
    )


def _state_after(state: Referral | None, fact: Fact, event: events.ReferralEvent) -> Referral:
    if isinstance(event, events.ReferralReceived):
        return _received(state, fact, event)
    if state is None:
        raise BrokenHistory(fact, "the referral was never received")
    match event:
        case events.PersonLinked():
            return replace(state, people={**state.people, event.person_id: _linked(event, fact)})
        case events.PersonCompared():
            return replace(state, compared={**state.compared, (event.person_id, event.another_than): fact.day})
        case events.ReferralAcknowledged():
            return _acknowledged(state, fact)
        case events.SafeguardingConcernRaised():
            on_hold = _move_to(state, fact, Stage.SAFEGUARDING_HOLD)
            return replace(on_hold, concerns=(*state.concerns, Concern(fact.occurred_at)), triage_outcome=None)
        case events.MashReferralMade():
            referral = MashReferral(fact.occurred_at)
            return replace(_hold_lifted(state, fact), mash_referrals=(*state.mash_referrals, referral))
        case events.MashDecisionRecorded():
            answered = tuple(
                referral if referral.answered_on else replace(referral, answered_on=fact.day)
                for referral in state.mash_referrals
            )
            return replace(state, mash_referrals=answered, mash_decision=event.decision)
        case events.SafeguardingHoldOverridden():
            if not state.on_hold:
                raise BrokenHistory(fact, "there is no hold to lift")
            return _hold_lifted(state, fact)
        case events.NudesScreeningCompleted():
            return _screened(state, fact, event)
        case events.NrmReferred() | events.NrmDecisionRecorded():
            return _with_nrm(state, fact, event)
        case events.YjsReferred():
            return replace(state, yjs_referred_on=fact.day)
        case events.CrimeRecorded():
            return replace(state, crime_number=event.crime_number, crime_recorded_at=fact.occurred_at)
        case events.VictimPreferenceRecorded():
            return _wished(state, fact, event)
        case events.VictimDetailsRecorded():
            return _victim_described(state, fact, event)
        case (
            events.DocumentAttached()
            | events.VictimInformedOfRestorativeJustice()
            | events.VictimReferredToSupport()
            | events.VictimTold()
        ):
            return state  # the log has what was done for a victim
        case events.MessageRequested():
            return replace(state, requested=(*state.requested, (fact.version, event)))
        case events.ReferralTriaged():
            return _triaged(state, fact, event)
        case events.ReferralAllocated():
            return _allocated(state, fact, event)
        case events.AdviceGiven():
            return replace(_in_progress(state, fact), advice=(*state.advice, (fact.day, event)))
        case events.ContactRecorded():
            return _contacted(state, fact, event)
        case events.PreferencesRecorded():
            return _preferring(state, fact, event)
        case events.MessageSent() | events.MessageFailed():
            return _with_message(state, fact, event)
        case events.MessageDelivered():
            return _arrived(state, fact, event)
        case events.AbsenceAnnounced():
            return replace(state, absences={**state.absences, (event.person_id, event.about): fact.occurred_at})
        case events.AlertRaised():
            return _alert_raised(state, fact, event)
        case events.AlertEnded():
            raised = state.open_alert(event.alert_id)
            if raised is None:
                raise BrokenHistory(fact, f"there is no open alert {event.alert_id}")
            ended = replace(raised, ended_on=fact.day)
            return replace(state, alerts={**state.alerts, event.alert_id: ended})
        case events.FeedbackRecorded() | events.FeedbackAnswered():
            return _with_feedback(state, fact, event)
        case events.SchoolLedOutcomeConfirmed():
            return replace(state, school_confirmed=True)
        case events.CrimeOutcomeAssigned():
            return _outcome_assigned(state, fact, event)
        case events.CrimeOutcomeWithdrawn():
            return replace(state, assigned={by: code for by, code in state.assigned.items() if by != event.disposal_id})
        case events.ActivityUndertaken():
            return replace(_in_progress(state, fact), activities=(*state.activities, fact.occurred_at))
        case events.ReferralClosed():
            return _closed(state, fact)
        case events.ReferralReopened():
            return _reopened(state, fact)
        case events.ReferralCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _received(state: Referral | None, fact: Fact, event: events.ReferralReceived) -> Referral:
    if state is not None:
        raise BrokenHistory(fact, "the referral was received already")
    return Referral(
        referral_id=fact.stream_id,
        stage=Stage.RECEIVED,
        since=fact.occurred_at,
        received_at=fact.occurred_at,
        reported_at=event.reported_at,
        happened_at=event.happened_at,
        incident_type=event.incident_type,
        setting=event.setting,
        flags=frozenset(event.flags),
    )


def _move_to(state: Referral, fact: Fact, stage: Stage) -> Referral:
    # A fact recorded late does not turn back the time from which the next stage may follow.
    return replace(state, stage=stage, since=max(state.since, fact.occurred_at))


def _with_nrm(state: Referral, fact: Fact, event: events.NrmReferred | events.NrmDecisionRecorded) -> Referral:
    if isinstance(event, events.NrmReferred):
        return replace(state, nrm_referred_on=(*state.nrm_referred_on, fact.day))
    if event.stage != "REASONABLE_GROUNDS":
        return state
    return replace(state, nrm_decided_on=min(fact.day, state.nrm_decided_on or fact.day))


def _acknowledged(state: Referral, fact: Fact) -> Referral:
    moved = _move_to(state, fact, Stage.ACKNOWLEDGED) if state.stage is Stage.RECEIVED else state
    return replace(moved, acknowledged_on=fact.day)


def _hold_lifted(state: Referral, fact: Fact) -> Referral:
    answered = tuple(
        concern if concern.answered_on else replace(concern, answered_on=fact.day) for concern in state.concerns
    )
    moved = _move_to(state, fact, Stage.ACKNOWLEDGED) if state.on_hold else state
    return replace(moved, concerns=answered)


def _with_feedback(state: Referral, fact: Fact, event: events.FeedbackRecorded | events.FeedbackAnswered) -> Referral:
    if isinstance(event, events.FeedbackRecorded):
        feedback = Feedback(fact.occurred_at, asks=event.wants_answer or event.kind is events.FeedbackKind.COMPLAINT)
    elif (said := state.unanswered_feedback.get(event.feedback_id)) is not None:
        feedback = replace(said, answered_on=fact.day)
    else:
        raise BrokenHistory(fact, f"there is no unanswered feedback {event.feedback_id}")
    return replace(state, feedback={**state.feedback, event.feedback_id: feedback})


def _alert_raised(state: Referral, fact: Fact, event: events.AlertRaised) -> Referral:
    """Open an alert; it takes the place of an open one of its kind on the person."""
    alerts = dict(state.alerts)
    of_its_kind = (event.person_id, event.kind)
    if (before := state.latest_of_kind.get(of_its_kind)) is not None and alerts[before].ended_on is None:
        alerts[before] = replace(alerts[before], ended_on=fact.day)
    raised = Alert(event.person_id, event.kind, fact.occurred_at, event.review_on)
    alerts[event.alert_id] = raised
    return replace(state, alerts=alerts, latest_of_kind={**state.latest_of_kind, of_its_kind: event.alert_id})


def _screened(state: Referral, fact: Fact, event: events.NudesScreeningCompleted) -> Referral:
    answers = (
        event.adult_involved,
        event.coercion,
        event.atypical_or_violent,
        event.under_13_sexual_act,
        event.immediate_risk,
    )
    # A later screening does not take back an earlier Yes; only a correction does.
    earlier_yes = state.screening is not None and state.screening.any_yes
    return replace(state, screening=Screening(fact.occurred_at, any(answers) or earlier_yes))


def _is_overtaken(kept: Mapping[UUID, Wish | VictimDetails | Preferences], fact: Fact, person: UUID) -> bool:
    """Tell whether what somebody said is recorded late, and they had said something else by then."""
    return person in kept and fact.occurred_at < kept[person].recorded_at


def _wished(state: Referral, fact: Fact, event: events.VictimPreferenceRecorded) -> Referral:
    if _is_overtaken(state.wishes, fact, event.person_id):
        return state
    return replace(state, wishes={**state.wishes, event.person_id: Wish(event.preference, fact.occurred_at)})


def _preferring(state: Referral, fact: Fact, event: events.PreferencesRecorded) -> Referral:
    if _is_overtaken(state.preferences, fact, event.person_id):
        return state
    said = Preferences(fact.occurred_at, event.messages_wanted, event.preferred_channel, event.language)
    return replace(state, preferences={**state.preferences, event.person_id: said})


def _victim_described(state: Referral, fact: Fact, event: events.VictimDetailsRecorded) -> Referral:
    """Keep the latest details; support that is wanted on is wanted since the first day of that."""
    if _is_overtaken(state.victim_details, fact, event.person_id):
        return state
    earlier = state.victim_details.get(event.person_id)
    since = fact.day if earlier is None or earlier.wanted_support_on is None else earlier.wanted_support_on
    rights = event.enhanced_rights
    details = VictimDetails(
        fact.occurred_at,
        earlier.enhanced_rights if rights is None and earlier is not None else rights,
        event.contact_is_safe,
        event.wants_updates,
        event.wants_support,
        since if event.wants_support else (None if earlier is None else earlier.wanted_support_on),
        fact.version,
    )
    return replace(state, victim_details={**state.victim_details, event.person_id: details})


def _triaged(state: Referral, fact: Fact, event: events.ReferralTriaged) -> Referral:
    moved = _move_to(state, fact, STAGE_AFTER_TRIAGE[event.outcome])
    triages = (*state.triages, Triage(event.outcome, fact.day))
    moves = (*state.moves, fact.version)
    return replace(moved, triages=triages, moves=moves, triage_outcome=event.outcome, reopened=False)


def _allocated(state: Referral, fact: Fact, event: events.ReferralAllocated) -> Referral:
    if not state.triages:
        raise BrokenHistory(fact, "it was never triaged")
    # Another officer takes over what is in progress as it is.
    moved = state if state.stage is Stage.IN_PROGRESS else _move_to(state, fact, Stage.ALLOCATED)
    return replace(moved, officer_id=event.officer_id)


def _in_progress(state: Referral, fact: Fact) -> Referral:
    return _move_to(state, fact, Stage.IN_PROGRESS) if state.stage is Stage.ALLOCATED else state


def _contacted(state: Referral, fact: Fact, event: events.ContactRecorded) -> Referral:
    if not event.reached:
        return state
    first = fact.day if state.contacted_on is None else min(state.contacted_on, fact.day)
    return replace(state, contacted_on=first)


def _with_message(state: Referral, fact: Fact, event: events.MessageSent | events.MessageFailed) -> Referral:
    """Keep a message as it last stood, and when it last failed."""
    earlier = state.messages.get(event.message_id)
    message = SentMessage(
        event.person_id,
        event.about,
        event.channel,
        event.template,
        event.template_version,
        MessageStatus.SENT,
        fact.occurred_at,
        fact.version,
        failed_at=None if earlier is None else earlier.failed_at,
    )
    if isinstance(event, events.MessageFailed):
        sent = None if earlier is None else earlier.sent_version
        message = replace(
            message, status=MessageStatus.FAILED, sent_version=sent, why=event.why, failed_at=fact.occurred_at
        )
    return replace(state, messages={**state.messages, event.message_id: message})


def _arrived(state: Referral, fact: Fact, event: events.MessageDelivered) -> Referral:
    sent = state.messages.get(event.message_id)
    if sent is None:
        raise BrokenHistory(fact, f"there is no message {event.message_id}")
    arrived = replace(sent, status=MessageStatus.DELIVERED, at=fact.occurred_at)
    return replace(state, messages={**state.messages, event.message_id: arrived})


def _outcome_assigned(state: Referral, fact: Fact, event: events.CrimeOutcomeAssigned) -> Referral:
    """Keep an outcome in the place of what the same disposal carried, or was assigned by hand to the same suspect."""
    key = event.disposal_id or event.person_id or state.referral_id
    is_carried = event.disposal_id is not None
    outcome = AssignedOutcome(event.code, event.person_id, fact.occurred_at, is_carried)
    here = () if is_carried else (fact.occurred_at,)
    return replace(state, assigned={**state.assigned, key: outcome}, decided_at=(*state.decided_at, *here))


def _closed(state: Referral, fact: Fact) -> Referral:
    if state.stage is Stage.CLOSED:
        raise BrokenHistory(fact, "it is closed already")
    closed = _move_to(state, fact, Stage.CLOSED)
    return replace(closed, moves=(*state.moves, fact.version), closed_on=fact.day)


def _reopened(state: Referral, fact: Fact) -> Referral:
    if state.stage is not Stage.CLOSED:
        raise BrokenHistory(fact, "it is not closed")
    return replace(_move_to(state, fact, Stage.TRIAGED), closed_on=None, reopened=True)
