"""The decision: evidence, admission, and what speaks for another course."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from services.disposal.domain.commands import (
    CompleteAssessment,
    DecideDisposal,
    DecideEvidence,
    ExplainEffect,
    IssueDisposal,
    RecordAdmission,
    RecordPanelRecommendation,
    RecordProsecutorDecision,
    RecordVictimView,
    ScoreGravity,
)
from services.disposal.domain.evolve import speaks_of_section_45
from services.disposal.domain.rules.issuing import needs_an_adult
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import BEFORE_ISSUE, DisposalState
from services.disposal.events import AdmissionTaker, AssessmentTool, EvidenceStandard, LegalAdvice, ProsecutorDecision
from services.trade.people import flags_of_the_incident, needs_interpreter, nrm_decision
from services.trade.vocabulary import Disposal, Flag, OffenceCategory, Recommendation, TrialMode
from shared.domain.rules import Context

CAUTIONS = frozenset({Disposal.YC, Disposal.YCC})
MAY_TAKE_IT: Final[Mapping[Disposal, frozenset[AdmissionTaker]]] = {
    Disposal.YC: frozenset({AdmissionTaker.CONSTABLE}),
    Disposal.YCC: frozenset({AdmissionTaker.CONSTABLE, AdmissionTaker.AUTHORISED_PERSON}),
}
"""The caution -> who may take the admission for it (CDA 1998 ss66B(3), 66ZA(1)(b))."""
ADULT_PROCESS: Final = Recommendation.ADULT_PROCESS
LOCALLY: Final = date(2013, 4, 8)
"""The first day of policy: from which day a rule warns, the partnership says there (`warnings_of_a_decision`)."""


def suffices_to_charge(state: DisposalState) -> bool:
    """Return whether the evidence was last found sufficient to charge."""
    evidence = state.evidence
    return evidence is not None and evidence.sufficient and evidence.standard is EvidenceStandard.CHARGE


Given = DecideDisposal | IssueDisposal
"""What is asked when a disposal is decided is asked again when it is given."""


def _disposal(command: Given, state: DisposalState) -> Disposal | None:
    """Return the disposal that a command decides or gives; None for another decision, and while none is decided."""
    if isinstance(command, IssueDisposal):
        return state.to_be_issued
    return Disposal(command.decision) if command.decision in Disposal.__members__ else None


def _is_judged(command: Given, state: DisposalState) -> bool:
    """Return whether a command gives a disposal, even if none is decided yet, or decides for one."""
    if isinstance(command, IssueDisposal):
        return state.stage in BEFORE_ISSUE
    return command.decision in Disposal.__members__


@rules.forbids("R3", DecideDisposal, IssueDisposal, looks_at=("decision",), lifted_by=(DecideEvidence,))
def evidence_suffices_to_decide(command: Given, state: DisposalState, _context: Context) -> bool:
    """The evidence has not been found sufficient: for a caution it must suffice to charge, for a restorative disposal it must show that the offence occurred.

    Source: CDA 1998 s66B(2), s66ZA(1)(a); NPCC community resolution guidance
    """
    if not _is_judged(command, state):
        return True
    if _disposal(command, state) in CAUTIONS:
        return suffices_to_charge(state)
    return state.evidence is not None and state.evidence.sufficient


@rules.forbids("R4", DecideDisposal, IssueDisposal, looks_at=("decision",), lifted_by=(RecordAdmission,))
def admitted_before_the_decision(command: Given, state: DisposalState, _context: Context) -> bool:
    """The child has not admitted the offence, or took the admission back: silence is no admission. Consider outcome 22.

    Source: CDA 1998 s66B(3), s66ZA(1)(b); NPCC community resolution guidance
    """
    return not _is_judged(command, state) or state.admitted_at is not None


@rules.forbids(
    "R4A", DecideDisposal, IssueDisposal, looks_at=("decision",), lifted_by=(RecordAdmission,), since=date(2013, 4, 8)
)
def admission_suffices_to_decide(command: Given, state: DisposalState, context: Context) -> bool:
    """The admission does not carry this caution: ask anew, with an appropriate adult, legal advice offered, and a constable; for a conditional caution an authorised person may ask too.

    Source: CDA 1998 ss66B(3), 66ZA(1)(b); PACE 1984 Code C 11.15; R (Stratton) v Thames Valley Police [2013] EWHC 1561
    """
    admission, disposal = state.admission, _disposal(command, state)
    if disposal is None or disposal not in MAY_TAKE_IT or admission is None or not admission.facts_accepted:
        return True  # without an admission R4 is what is broken; what was not said passes
    by_who_may = admission.taken_by is None or admission.taken_by in MAY_TAKE_IT[disposal]
    with_adult = admission.appropriate_adult_present or not needs_an_adult(state, context)
    return by_who_may and with_adult and admission.legal_advice is not LegalAdvice.NOT_OFFERED


@rules.warns("IN1", RecordAdmission, ExplainEffect, looks_at=("interpreter",), since=date(2013, 4, 8))
def an_interpreter_took_part(command: RecordAdmission | ExplainEffect, state: DisposalState, context: Context) -> bool:
    """The child needs an interpreter by their details, and none took part: say why the child understood without one.

    Source: YCC Code of Practice 16.3; PACE 1984 Code C 13
    """
    opened = state.opened
    return command.interpreter is True or not needs_interpreter(opened.person_id, context, opened.details)


@rules.forbids("R2", DecideDisposal, looks_at=("decision",), since=date(2013, 4, 8))
def youth_disposals_are_for_the_young(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """The child is 18 on this day, or the date of birth can no longer be known: decide for the process for adults.

    Source: CDA 1998 ss66A(1), 66ZA(1)
    """
    age = state.age_on(context.day)
    may_have_it = age is not None and age <= context.policy.number("highest_age_at_issue")
    return command.decision not in Disposal.__members__ or may_have_it


@rules.forbids("R2", DecideDisposal, looks_at=("decision",), since=date(2013, 4, 8))
def the_adult_process_is_for_adults(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """The process for adults is for who is 18 on the day of the decision: decide for what the law has for a child.

    Source: CDA 1998 ss66A(1), 66ZA(1)
    """
    age = state.age_on(context.day)
    is_adult = age is not None and age > context.policy.number("highest_age_at_issue")
    return command.decision is not ADULT_PROCESS or is_adult


@rules.forbids("R5", DecideDisposal, looks_at=("decision", "prosecution_inappropriate", "ycc_inappropriate"))
def neither_prosecution_nor_conditions_fit(command: DecideDisposal, _state: DisposalState, _context: Context) -> bool:
    """A youth caution needs the view that neither prosecution nor a conditional caution is appropriate: record both.

    Source: CDA 1998 s66ZA(1)(c)
    """
    if command.decision is not Recommendation.YC:
        return True
    return command.prosecution_inappropriate is True and command.ycc_inappropriate is True


@rules.forbids("R5", IssueDisposal, lifted_by=(DecideDisposal,))
def neither_prosecution_nor_conditions_fit_when_given(state: DisposalState, _context: Context) -> bool:
    """The decision for a youth caution holds no more that neither prosecution nor a conditional caution is appropriate: decide anew.

    Source: CDA 1998 s66ZA(1)(c)
    """
    return state.to_be_issued is not Disposal.YC or (state.decision is not None and state.decision.nothing_else_fits)


@rules.forbids("R18", DecideDisposal, IssueDisposal, looks_at=("decision",), lifted_by=(RecordProsecutorDecision,))
def prosecutor_agreed_for_an_indictable_only_offence(command: Given, state: DisposalState, _context: Context) -> bool:
    """The offence is indictable only: the prosecutor must decide for a conditional caution first. Record that decision.

    Source: LASPO 2012 s138; Director's guidance on youth conditional cautions
    """
    indictable_only = state.opened.offence.trial_mode is TrialMode.INDICTABLE_ONLY
    asked = indictable_only and _disposal(command, state) is Disposal.YCC
    return not asked or state.prosecutor is ProsecutorDecision.YCC


@rules.warns("R18W", DecideDisposal, looks_at=("decision",))
def offence_is_not_indictable_only(command: DecideDisposal, state: DisposalState, _context: Context) -> bool:
    """The offence is indictable only: say why a restorative disposal or a youth caution is enough for it.

    Source: NPCC community resolution guidance: less serious offences
    """
    lesser = command.decision in {Recommendation.YRD, Recommendation.YC}
    return not lesser or state.opened.offence.trial_mode is not TrialMode.INDICTABLE_ONLY


@rules.warns("R30", DecideDisposal, looks_at=("decision",))
def case_is_neither_domestic_nor_hate(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """The case is one of domestic abuse or hate: say why it stays out of court.

    Source: NPCC, When to call the police: aggravating circumstances; local policy
    """
    flags = context.policy.codes("flags_warning_of_a_disposal")
    return command.decision not in Disposal.__members__ or flags.isdisjoint(state.opened.flags or ())


@rules.warns("A1", DecideDisposal, lifted_by=(CompleteAssessment,))
def child_was_assessed(state: DisposalState, _context: Context) -> bool:
    """No assessment of the child has been completed: say why it is decided without one.

    Source: YJB, Prevention and Diversion Assessment Tool
    """
    return bool(state.assessments)


def _is_warned_of(rule: str, context: Context) -> bool:
    return rule in context.policy.codes("warnings_of_a_decision")


@rules.warns("D5W", DecideDisposal, lifted_by=(ScoreGravity,), since=LOCALLY)
def gravity_was_scored(state: DisposalState, context: Context) -> bool:
    """The gravity has not been scored: say why it is decided without a score.

    Source: NPCC child gravity matrix; local policy
    """
    return state.gravity is not None or not _is_warned_of("D5W", context)


@rules.warns("D6W", DecideDisposal, lifted_by=(RecordPanelRecommendation,), since=LOCALLY)
def panel_was_heard(state: DisposalState, context: Context) -> bool:
    """No panel has recommended anything: say why it is decided without one.

    Source: NPCC child gravity matrix guidance: joint decision; local policy
    """
    return state.panel is not None or not _is_warned_of("D6W", context)


@rules.warns("D7W", DecideDisposal, lifted_by=(RecordVictimView,), since=LOCALLY)
def victims_were_asked(state: DisposalState, context: Context) -> bool:
    """A victim has not been asked for their view: say why it is decided without it.

    Source: Victims' Code 2021, right 6; local policy
    """
    asked = {person for person, view in state.views.items() if view.sought_before_decision}
    return asked >= set(state.named_victims) or not _is_warned_of("D7W", context)


@rules.warns("D8W", DecideDisposal, looks_at=("decision",), since=LOCALLY)
def sexual_offence_goes_to_specialists(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """The offence is a sexual one: say which police specialist and prosecutor were asked.

    Source: local policy
    """
    sexual = command.decision in Disposal.__members__ and state.opened.offence.category is OffenceCategory.SEXUAL
    return not sexual or not _is_warned_of("D8W", context)


@rules.warns("K2", DecideDisposal, lifted_by=(CompleteAssessment,))
def a_knife_has_its_pdat(state: DisposalState, context: Context) -> bool:
    """A knife is part of this case, and no PDAT is completed: say why it is decided without one.

    Source: Home Office, child knife possession guidance (12 February 2026); YJB, Prevention and Diversion Assessment Tool
    """
    if not (state.is_of_a_knife and context.policy.flag("knife_needs_pdat")):
        return True
    return any(assessment.tool is AssessmentTool.PDAT for assessment in state.assessments)


@rules.warns("R10", DecideDisposal, looks_at=("decision",))
def no_caution_or_conviction_before(command: DecideDisposal, state: DisposalState, _context: Context) -> bool:
    """The child has an earlier caution or conviction. It is no bar: say why this disposal is right all the same.

    Source: CDA 1998 s66A (subsection (1)(a) repealed), s66ZA
    """
    prior = state.prior
    if command.decision not in Disposal.__members__ or prior is None:
        return True
    return prior.yc + prior.ycc + prior.convictions == 0


@rules.warns("R27", DecideDisposal, looks_at=("decision",), when=lambda state: state.gravity is not None)
def decision_is_what_the_score_suggests(command: DecideDisposal, state: DisposalState, context: Context) -> bool:
    """The decision is not what the final gravity score suggests: say why.

    Source: NPCC child gravity matrix; ACPO gravity matrix
    """
    if command.decision is ADULT_PROCESS:
        return True  # the matrix is for children
    if command.decision is Recommendation.DEFERRED_PROSECUTION:
        return str(state.gravity) in context.policy.codes("deferral_suggested_for")
    policy = context.policy if state.gravity_on is None else context.policy_on(state.gravity_on)
    return command.decision in policy.table("gravity_suggests").get(str(state.gravity), ())


def _may_be_exploited(command: Given, state: DisposalState, context: Context) -> bool:
    """Return whether this is a disposal in a case that is flagged as one of exploitation, by itself or by the referral."""
    flags = (*(state.opened.flags or ()), *(flags_of_the_incident(state.opened.person_id, context.kept) or ()))
    return _disposal(command, state) is not None and Flag.EXPLOITATION in flags


@rules.warns("NR1", DecideDisposal, IssueDisposal, looks_at=("decision",), since=date(2015, 7, 31))
def grounds_are_decided_before_the_decision(command: Given, state: DisposalState, context: Context) -> bool:
    """The child may be exploited, and no decision of the National Referral Mechanism is recorded: say why the disposal does not wait for it.

    Source: MSA 2015 ss45, 52; College of Policing, modern slavery APP
    """
    return not _may_be_exploited(command, state, context) or context.of_kept(nrm_decision) is not None


@rules.warns(
    "NR2",
    DecideDisposal,
    IssueDisposal,
    looks_at=("decision", "rationale_text", "public_interest"),
    since=date(2015, 7, 31),
)
def the_decision_speaks_of_section_45(command: Given, state: DisposalState, context: Context) -> bool:
    """The National Referral Mechanism found that the child may be a victim of modern slavery: say whether the defence of section 45 applies.

    Source: MSA 2015 s45
    """
    if not _may_be_exploited(command, state, context) or context.of_kept(nrm_decision) is not True:
        return True
    if isinstance(command, DecideDisposal):
        return speaks_of_section_45(command)
    return state.decision is not None and state.decision.speaks_of_section_45


@rules.warns("R29", DecideDisposal, IssueDisposal)
def officer_did_not_investigate(state: DisposalState, context: Context) -> bool:
    """You are the investigating officer of this case: say why nobody else can decide or give the disposal.

    Source: local policy on the separation of investigation and decision
    """
    return state.opened.investigating_officer != context.actor.id


@rules.warns("PD1", DecideDisposal, looks_at=("decision",), when=lambda state: state.panel is not None)
def panel_recommended_the_same(command: DecideDisposal, state: DisposalState, _context: Context) -> bool:
    """The panel recommended otherwise: say why the police decide differently.

    Source: NPCC child gravity matrix guidance: joint decision, police have the final word
    """
    # Who has turned 18 since the panel sat can have nothing that it could recommend for a child.
    return command.decision in {state.panel, ADULT_PROCESS}
