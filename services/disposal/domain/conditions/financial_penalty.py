"""A financial penalty."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition, Requirement
from services.disposal.events import Condition
from services.trade.vocabulary import ConditionObject
from shared.domain.rules import Context


def penalty_is_stated_in_full(condition: Condition, _context: Context) -> bool:
    """A financial penalty must state its amount, to whom it is paid, and how.

    Source: CDA 1998 s66C(5)
    """
    return condition.amount is not None and condition.payee is not None and condition.method is not None


DEFINITION: Final = ConditionDefinition(
    english="Pay a financial penalty",
    usual_object=ConditionObject.PUNISHMENT,
    penalty=True,
    requirements=(Requirement("R16", penalty_is_stated_in_full),),
    agreed_action=False,
)
