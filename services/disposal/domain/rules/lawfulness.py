"""Whether a disposal that was given stays lawful and of the same offence, as its facts are corrected."""

from dataclasses import replace
from datetime import date
from difflib import SequenceMatcher
from typing import Final

from services.disposal.domain.commands import AnnulDisposal, CorrectRecord, IssueDisposal
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.evolve import evolve
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.disposal.events import DisposalIssued, RecordCorrected
from shared.domain.corrections import OF_A_CORRECTION, Uncorrectable, facts_of
from shared.domain.dates import local_day
from shared.domain.decider import BrokenHistory
from shared.domain.decisions import RuleKind
from shared.domain.rules import Context

SPELT_ALIKE: Final = 0.85
"""How much of two titles is the same (Ratcliff/Obershelp) where one is a misspelling of the other."""


@rules.forbids(
    "COR2",
    CorrectRecord,
    looks_at=OF_A_CORRECTION,
    when=lambda state: state.issue is not None,
    lifted_by=(AnnulDisposal,),
    since=date(2013, 4, 8),
)
def offence_stays_the_one_admitted(command: CorrectRecord, state: DisposalState, context: Context) -> bool:
    """A disposal was given for this offence, which the child admitted. It is no other by a correction: annul the disposal, or have the other offence admitted anew. A slip in its name, or a day that changes no rule's answer, may be corrected.

    Source: CDA 1998 ss66B(3) and (6), 66ZA(1)(b): the child admits the offence
    """
    try:
        correction = CORRECTIONS.with_consequences(CORRECTIONS.correction(command, state), state, context)
        after = CORRECTIONS.applied(state, correction)
    except (Uncorrectable, BrokenHistory):
        return True  # S1 refuses it
    was, is_now = state.opened.offence, after.opened.offence
    if any(getattr(was, name) != getattr(is_now, name) for name in ("code", "category", "trial_mode")):
        return False
    alike = SequenceMatcher(None, was.title.casefold(), is_now.title.casefold()).ratio() >= SPELT_ALIKE
    return alike and (was.date == is_now.date or unlawful_by(after, context) == unlawful_by(state, context))


def unlawful_by(state: DisposalState, context: Context) -> tuple[str, ...] | None:
    """Return the ids of the rules that forbid the issue of this disposal, on the facts as they are known now.

    None if no disposal was issued, or if the child's data are erased and the rules can no longer be judged.

    The facts before the issue are judged on its own day, by its own officer and by the policy of that day.
    """
    if state.opened.details.date_of_birth.is_forgotten:
        return None
    before: DisposalState | None = None
    for fact in facts_of(state):
        if isinstance(fact.event, DisposalIssued):
            issue_context = replace(
                context,
                actor=fact.actor,
                occurred_at=fact.occurred_at,
                policy=context.policy_on(local_day(fact.occurred_at)),
            )
            broken = (
                rule.id
                for rule in rules.rules_for(IssueDisposal, RuleKind.FORBIDS)
                if not rule.check(IssueDisposal(), before, issue_context)
            )
            return tuple(dict.fromkeys(broken))
        if not isinstance(fact.event, RecordCorrected):
            before = evolve(before, fact)
    return None
