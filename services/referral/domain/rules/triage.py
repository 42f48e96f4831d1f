"""Where a referral may go: B1 to B4, B7 and K1."""

from datetime import date
from typing import Final

from services.referral.domain import commands
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.state import Referral
from services.referral.events import ReferralTriaged
from services.trade.vocabulary import Flag, TriageOutcome
from shared.domain.policy import Policy
from shared.domain.rules import Context

EDUCATION_ONLY: Final = frozenset({TriageOutcome.ACCEPT_INTERVENTION, TriageOutcome.SCHOOL_LED})
"""Outcomes that leave an incident to education or to the school."""

TO_OTHERS: Final = frozenset({TriageOutcome.REFER_MASH, TriageOutcome.REFER_INVESTIGATION})
"""Outcomes that a nude image allows at any time."""


@rules.forbids(
    "B1",
    commands.TriageReferral,
    commands.AssignCrimeOutcome,
    commands.CarryOutcome,
    commands.CorrectCarriedOutcome,
    lifted_by=(commands.RecordMashReferral, commands.OverrideSafeguardingHold),
)
def no_outcome_on_hold(state: Referral, _context: Context) -> bool:
    """A safeguarding concern comes first: record the MASH referral, or let a supervisor say why there is none.

    Source: Working Together to Safeguard Children; team practice (same day)
    """
    return not state.on_hold


@rules.forbids("B2", commands.TriageReferral, looks_at=("outcome",))
def serious_goes_further(command: commands.TriageReferral, state: Referral, context: Context) -> bool:
    """This is too serious to be met by education or by the school alone: refer it to the panel or the investigation.

    Source: Home Office Counting Rules, Schools Protocol; NPCC, When to call the police
    """
    return command.outcome not in EDUCATION_ONLY or not _flagged(
        state, context.policy, "flags_too_serious_for_education"
    )


@rules.warns("B3", commands.TriageReferral, looks_at=("supervisor_reviewed",))
def supervisor_reviewed(command: commands.TriageReferral, state: Referral, context: Context) -> bool:
    """Hate, domestic abuse, a gap in age or a pattern aggravates: have a supervisor review it, or say why not.

    Source: NPCC, When to call the police (aggravating factors)
    """
    return command.supervisor_reviewed is True or not _flagged(state, context.policy, "flags_for_supervisor_review")


@rules.forbids(
    "B4",
    commands.TriageReferral,
    looks_at=("outcome",),
    when=lambda state: state.nude_imagery,
    lifted_by=(commands.CompleteNudesScreening,),
)
def nudes_are_screened(command: commands.TriageReferral, state: Referral, _context: Context) -> bool:
    """A nude image of a child: complete the screening first; after any Yes refer to MASH or to the investigation.

    Source: UKCIS, Sharing nudes and semi-nudes (2024)
    """
    if command.outcome in TO_OTHERS:
        return True
    return state.screening is not None and not state.screening.any_yes


@rules.forbids("K1", commands.TriageReferral, looks_at=("outcome",), when=lambda state: state.is_of_a_knife)
def a_knife_goes_further(command: commands.TriageReferral, _state: Referral, context: Context) -> bool:
    """A child with a knife is referred to the panel, to the investigation or to MASH: choose one of these.

    Source: Home Office, child knife possession guidance (12 February 2026)
    """
    return command.outcome in context.policy.codes("outcomes_of_a_knife")


@rules.forbids(
    "K1", commands.TriageReferral, looks_at=("outcome",), when=lambda state: state.is_under_ten, since=date(2026, 2, 12)
)
def a_young_child_with_a_knife_gets_help(command: commands.TriageReferral, state: Referral, _context: Context) -> bool:
    """Who was under ten gets help, and no panel decides on them: refer the child to early help or to MASH.

    Source: Home Office, child knife possession guidance (12 February 2026); CYPA 1933 s50
    """
    return command.outcome is not TriageOutcome.REFER_DISPOSAL_PANEL or Flag.KNIFE not in state.flags


@rules.forbids("B7", commands.TriageReferral, looks_at=("outcome",), lifted_by=(commands.RecordVictimPreference,))
def victim_prefers_the_school(command: commands.TriageReferral, state: Referral, _context: Context) -> bool:
    """The school may deal with it only where the harmed child or a parent prefers that: ask them and record it.

    Source: Home Office Counting Rules, Schools Protocol
    """
    if command.outcome is not TriageOutcome.SCHOOL_LED:
        return True
    return bool(state.wishes) and all(wish.preference == "SCHOOL_LED" for wish in state.wishes.values())


def _flagged(state: Referral, policy: Policy, which: str) -> bool:
    return not policy.codes(which).isdisjoint(flag.value for flag in state.flags)


CORRECTIONS.judge_again(rules, commands.CorrectReferral, commands.TriageReferral, ReferralTriaged, "outcome")
