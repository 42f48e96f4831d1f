"""Compensation of the person harmed."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Pay compensation",
)
