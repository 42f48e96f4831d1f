"""The decision: evidence, admission, and what speaks for another course."""

from services.disposal.domain.commands import (
    CompleteAssessment,
    DecideDisposal,
    DecideEvidence,
    IssueDisposal,
    RecordAdmission,
    RecordProsecutorDecision,
)
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import BEFORE_ISSUE, DisposalState
from services.disposal.events import AssessmentTool, EvidenceStandard, ProsecutorDecision
from services.trade.vocabulary import Disposal, Recommendation, TrialMode
from shared.domain.rules import Context

CAUTIONS = frozenset({Disposal.YC, Disposal.YCC})


def suffices_to_charge(state: DisposalState) -> bool:
    """Return whether the evidence was last found sufficient to charge."""
    evidence = state.evidence
    return evidence is not None and evidence.sufficient and evidence.standard is EvidenceStandard.CHARGE


def _evidence_suffices(state: DisposalState, disposal: Disposal | None) -> bool:
    if disposal in CAUTIONS:
        return suffices_to_charge(state)
    return state.evidence is not None and state.evidence.sufficient


def _admitted(state: DisposalState) -> bool:
    return state.admission is not None and state.admission.facts_accepted


@rules.forbids("R3", DecideDisposal, looks_at=("decision",), lifted_by=(DecideEvidence,))
def evidence_suffices_to_decide(command: DecideDisposal, state: DisposalState, _context: Context) -> bool:
    """The evidence has not been found sufficient: for a caution it must suffice to charge, for a restorative disposal it must show that the offence occurred.

    Source: CDA 1998 s66B(2), s66ZA(1)(a); NPCC community resolution guidance
    """
    if command.decision not in Disposal.__members__:
        return True
    return _evidence_suffices(state, Disposal(command.decision))


@rules.forbids("R3", IssueDisposal, lifted_by=(DecideEvidence,))
def evidence_suffices_to_give(state: DisposalState, _context: Context) -> bool:
    """The evidence has not been found sufficient for this disposal: have it decided before giving the disposal.

    Source: CDA 1998 s66B(2), s66ZA(1)(a); NPCC community resolution guidance
    """
    return state.stage not in BEFORE_ISSUE or _evidence_suffices(state, state.to_be_issued)


@rules.forbids("R4", DecideDisposal, looks_at=("decision",), lifted_by=(RecordAdmission,))
def admitted_before_the_decision(command: DecideDisposal, state: DisposalState, _context: Context) -> bool:
    """The child has not admitted the offence, or took the admission back: silence is no admission. Consider outcome 22.

    Source: CDA 1998 s66B(3), s66ZA(1)(b); NPCC community resolution guidance
    """
    return command.decision not in Disposal.__members__ or _admitted(state)


@rules.forbids("R4", IssueDisposal, lifted_by=(RecordAdmission,))
def admitted_before_giving(state: DisposalState, _context: Context) -> bool:
    """There is no admission that stands: the disposal may not be given.

    Source: CDA 1998 s66B(3), s66ZA(1)(b); NPCC community resolution guidance
    """
    return state.stage not in BEFORE_ISSUE or _admitted(state)


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


@rules.forbids("R18", DecideDisposal, looks_at=("decision",), lifted_by=(RecordProsecutorDecision,))
def prosecutor_agreed_for_an_indictable_only_offence(
    command: DecideDisposal, state: DisposalState, _context: Context
) -> bool:
    """The offence is indictable only: the prosecutor must decide for a conditional caution first. Record that decision.

    Source: LASPO 2012 s138; Director's guidance on youth conditional cautions
    """
    return command.decision is not Recommendation.YCC or _prosecutor_agrees(state)


@rules.forbids("R18", IssueDisposal, lifted_by=(RecordProsecutorDecision,))
def prosecutor_agrees_when_given(state: DisposalState, _context: Context) -> bool:
    """The offence is indictable only, and the prosecutor's last decision is not for a conditional caution: have it decided before giving.

    Source: LASPO 2012 s138; Director's guidance on youth conditional cautions
    """
    return state.to_be_issued is not Disposal.YCC or _prosecutor_agrees(state)


def _prosecutor_agrees(state: DisposalState) -> bool:
    """Return whether the prosecutor decided last for a conditional caution, or need not be asked."""
    indictable_only = state.opened.offence.trial_mode is TrialMode.INDICTABLE_ONLY
    return not indictable_only or state.prosecutor is ProsecutorDecision.YCC


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
    if command.decision is Recommendation.DEFERRED_PROSECUTION:
        return str(state.gravity) in context.policy.codes("deferral_suggested_for")
    policy = context.policy if state.gravity_on is None else context.policy_on(state.gravity_on)
    return command.decision in policy.table("gravity_suggests").get(str(state.gravity), ())


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
    return state.panel == command.decision
