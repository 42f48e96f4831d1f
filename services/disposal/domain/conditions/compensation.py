"""Compensation of the person harmed."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(english="Pay compensation", usual_object=ConditionObject.REPARATION)
