"""Giving the disposal: age, adult, explanation, document, and the human who decided."""

from datetime import date

from services.disposal.domain import commands
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import BEFORE_ISSUE, DisposalState, Stage
from services.disposal.events import EffectExplained
from services.trade.vocabulary import AppropriateAdultKind, Disposal, Role
from shared.domain.dates import add_working_days, local_day
from shared.domain.rules import Context


@rules.forbids("R1", commands.IssueDisposal)
def was_ten_at_the_offence(state: DisposalState, context: Context) -> bool:
    """The child was under ten at the offence: no disposal may be given.

    Source: CYPA 1933 s50
    """
    return state.opened.age_at_offence >= context.policy.number("criminal_responsibility_age")


@rules.forbids("R2", commands.IssueDisposal)
def is_not_yet_eighteen(state: DisposalState, context: Context) -> bool:
    """The child is 18, or the date of birth can no longer be known: use the adult route.

    Source: CDA 1998 ss66A(1), 66ZA(1)
    """
    if state.stage not in BEFORE_ISSUE:
        return True
    age = state.age_on(context.day)
    return age is not None and age <= context.policy.number("highest_age_at_issue")


def needs_an_adult(state: DisposalState, context: Context) -> bool:
    """Return whether an appropriate adult is to be present on the day, by the age of the child."""
    age = state.age_on(context.day)
    if age is None or age > context.policy.number("highest_age_at_issue"):
        return True  # who is too old for the disposal is refused it by R2, and excused from nothing else
    return age < context.policy.number("appropriate_adult_below_age")


@rules.forbids("R6", commands.IssueDisposal, lifted_by=(commands.ConfirmAppropriateAdult,))
def appropriate_adult_is_present(state: DisposalState, context: Context) -> bool:
    """A caution is given before an appropriate adult: confirm, today, who it is. Yesterday's does not count.

    Source: CDA 1998 s66B(5), s66ZA(2)
    """
    if state.to_be_issued not in {Disposal.YC, Disposal.YCC} or not needs_an_adult(state, context):
        return True
    return any(local_day(at) == context.day for at in state.adults_at)


@rules.forbids("R6", commands.IssueDisposal, lifted_by=(commands.RecordAdmission,))
def appropriate_adult_was_at_the_admission(state: DisposalState, context: Context) -> bool:
    """No appropriate adult was present when the child accepted responsibility: ask again, with one.

    Source: NPCC community resolution guidance, local policy
    """
    if state.to_be_issued is not Disposal.YRD or not needs_an_adult(state, context):
        return True
    if not context.policy.flag("appropriate_adult_for_yrd"):
        return True
    # Without an admission R4 is what is broken.
    return state.admission is None or state.admission.appropriate_adult_present


@rules.forbids("R7", commands.ConfirmAppropriateAdult, looks_at=("adult", "police_employee"))
def appropriate_adult_may_act(
    command: commands.ConfirmAppropriateAdult, _state: DisposalState, _context: Context
) -> bool:
    """An appropriate adult must be 18 or over and no police officer or employee: find another.

    Source: CDA 1998 s66ZA(7)
    """
    return command.adult and not command.police_employee


@rules.forbids("R7", commands.ConfirmAppropriateAdult, looks_at=("involved_in_case", "received_admission"))
def appropriate_adult_is_independent(
    command: commands.ConfirmAppropriateAdult, _state: DisposalState, _context: Context
) -> bool:
    """An appropriate adult is no victim, witness, suspect or investigator of the case, and heard no admission in another role: find another.

    Source: PACE 1984 Code C 1.7 and note 1B
    """
    return not command.involved_in_case and not command.received_admission


@rules.forbids("R7", commands.ConfirmAppropriateAdult, looks_at=("kind", "others_unavailable"))
def another_responsible_adult_comes_last(
    command: commands.ConfirmAppropriateAdult, _state: DisposalState, _context: Context
) -> bool:
    """Another responsible adult comes only where no parent, guardian or social worker is available: ask these first.

    Source: CDA 1998 s66ZA(7)(d)
    """
    # A client that does not ask yet sends no answer.
    return command.kind is not AppropriateAdultKind.RESPONSIBLE_ADULT or command.others_unavailable is not False


