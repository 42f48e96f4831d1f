"""Home Office outcome codes: each is true only after what it says has been done."""

from typing import Final

from services.disposal.domain.activity import activities
from services.disposal.domain.commands import AssignOutcome, CorrectRecord, DecideDisposal
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState, Stage
from services.trade.vocabulary import Disposal, OutcomeCode, Recommendation
from shared.domain.rules import Context

CHARGED: Final = frozenset({OutcomeCode.C1, OutcomeCode.C1A})
CAUTIONED = frozenset({OutcomeCode.C2, OutcomeCode.C2A})

DECIDED_BY: Final = {Disposal.YRD: frozenset({OutcomeCode.C8}), Disposal.YC: CAUTIONED, Disposal.YCC: CAUTIONED}
"""What each disposal, once given, leaves to choose from; 1 follows from proceedings by itself."""


def lacks_outcome(state: DisposalState) -> bool:
    """Tell whether no outcome stands. One of the time before the giving says of nothing that was given, corrected or not."""
    if state.outcome is None or state.standing_disposal is None:
        return state.outcome is None
    return state.outcome not in DECIDED_BY[state.standing_disposal] | CHARGED


@rules.forbids(
    "O1C",
    AssignOutcome,
    looks_at=("code",),
    when=lambda state: state.standing_disposal is None,
    lifted_by=(DecideDisposal,),
)
def a_charge_was_decided(command: AssignOutcome, state: DisposalState, _context: Context) -> bool:
    """Outcome 1 is for a case in which a charge was decided: decide that first, or choose the outcome of the decision.

    Source: Home Office crime outcomes framework, outcome 1
    """
    charged = state.decision is not None and state.decision.what is Recommendation.CHARGE
    return charged or command.code not in CHARGED


@rules.forbids("O2", AssignOutcome, looks_at=("code",))
def a_caution_was_given(command: AssignOutcome, state: DisposalState, _context: Context) -> bool:
    """Outcome 2 or 2A is for a youth caution or youth conditional caution that was given, and stands: none does.

    Source: Home Office crime outcomes framework, outcomes 2 and 2A
    """
    return command.code not in CAUTIONED or state.standing_disposal in {Disposal.YC, Disposal.YCC}


@rules.forbids("O8", AssignOutcome, looks_at=("code",))
def a_restorative_disposal_was_given(command: AssignOutcome, state: DisposalState, _context: Context) -> bool:
    """Outcome 8 is for a youth restorative disposal that was given, and stands: none does.

    Source: Home Office crime outcomes framework, outcome 8
    """
    return command.code is not OutcomeCode.C8 or state.standing_disposal is Disposal.YRD


@rules.forbids("O22", AssignOutcome, looks_at=("code",))
def an_activity_was_undertaken(command: AssignOutcome, state: DisposalState, _context: Context) -> bool:
    """Outcome 22 says that an activity has been undertaken: none is recorded yet.

    Source: Home Office crime outcomes framework, outcome 22
    """
    return command.code is not OutcomeCode.C22 or bool(activities(state))


@rules.forbids("R11", AssignOutcome, looks_at=("code",))
def no_adult_outcome_for_a_child(command: AssignOutcome, state: DisposalState, context: Context) -> bool:
    """Adult cautions, penalty notices and cannabis warnings are not for anyone under 18, unless the process for adults was decided.

    Source: CDA 1998 s66ZA(6); Criminal Justice and Police Act 2001 s2; ACPO 2009
    """
    if command.code not in context.policy.codes("adult_outcomes"):
        return True
    if state.decision is not None and state.decision.what is Recommendation.ADULT_PROCESS:
        return True
    age = state.age_on(context.day)
    return age is not None and age >= context.policy.number("adult_outcomes_from_age")


@rules.forbids("O3", AssignOutcome, gives_way=True)
def a_deferral_brings_its_outcome(state: DisposalState, _context: Context) -> bool:
    """The prosecution is deferred, or proceedings are to follow: the outcome comes with completion or proceedings, by itself.

    Source: Home Office crime outcomes framework, outcomes 1 and 23
    """
    return state.deferral is None or state.stage not in {Stage.DEFERRED, Stage.BREACH_REVIEW}


@rules.forbids(
    "O3", AssignOutcome, looks_at=("code",), when=lambda state: state.standing_disposal is not None, gives_way=True
)
def the_disposal_given_decides_its_outcome(command: AssignOutcome, state: DisposalState, _context: Context) -> bool:
    """What was given decides the outcome: 2 or 2A after a caution, 8 after a restorative disposal. 1 comes with proceedings, by itself; every other code is for a case in which nothing was given.

    Source: Home Office crime outcomes framework
    """
    return state.standing_disposal is None or command.code in DECIDED_BY[state.standing_disposal]


@rules.forbids("O4", AssignOutcome, gives_way=True, lifted_by=(CorrectRecord,))
def no_outcome_stands(state: DisposalState, _context: Context) -> bool:
    """An outcome stands already: where it is wrong, correct its record.

    Source: Home Office crime outcomes framework; DPA 2018 s46
    """
    return lacks_outcome(state)
