"""A workshop about shops and theft."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(
    english="Go to the workshop about shops and theft",
    usual_object=ConditionObject.REHABILITATION,
    attendance=True,
    one_attendance_completes=True,
)
