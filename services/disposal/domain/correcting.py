"""What happens on a correction."""

from __future__ import annotations

from dataclasses import replace

from services.disposal.domain.case import DisposalState
from services.disposal.domain.commands import CorrectRecord, IssueDisposal
from services.disposal.domain.correction import as_corrected, correction_of, facts_of, following, target_of
from services.disposal.domain.rules import rules
from services.disposal.domain.state import evolve
from services.disposal.events import DisposalIssued, RecordCorrected
from shared.messages import Decided, RuleKind
from shared.rules import Occasion
from shared.working_days import local_day


def corrected(command: CorrectRecord, state: DisposalState, occasion: Occasion) -> Decided:
    """The correction, judged, with what had been computed from the corrected field."""
    alone = correction_of(target_of(command, state), command.field, command.value, command.why)
    whole = alone.model_copy(update={"also": following(state, alone, occasion.policy)})
    after = as_corrected(state, [whole])
    return (whole.model_copy(update={"unlawful_by": unlawful_by(after, occasion)}),)


def unlawful_by(state: DisposalState, occasion: Occasion) -> tuple[str, ...] | None:
    """The rules that forbid the giving of this disposal, on the facts as they are known now.

    None where none was given, or where the child's data have been erased and it cannot be judged any more.

    The facts before the giving are judged on its own day, by its own officer and by the policy of that day.
    """
    if state.opened.details.date_of_birth.is_forgotten:
        return None
    before: DisposalState | None = None
    for fact in facts_of(state):
        if isinstance(fact.event, DisposalIssued):
            given = replace(
                occasion,
                actor=fact.actor,
                occurred_at=fact.occurred_at,
                policy=occasion.policy_on(local_day(fact.occurred_at)),
            )
            broken = (
                rule.id
                for rule in rules.guarding(IssueDisposal, RuleKind.FORBIDS)
                if not rule.check(IssueDisposal(), before, given)
            )
            return tuple(dict.fromkeys(broken))
        if not isinstance(fact.event, RecordCorrected):
            before = evolve(before, fact)
    return None
