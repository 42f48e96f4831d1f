"""Decides a correction: the value, what follows from it, and whether the disposal stays lawful."""

from __future__ import annotations

from dataclasses import replace

from services.disposal.domain.commands import CorrectRecord, IssueDisposal
from services.disposal.domain.corrections import CORRECTIONS, derived_corrections
from services.disposal.domain.evolve import evolve
from services.disposal.domain.rules import rules
from services.disposal.domain.state import DisposalState
from services.disposal.events import DisposalIssued, RecordCorrected
from shared.domain.corrections import facts_of
from shared.domain.dates import local_day
from shared.domain.decisions import NewEvents, RuleKind
from shared.domain.rules import Context


def decide_correction(command: CorrectRecord, state: DisposalState, context: Context) -> NewEvents:
    """Record the correction, with what was computed from the field and the rules that it shows broken."""
    alone = CORRECTIONS.correction(command, state)
    whole = alone.model_copy(update={"also": derived_corrections(state, alone, context)})
    after = CORRECTIONS.applied(state, [whole])
    return (whole.model_copy(update={"unlawful_by": unlawful_by(after, context)}),)


def unlawful_by(state: DisposalState, context: Context) -> tuple[str, ...] | None:
    """Return the ids of the rules that forbid the issue of this disposal, on the facts as they are known now.

    None where no disposal was issued, or where the child's data are erased and the rules can no longer be judged.

    The facts before the issue are judged on its own day, by its own officer and by the policy of that day.
    """
    if state.opened.details.date_of_birth.is_forgotten:
        return None
    before: DisposalState | None = None
    for fact in facts_of(state):
        if isinstance(fact.event, DisposalIssued):
            given = replace(
                context,
                actor=fact.actor,
                occurred_at=fact.occurred_at,
                policy=context.policy_on(local_day(fact.occurred_at)),
            )
            broken = (
                rule.id
                for rule in rules.rules_for(IssueDisposal, RuleKind.FORBIDS)
                if not rule.check(IssueDisposal(), before, given)
            )
            return tuple(dict.fromkeys(broken))
        if not isinstance(fact.event, RecordCorrected):
            before = evolve(before, fact)
    return None
