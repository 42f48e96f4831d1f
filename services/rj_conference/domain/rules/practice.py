"""What restorative justice asks (rules C1 to C12), and the warnings C5W and C10."""

from datetime import timedelta
from typing import Final

from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.commands import (
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
    RecordConferenceHeld,
    RecordFollowUp,
    RecordResponsibility,
    ScheduleConference,
    SignAgreement,
)
from services.rj_conference.domain.rules.consent import all_consent
from services.rj_conference.domain.rules.rulebook import is_prepared, rules, was_held
from services.rj_conference.domain.state import Conference, Facilitator, Stage, TermStatus
from services.rj_conference.events import RiskLevel, Sensitivity
from services.trade.people import flags_of_the_incident
from services.trade.vocabulary import ConferenceMode, Flag, Role
from shared.domain.dates import local_day
from shared.domain.rules import Context

REGISTER: Final = "practitioners"
"""The policy value with the loaded register of training, by the officer's id."""

_SENSITIVE: Final = frozenset({Flag.DOMESTIC, Flag.SEXUAL})
"""The flags of an incident that make a conference about it a sensitive case."""


@rules.forbids("C1", ScheduleConference, lifted_by=(RecordResponsibility,))
def harmer_accepts_responsibility(conference: Conference, _context: Context) -> bool:
    """Each child who did harm must accept responsibility and not dispute the core facts: record that first.

    Source: RJC Best Practice Guidance for Restorative Practice (voluntarism, safety)
    """
    return all(conference.accepts(harmer) for harmer in conference.harmers)


@rules.forbids("C2", ScheduleConference, lifted_by=(AddParticipant,))
def a_harmed_party_takes_part(conference: Conference, _context: Context) -> bool:
    """No harmed party or representative is invited: add one, and have each consent.

    Source: RJC Best Practice Guidance (voluntarism)
    """
    return conference.has_other_side


@rules.forbids("C2", ScheduleConference, looks_at=("mode", "starts_at"), lifted_by=(InformVictim, GiveConsent))
def all_consent_to_what_is_scheduled(command: ScheduleConference, conference: Conference, context: Context) -> bool:
    """Each harmer and each harmed party, once told what it is, must consent to this mode, valid on the day; each harmed party must agree to meet each harmer.

    For a child under 16 a parent or carer must agree too.

    Source: RJC Best Practice Guidance (voluntarism); age 16 by local policy
    """
    return all_consent(conference, command.mode, local_day(command.starts_at), context)


@rules.forbids("C2", RecordConferenceHeld, lifted_by=(GiveConsent,))
def all_consented_when_it_was_held(conference: Conference, context: Context) -> bool:
    """A party's consent did not stand when the conference was held: record that it did not proceed, or the consent first.

    Source: RJC Best Practice Guidance (voluntarism)
    """
    if conference.stage is not Stage.SCHEDULED or conference.schedule is None:
        return True
    return all_consent(conference, conference.schedule.mode, conference.schedule.day, context)


@rules.forbids("C3", ScheduleConference, lifted_by=(HoldPreparation,))
def everyone_is_prepared(conference: Conference, context: Context) -> bool:
    """Each participant, supporters included, must have had a preparation meeting: hold and record those missing.

    Source: Best Practice Guidance for Restorative Practice (preparation)
    """
    return all(is_prepared(conference, person, context) for person in conference.everyone)


@rules.forbids("C4", ScheduleConference, lifted_by=(AssessRisk, ApproveRisk))
def risk_is_approved(conference: Conference, _context: Context) -> bool:
    """There is no approved risk assessment: assess the risk and have it approved.

    Source: RJC Best Practice Guidance (safety)
    """
    return conference.risk is not None and conference.risk.approved_at is not None


@rules.forbids("C4", ScheduleConference, looks_at=("starts_at",), lifted_by=(AssessRisk, ApproveRisk))
def risk_is_recent(command: ScheduleConference, conference: Conference, context: Context) -> bool:
    """The risk assessment was approved too long before the day of the conference: assess the risk again.

    Source: RJC Best Practice Guidance (safety); how old it may be by local policy
    """
    if conference.risk is None or conference.risk.approved_at is None:
        return True  # the rule above refuses it
    lasts = timedelta(days=context.policy.number("risk_approval_days"))
    return local_day(command.starts_at) <= local_day(conference.risk.approved_at) + lasts


@rules.forbids("C4", ApproveRisk)
def high_risk_is_approved_by_a_supervisor(conference: Conference, context: Context) -> bool:
    """A high risk is approved by a supervisor: ask one to approve it.

    Source: RJC Best Practice Guidance (safety); local policy
    """
    high = conference.risk is not None and conference.risk.level is RiskLevel.HIGH
    return not high or context.actor.role == Role.SUPERVISOR


@rules.forbids("C4", ApproveRisk)
def high_risk_is_approved_by_another(conference: Conference, context: Context) -> bool:
    """Nobody approves a high risk that they assessed themselves: ask another supervisor to approve it.

    Source: RJC Best Practice Guidance (safety); local policy
    """
    risk = conference.risk
    return risk is None or risk.level is not RiskLevel.HIGH or risk.assessed_by != context.actor.id


