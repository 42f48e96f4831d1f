"""A letter of apology."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(
    english="Write a letter of apology", usual_object=ConditionObject.REPARATION, quality_checked=True
)
