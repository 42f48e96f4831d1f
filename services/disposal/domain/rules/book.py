"""The book in which every rule of this service is registered, and the one rule that stands before all others."""

from __future__ import annotations

from services.disposal.domain.case import DisposalState
from shared.messages import BrokenRule, Command, NeedsRationale, Refused
from shared.rules import Occasion, Passed, RuleBook


def within_the_policy(_command: Command, _state: DisposalState | None, occasion: Occasion) -> bool:
    """The time given lies before the first day for which cases are recorded: check the year.

    Source: rule T1 of this house; LASPO 2012 ss135-138 (in force 8 April 2013)
    """
    return occasion.policy.values.get("youth_cautions") is True


class DisposalRules(RuleBook[DisposalState]):
    """The rules of disposals; on a day that no policy covers none but T1 can be judged."""

    def judge(
        self, command: Command, state: DisposalState | None, occasion: Occasion
    ) -> Passed | Refused | NeedsRationale:
        """Ask every rule that guards the command."""
        if not within_the_policy(command, state, occasion):
            return Refused((self.named(within_the_policy.__name__),))
        return super().judge(command, state, occasion)

    def named(self, name: str) -> BrokenRule:
        """What a refusal says of the rule of that name."""
        return next(rule.broken for rule in self.rules if rule.name == name)


rules = DisposalRules("disposal")
rules.forbids("T1", Command)(within_the_policy)
