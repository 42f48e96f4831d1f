"""A restorative justice conference."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(
    english="Take part in a restorative justice conference",
    usual_object=ConditionObject.REPARATION,
    attendance=True,
    one_attendance_completes=True,
    held_again=True,
)
