"""A restriction: to stay away from a person or place."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Stay away from a person or place",
    agreed_action=False,
)
