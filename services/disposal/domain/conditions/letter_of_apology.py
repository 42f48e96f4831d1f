"""A letter of apology."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Write a letter of apology",
    quality_checked=True,
)
