"""The book in which every rule of this service is registered, and the one rule that stands before all others."""

from __future__ import annotations

from services.disposal.domain.state import DisposalState
from shared.domain.decisions import BrokenRule, NeedsRationale, Refused
from shared.domain.messages import Command
from shared.domain.rules import Approved, Context, RuleBook


def within_the_policy(_command: Command, _state: DisposalState | None, context: Context) -> bool:
    """The time given lies before the first day for which cases are recorded: check the year.

    Source: rule T1 of this house; LASPO 2012 ss135-138 (in force 8 April 2013)
    """
    return context.policy.values.get("youth_cautions") is True


class DisposalRules(RuleBook[DisposalState]):
    """The rules of disposals; on a day that no policy covers none but T1 can be judged."""

    def evaluate(
        self, command: Command, state: DisposalState | None, context: Context
    ) -> Approved | Refused | NeedsRationale:
        """Evaluate every rule that guards the command."""
        if not within_the_policy(command, state, context):
            return Refused((self.named(within_the_policy.__name__),))
        return super().evaluate(command, state, context)

    def named(self, name: str) -> BrokenRule:
        """Return what a refusal says of the rule of that name."""
        return next(rule.broken for rule in self.rules if rule.name == name)


rules = DisposalRules("disposal")
rules.forbids("T1", Command)(within_the_policy)
