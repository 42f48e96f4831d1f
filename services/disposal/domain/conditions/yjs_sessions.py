"""Sessions with the youth justice service."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionObject

DEFINITION: Final = ConditionDefinition(
    english="Go to sessions with the youth justice service",
    usual_object=ConditionObject.REHABILITATION,
    attendance=True,
)
