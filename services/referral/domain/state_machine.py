"""The state machine of a referral: the stages in which each command is allowed (rule S1)."""

from typing import Final

from services.referral.domain import commands
from services.referral.domain.state import MessageStatus, Referral, SentMessage, Stage
from shared.domain.state_machine import NOTHING_YET, AllowedStages

EVERY_STAGE: Final = frozenset(Stage)
OPEN: Final = EVERY_STAGE - {Stage.CLOSED}
BEFORE_TRIAGE: Final = frozenset({Stage.RECEIVED, Stage.ACKNOWLEDGED, Stage.SAFEGUARDING_HOLD})
WITH_AN_OFFICER: Final = frozenset({Stage.TRIAGED, Stage.ALLOCATED, Stage.IN_PROGRESS})

PRACTICE: Final = "team practice (states of a referral)"


def _is_on_its_way(message: SentMessage | None) -> bool:
    return message is not None and message.status is MessageStatus.SENT


def _can_be_sent(message: SentMessage | None, command: commands.RecordMessage) -> bool:
    return message is None or (message.status is MessageStatus.FAILED and message.person_id == command.person_id)


def _can_fail(message: SentMessage | None, command: commands.RecordMessageFailure) -> bool:
    return message is None or (_is_on_its_way(message) and message.person_id == command.person_id)


