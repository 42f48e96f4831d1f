"""A curfew."""

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(english="Keep a curfew", agreed_action=False, lasts=True)
