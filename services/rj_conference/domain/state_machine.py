"""The state machine of a conference: the stages in which each command is allowed (rule S1)."""

from typing import Final

from services.rj_conference.domain import commands
from services.rj_conference.domain.state import BEFORE_HELD, OTHER_SIDE, Conference, Stage, TermStatus
from shared.domain.rules import Context
from shared.domain.state_machine import NOTHING_YET, AllowedStages

EVERY_STAGE: Final = frozenset(Stage)

SOURCE: Final = "state machine of a conference (rule S1)"


def _term_is_open(
    command: commands.CompleteTerm | commands.FailTerm, conference: Conference, _context: Context
) -> bool:
    term = conference.terms.get(command.term_id)
    return term is not None and term.status is TermStatus.OPEN


STATE_MACHINE: Final[tuple[AllowedStages[Conference], ...]] = (
    AllowedStages(
        "it_is_new",
        (commands.ProposeConference,),
        NOTHING_YET,
        "This conference was proposed already: go on with it, or propose another under a new id.",
    ),
    AllowedStages(
        "it_is_still_to_be_held",
        (
            commands.AddParticipant,
            commands.RecordResponsibility,
            commands.InformVictim,
            commands.GiveConsent,
            commands.AssignFacilitator,
            commands.AssessRisk,
            commands.ApproveRisk,
            commands.HoldPreparation,
        ),
        BEFORE_HELD,
        "The conference was held or is closed, so nothing more can be prepared for it.",
    ),
    AllowedStages(
        "participant_is_new",
        (commands.AddParticipant,),
        EVERY_STAGE,
        "This person belongs to the conference already.",
        condition=lambda command, conference, _: conference.role_of(command.person_id) is None,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "responsibility_is_a_harmers",
        (commands.RecordResponsibility,),
        EVERY_STAGE,
        "This person is no harmer of this conference: add them as one first.",
        condition=lambda command, conference, _: command.person_id in {None, *conference.harmers},
        looks_at=("person_id",),
    ),
    AllowedStages(
        "informed_is_of_the_harmed_side",
        (commands.InformVictim,),
        EVERY_STAGE,
        "This person is no harmed party or representative of this conference: add them as one first.",
        condition=lambda command, conference, _: conference.role_of(command.person_id) in OTHER_SIDE,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "person_belongs_to_it",
        (commands.GiveConsent, commands.HoldPreparation, commands.RecordFollowUp),
        EVERY_STAGE,
        "This person does not belong to the conference: add them as a participant first.",
        condition=lambda command, conference, _: conference.role_of(command.person_id) is not None,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "there_is_a_consent",
        (commands.WithdrawConsent,),
        EVERY_STAGE - {Stage.CLOSED},
        "This person has no consent that could be withdrawn, or the conference is closed.",
        condition=lambda command, conference, _: conference.consent_of(command.person_id) is not None,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "there_is_a_risk_to_approve",
        (commands.ApproveRisk,),
        EVERY_STAGE,
        "There is no risk assessment that waits for approval: assess the risk first.",
        standing=lambda conference: conference.risk is not None and conference.risk.approved_at is None,
    ),
    AllowedStages(
        "it_can_be_scheduled",
        (commands.ScheduleConference,),
        frozenset({Stage.PREPARED, Stage.DID_NOT_PROCEED}),
        "A conference is scheduled once prepared, or again when it did not proceed; after a conversion only in that mode.",
        condition=lambda command, conference, _: conference.converted_to in {None, command.mode},
        looks_at=("mode",),
    ),
    AllowedStages(
        "it_is_scheduled",
        (commands.RecordConferenceHeld, commands.RecordDidNotProceed),
        frozenset({Stage.SCHEDULED}),
        "The conference is not scheduled, so it can neither have been held nor have failed to proceed.",
    ),
    AllowedStages(
        "it_can_be_converted",
        (commands.ConvertToIndirect,),
        frozenset({Stage.PREPARED, Stage.SCHEDULED, Stage.DID_NOT_PROCEED}),
        "A conference is converted once it is prepared or scheduled, or when it did not proceed; not once it was held.",
    ),
    AllowedStages(
        "an_agreement_is_open",
        (commands.SignAgreement, commands.RecordNoAgreement),
        frozenset({Stage.HELD}),
        "What was agreed is recorded once, after the conference was held.",
    ),
    AllowedStages(
        "the_term_is_open",
        (commands.CompleteTerm, commands.FailTerm),
        frozenset({Stage.MONITORING}),
        "The agreement has no such term, or it was settled already.",
        condition=_term_is_open,
        looks_at=("term_id",),
    ),
    AllowedStages(
        "it_was_held_and_is_open",
        (commands.RecordFollowUp,),
        frozenset({Stage.HELD, Stage.MONITORING, Stage.FOLLOW_UP}),
        "People are asked how it was after the conference was held and before it is closed.",
    ),
)

IN_EVERY_STAGE: Final = (commands.CloseConference, commands.CorrectRecord)
"""Closing has a rule of its own (`rules/stages.py`), since a reaction's closing may come too late."""
