"""In which stage a command is allowed (the state machine, rule S1)."""

from __future__ import annotations

from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.commands import (
    LATER,
    AddParticipant,
    ApproveRisk,
    AssessRisk,
    AssignFacilitator,
    CloseConference,
    CompleteTerm,
    ConvertToIndirect,
    FailTerm,
    GiveConsent,
    HoldPreparation,
    InformVictim,
    ProposeConference,
    RecordConferenceHeld,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordNoAgreement,
    RecordResponsibility,
    ScheduleConference,
    SignAgreement,
    WithdrawConsent,
)
from services.rj_conference.domain.rules.rulebook import OTHER_SIDE, once_proposed, rules
from services.rj_conference.domain.state import BEFORE_HELD, Conference, Stage, TermStatus
from shared.domain.messages import Command
from shared.domain.rules import Context


@rules.allowed_in(ProposeConference)
def it_is_new(_command: ProposeConference, conference: Conference | None, _occasion: Context) -> bool:
    """This conference was proposed already: go on with it, or propose another under a new id.

    Source: state machine of a conference (rule S1)
    """
    return conference is None


@rules.allowed_in(*LATER)
def it_was_proposed(_command: Command, conference: Conference | None, _occasion: Context) -> bool:
    """There is no such conference yet: propose it first.

    Source: state machine of a conference (rule S1)
    """
    return conference is not None


@rules.allowed_in(
    AddParticipant,
    RecordResponsibility,
    InformVictim,
    GiveConsent,
    AssignFacilitator,
    AssessRisk,
    ApproveRisk,
    HoldPreparation,
)
@once_proposed
def it_is_still_to_be_held(_command: Command, conference: Conference, _occasion: Context) -> bool:
    """The conference was held or is closed, so nothing more can be prepared for it.

    Source: state machine of a conference (rule S1)
    """
    return conference.stage in BEFORE_HELD


@rules.allowed_in(AddParticipant)
@once_proposed
def participant_is_new(command: AddParticipant, conference: Conference, _occasion: Context) -> bool:
    """This person belongs to the conference already.

    Source: state machine of a conference (rule S1)
    """
    return conference.role_of(command.person_id) is None


@rules.allowed_in(InformVictim)
@once_proposed
def informed_is_of_the_harmed_side(command: InformVictim, conference: Conference, _occasion: Context) -> bool:
    """This person is no harmed party or representative of this conference: add them as one first.

    Source: state machine of a conference (rule S1)
    """
    return conference.role_of(command.person_id) in OTHER_SIDE


@rules.allowed_in(GiveConsent, HoldPreparation, RecordFollowUp)
@once_proposed
def person_belongs_to_it(
    command: GiveConsent | HoldPreparation | RecordFollowUp, conference: Conference, _occasion: Context
) -> bool:
    """This person does not belong to the conference: add them as a participant first.

    Source: state machine of a conference (rule S1)
    """
    return conference.role_of(command.person_id) is not None


@rules.allowed_in(WithdrawConsent)
@once_proposed
def there_is_a_consent(command: WithdrawConsent, conference: Conference, _occasion: Context) -> bool:
    """This person has no consent that could be withdrawn, or the conference is closed.

    Source: state machine of a conference (rule S1)
    """
    return conference.stage is not Stage.CLOSED and conference.consent_of(command.person_id) is not None


@rules.allowed_in(ApproveRisk)
@once_proposed
def there_is_a_risk_to_approve(_command: ApproveRisk, conference: Conference, _occasion: Context) -> bool:
    """There is no risk assessment that waits for approval: assess the risk first.

    Source: state machine of a conference (rule S1)
    """
    return conference.risk is not None and conference.risk.approved_at is None


@rules.allowed_in(ScheduleConference)
@once_proposed
def it_can_be_scheduled(command: ScheduleConference, conference: Conference, _occasion: Context) -> bool:
    """A conference is scheduled once prepared, or again when it did not proceed; after a conversion only in that mode.

    Source: state machine of a conference (rule S1)
    """
    in_mode = conference.converted_to in {None, command.mode}
    return in_mode and conference.stage in {Stage.PREPARED, Stage.DID_NOT_PROCEED}


@rules.allowed_in(RecordConferenceHeld, RecordDidNotProceed)
@once_proposed
def it_is_scheduled(_command: Command, conference: Conference, _occasion: Context) -> bool:
    """The conference is not scheduled, so it can neither have been held nor have failed to proceed.

    Source: state machine of a conference (rule S1)
    """
    return conference.stage is Stage.SCHEDULED


@rules.allowed_in(ConvertToIndirect)
@once_proposed
def it_can_be_converted(_command: ConvertToIndirect, conference: Conference, _occasion: Context) -> bool:
    """A conference is converted once it is prepared or scheduled, or when it did not proceed; not once it was held.

    Source: state machine of a conference (rule S1)
    """
    return conference.stage in {Stage.PREPARED, Stage.SCHEDULED, Stage.DID_NOT_PROCEED}


@rules.allowed_in(SignAgreement, RecordNoAgreement)
@once_proposed
def an_agreement_is_open(_command: Command, conference: Conference, _occasion: Context) -> bool:
    """What was agreed is recorded once, after the conference was held.

    Source: state machine of a conference (rule S1)
    """
    return conference.stage is Stage.HELD


@rules.allowed_in(CompleteTerm, FailTerm)
@once_proposed
def the_term_is_open(command: CompleteTerm | FailTerm, conference: Conference, _occasion: Context) -> bool:
    """The agreement has no such term, or it was settled already.

    Source: state machine of a conference (rule S1)
    """
    term = conference.terms.get(command.term_id)
    return term is not None and term.status is TermStatus.OPEN


@rules.allowed_in(RecordFollowUp)
@once_proposed
def it_was_held_and_is_open(_command: RecordFollowUp, conference: Conference, _occasion: Context) -> bool:
    """People are asked how it was after the conference was held and before it is closed.

    Source: state machine of a conference (rule S1)
    """
    return conference.held is not None and conference.stage is not Stage.CLOSED


@rules.allowed_in(CloseConference)
@once_proposed
def it_can_be_closed(_command: CloseConference, conference: Conference, context: Context) -> bool:
    """A conference is closed before it was held, or in follow-up: record first what was agreed, or that nothing was.

    Source: state machine of a conference (rule S1)
    """
    is_open_to_it = conference.stage in BEFORE_HELD or conference.stage is Stage.FOLLOW_UP
    return is_open_to_it or comes_too_late(conference, context)