STATE_MACHINE: Final[tuple[AllowedStages[Referral], ...]] = (
    AllowedStages(
        "received_once",
        (commands.ReceiveReferral,),
        NOTHING_YET,
        "This referral was received already: give a new one an id of its own.",
    ),
    AllowedStages(
        "not_closed",
        (
            commands.LinkPerson,
            commands.RaiseSafeguardingConcern,
            commands.RecordMashReferral,
            commands.CompleteNudesScreening,
            commands.RecordCrime,
            commands.RecordVictimPreference,
            commands.AttachDocument,
            commands.GiveAdvice,
            commands.AssignCrimeOutcome,
        ),
        OPEN,
        "The referral is closed: a supervisor must open it again first.",
    ),
    AllowedStages(
        "acknowledged_once",
        (commands.AcknowledgeReferral,),
        BEFORE_TRIAGE,
        "A referral is acknowledged once, before it is triaged.",
        standing=lambda referral: referral.acknowledged_on is None,
    ),
    AllowedStages(
        "a_hold_to_lift",
        (commands.OverrideSafeguardingHold,),
        frozenset({Stage.SAFEGUARDING_HOLD}),
        "No safeguarding concern holds this referral.",
    ),
    AllowedStages(
        "mash_waits_for_its_answer",
        (commands.RecordMashDecision,),
        EVERY_STAGE,
        "No referral to MASH waits for an answer: record that referral first, or correct the answer that there is.",
        "Working Together to Safeguard Children",
        standing=lambda referral: bool(referral.unanswered),
    ),
    AllowedStages(
        "yjs_told_once",
        (commands.ReferToYjs,),
        OPEN,
        "The youth justice service is told once, while the referral is open.",
        standing=lambda referral: referral.yjs_referred_on is None,
    ),
    AllowedStages(
        "message_is_new",
        (commands.RecordMessage,),
        EVERY_STAGE,
        "This message was sent already: only one that failed is sent again, to the same person.",
        condition=lambda command, referral, _: _can_be_sent(referral.messages.get(command.message_id), command),
        looks_at=("message_id", "person_id"),
    ),
    AllowedStages(
        "message_fails_once",
        (commands.RecordMessageFailure,),
        EVERY_STAGE,
        "This message has failed or arrived already, or went to somebody else.",
        condition=lambda command, referral, _: _can_fail(referral.messages.get(command.message_id), command),
        looks_at=("message_id", "person_id"),
    ),
    AllowedStages(
        "message_was_sent",
        (commands.RecordMessageDelivery,),
        EVERY_STAGE,
        "Only a message that was sent arrives, and it does so once.",
        condition=lambda command, referral, _: _is_on_its_way(referral.messages.get(command.message_id)),
        looks_at=("message_id",),
    ),
    AllowedStages(
        "absence_announced_once",
        (commands.AnnounceAbsence,),
        EVERY_STAGE,
        "They have said already that they cannot come.",
        condition=lambda command, referral, _: (command.person_id, command.about) not in referral.absences,
        looks_at=("person_id", "about"),
    ),
    AllowedStages(
        "alert_is_new",
        (commands.RaiseAlert,),
        EVERY_STAGE,
        "There is an alert with this id already: give a new one an id of its own.",
        condition=lambda command, referral, _: command.alert_id not in referral.alerts,
        looks_at=("alert_id",),
    ),
    AllowedStages(
        "alert_is_open",
        (commands.EndAlert,),
        EVERY_STAGE,
        "Only an open alert of this referral can be ended.",
        condition=lambda command, referral, _: referral.open_alert(command.alert_id) is not None,
        looks_at=("alert_id",),
    ),
    AllowedStages(
        "feedback_is_new",
        (commands.RecordFeedback,),
        EVERY_STAGE,
        "There is feedback with this id already: give a new one an id of its own.",
        condition=lambda command, referral, _: command.feedback_id not in referral.feedback,
        looks_at=("feedback_id",),
    ),
    AllowedStages(
        "feedback_is_unanswered",
        (commands.AnswerFeedback,),
        EVERY_STAGE,
        "Only feedback of this referral is answered, and once.",
        condition=lambda command, referral, _: command.feedback_id in referral.unanswered_feedback,
        looks_at=("feedback_id",),
    ),
    AllowedStages(
        "crime_recorded_once",
        (commands.RecordCrime,),
        EVERY_STAGE,
        "The crime has a number already: correct it, do not record another.",
        "Home Office Counting Rules",
        standing=lambda referral: referral.crime_number is None,
    ),
    AllowedStages(
        "ready_for_triage",
        (commands.TriageReferral,),
        frozenset({Stage.ACKNOWLEDGED, Stage.TRIAGED}),
        "A referral is triaged once it is acknowledged, and again after it was opened again or held.",
        standing=lambda referral: referral.stage is Stage.ACKNOWLEDGED or referral.reopened,
    ),
    AllowedStages(
        "triaged_for_an_officer",
        (commands.AllocateReferral,),
        WITH_AN_OFFICER,
        "Only a triaged referral is allocated, and not one that went to others.",
    ),
    AllowedStages(
        "left_to_the_school",
        (commands.ConfirmSchoolLedOutcome,),
        frozenset({Stage.SCHOOL_LED}),
        "The school confirms once what it did, about an incident that was left to it.",
        "Home Office Counting Rules, Schools Protocol",
        standing=lambda referral: not referral.school_confirmed,
    ),
    AllowedStages(
        "outcome_was_carried",
        (commands.WithdrawOutcome,),
        EVERY_STAGE,
        "No outcome of this disposal stands here.",
        "Home Office Counting Rules",
        condition=lambda command, referral, _: command.disposal_id in referral.assigned,
        looks_at=("disposal_id",),
    ),
    AllowedStages(
        "triaged_before_closing",
        (commands.CloseReferral,),
        OPEN - BEFORE_TRIAGE,
        "Only a triaged referral can be closed, and only once.",
    ),
    AllowedStages(
        "closed_before_reopening",
        (commands.ReopenReferral,),
        frozenset({Stage.CLOSED}),
        "Only a closed referral can be opened again.",
    ),
)

IN_EVERY_STAGE: Final = (
    commands.RecordVictimDetails,
    commands.InformVictimOfRestorativeJustice,
    commands.ReferVictimToSupport,
    commands.TellVictim,
    commands.RecordContact,
    commands.RecordPreferences,
    commands.WriteToPerson,
    commands.RecordActivityUndertaken,
    commands.CarryOutcome,
    commands.CorrectCarriedOutcome,
    commands.ComparePerson,
    commands.CorrectReferral,
    commands.ReferToNrm,
    commands.RecordNrmDecision,
)
"""Commands about people, corrections, and the facts of other services: they go on after the referral is closed."""