@rules.forbids("C5", AssignFacilitator, looks_at=("facilitator_id", "rj_trained", "sensitive_accredited"))
def facilitator_is_trained(command: AssignFacilitator, conference: Conference, context: Context) -> bool:
    """The facilitator must be trained in restorative justice, and accredited for sensitive cases where this is one:
    where a register of training is loaded, by the register on that day.

    Source: RJC Best Practice Guidance (safety; domestic and sexual harm)
    """
    return _is_trained(command, conference, context)


def _is_trained(facilitator: AssignFacilitator | Facilitator, conference: Conference, context: Context) -> bool:
    flags = flags_of_the_incident(conference.harmer, context.kept) or ()
    sensitive = conference.sensitive is not Sensitivity.NONE or not _SENSITIVE.isdisjoint(flags)
    register = context.policy.values.get(REGISTER)
    if register is not None:
        known = register.get(facilitator.facilitator_id)
        return known is not None and known.may_lead(context.day, sensitive=sensitive)
    return facilitator.rj_trained and (facilitator.sensitive_accredited or not sensitive)


@rules.forbids("C5", AssignFacilitator, looks_at=("facilitator_id",))
def nobody_takes_what_another_leads(command: AssignFacilitator, conference: Conference, context: Context) -> bool:
    """Another facilitator leads this conference: ask them, or a supervisor, to hand it over.

    Source: RJC Best Practice Guidance (confidentiality); local policy
    """
    leads, actor = conference.facilitator, context.actor
    takes = actor.role == Role.RJ_FACILITATOR and command.facilitator_id == actor.id
    return leads is None or leads.facilitator_id == actor.id or not takes


@rules.forbids("C5", ScheduleConference, lifted_by=(AssignFacilitator,))
def facilitator_is_assigned(conference: Conference, context: Context) -> bool:
    """A trained facilitator must be assigned before the conference is scheduled, one who is accredited where the case is sensitive.

    Source: RJC Best Practice Guidance (safety; domestic and sexual harm)
    """
    return conference.facilitator is not None and _is_trained(conference.facilitator, conference, context)


@rules.forbids("C6", ConvertToIndirect, looks_at=("mode",), lifted_by=(GiveConsent,))
def all_consent_anew(command: ConvertToIndirect, conference: Conference, context: Context) -> bool:
    """The harmer and each harmed party must consent to the new mode, after the latest withdrawal: ask each of them anew.

    Source: RJC Best Practice Guidance (voluntarism)
    """
    latest = max(conference.withdrawals(context.occurred_at), default=None)
    mode = ConferenceMode(command.mode.value)
    return all_consent(conference, mode, context.day, context, after=latest)


@rules.forbids("C8", RecordConferenceHeld, looks_at=("present", "facilitator_attended"))
def both_sides_and_facilitator_attended(
    command: RecordConferenceHeld, conference: Conference, _context: Context
) -> bool:
    """Held means that each harmer, a harmed party or representative, and the facilitator attended: else it did not proceed.

    Source: RJC Best Practice Guidance (a restorative conference)
    """
    return was_held(command, conference.harmers)


@rules.forbids("C9", SignAgreement, looks_at=("terms", "signed_by"))
def agreement_is_signed_and_specific(command: SignAgreement, conference: Conference, _context: Context) -> bool:
    """An agreement has terms, each with a text and a due date, and is signed by each harmer and by one of the harmed side.

    Where nothing was agreed, record that there is no agreement: that is a valid end too.

    Source: RJC Best Practice Guidance (outcome agreements)
    """
    specific = all(term.text.value.strip() and term.due is not None for term in command.terms)
    return bool(command.terms) and specific and conference.signed_by_both(command.signed_by)


@rules.forbids("C12", CloseConference, lifted_by=(CompleteTerm, FailTerm))
def no_term_is_open(conference: Conference, context: Context) -> bool:
    """A term of the agreement is still open: record that it was kept or that it was not, then close the conference.

    Source: RJC Best Practice Guidance (monitoring of outcome agreements)
    """
    settled = all(term.status is not TermStatus.OPEN for term in conference.terms.values())
    return settled or comes_too_late(conference, context)


@rules.warns("C5W", AssignFacilitator, looks_at=("facilitator_id",))
def facilitator_did_not_decide(command: AssignFacilitator, conference: Conference, _context: Context) -> bool:
    """The facilitator is the officer who decided the disposal: assign another, or say why it must be this one.

    Source: RJC Best Practice Guidance (neutrality)
    """
    return command.facilitator_id != conference.deciding_officer


@rules.warns("C10", RecordFollowUp)
def followed_up_in_time(conference: Conference, context: Context) -> bool:
    """Each party is asked how it was by the day on which the follow-up is due: say why it is later.

    Source: RJC Best Practice Guidance (follow-up); the time for it by local policy
    """
    return conference.held is None or context.day <= conference.held.follow_up_due


@rules.warns("C10", CloseConference, lifted_by=(RecordFollowUp,))
def all_were_followed_up(conference: Conference, context: Context) -> bool:
    """The harmer or a harmed party who took part has not been asked how it was: ask them, or say why not.

    Source: RJC Best Practice Guidance (follow-up)
    """
    followed_up = conference.held is None or conference.followed_up_on is not None
    return followed_up or comes_too_late(conference, context)
