"""Unpaid work that makes up for the harm."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(
    english="Do unpaid work to make up for the harm",
    usual_object=ConditionObject.REPARATION,
    attendance=True,
    unpaid_reparation=True,
)
