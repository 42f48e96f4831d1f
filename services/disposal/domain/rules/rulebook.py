"""The book in which every rule of this service is registered, and the one rule that stands before all others."""

from services.disposal.domain.state import DisposalState
from shared.domain.messages import Command
from shared.domain.rules import Context, RuleBook

rules: RuleBook[DisposalState] = RuleBook("disposal")


@rules.forbids("T1", Command, first=True)  # on a day that no policy covers no other rule can be evaluated
def within_the_policy(_state: DisposalState | None, context: Context) -> bool:
    """The time given lies before the first day for which cases are recorded: check the year.

    Source: rule T1 of this house; LASPO 2012 ss135-138 (in force 8 April 2013)
    """
    return context.policy.values.get("youth_cautions") is True