def explains(explanation: EffectExplained, disposal: Disposal) -> bool:
    """Whether it says to both, in ordinary language, all that is to be said of this disposal."""
    return (
        explanation.to_child
        and explanation.to_appropriate_adult
        and explanation.ordinary_language
        and (explanation.warned_of_prosecution or disposal is not Disposal.YCC)
    )


@rules.forbids("R8", commands.IssueDisposal, lifted_by=(commands.ExplainEffect,))
def effect_was_explained(state: DisposalState, _context: Context) -> bool:
    """Explain the effect to the child and the adult in ordinary language; for a conditional caution warn that failing may mean prosecution.

    Source: CDA 1998 s66B(4), s66ZA(3)
    """
    disposal = state.to_be_issued
    if disposal not in {Disposal.YC, Disposal.YCC}:
        return True
    return any(explains(explanation, disposal) for _, explanation in state.explanations)


@rules.forbids("R9", commands.SignDocument, looks_at=("consent", "signed_by_child"))
def signature_binds(command: commands.SignDocument, _state: DisposalState, _context: Context) -> bool:
    """The document must be signed by the child, with consent.

    Source: CDA 1998 s66B(6)
    """
    return command.signed_by_child and command.consent


@rules.forbids("R9", commands.SignDocument, lifted_by=(commands.ProposeCondition,), since=date(2013, 4, 8))
def document_names_the_conditions(state: DisposalState, _context: Context) -> bool:
    """The document of a conditional caution must name its conditions: agree them before it is signed.

    Source: CDA 1998 s66B(6)
    """
    return bool(state.conditions) or state.to_be_issued is not Disposal.YCC


@rules.forbids("R9", commands.IssueDisposal, lifted_by=(commands.SignDocument,))
def document_was_signed(state: DisposalState, _context: Context) -> bool:
    """The document is not signed with consent, or a condition changed after it was signed: have it signed as it stands.

    Source: CDA 1998 s66B(6); NPCC community resolution guidance
    """
    signed = state.signed_at is not None
    match state.to_be_issued:
        case Disposal.YCC:
            return signed and not state.changed_since_signing
        case Disposal.YRD:
            return signed
        case _:
            return True


@rules.forbids("R14", commands.IssueDisposal, lifted_by=(commands.ProposeCondition,))
def conditional_caution_has_conditions(state: DisposalState, _context: Context) -> bool:
    """A conditional caution has at least one condition: propose one.

    Source: CDA 1998 s66A(2)
    """
    return state.to_be_issued is not Disposal.YCC or bool(state.conditions)


@rules.forbids("R26", commands.IssueDisposal, lifted_by=(commands.DecideDisposal,))
def a_person_decided(state: DisposalState, _context: Context) -> bool:
    """Nobody has decided on a disposal: a named decision-maker must decide before it is given.

    Source: DPA 2018 ss50A-50D (DUAA 2025 s80, in force 5 February 2026, SI 2026/82; before it ss49-50)
    """
    if state.stage not in BEFORE_ISSUE:
        return True
    return state.stage is Stage.DECIDED and state.decision is not None and state.decision.human


@rules.forbids("R26S", commands.IssueDisposal, since=date(2013, 4, 8))
def a_caution_is_given_by_the_police(state: DisposalState, context: Context) -> bool:
    """A safe schools officer gives a restorative disposal only: ask a police decision-maker to give the caution.

    Source: CDA 1998 ss66A(1), 66ZA(1) (a constable or an authorised person gives a caution), local policy on roles
    """
    return context.actor.role != Role.SAFE_SCHOOLS_OFFICER or state.to_be_issued not in {Disposal.YC, Disposal.YCC}


@rules.warns("R12", commands.ReferToYot)
def referred_as_soon_as_practicable(state: DisposalState, context: Context) -> bool:
    """The referral comes later than one working day after giving: say why.

    Source: CDA 1998 ss66A(6A), 66ZB(1)
    """
    if state.issue is None:
        return True
    return context.day <= add_working_days(state.issue.on, context.policy.number("yot_referral_days"))
