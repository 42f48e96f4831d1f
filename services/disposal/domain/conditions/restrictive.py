"""A restriction: to stay away from a person or place."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(english="Stay away from a person or place", agreed_action=False, lasts=True)
