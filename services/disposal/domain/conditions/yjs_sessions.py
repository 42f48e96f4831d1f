"""Sessions with the youth justice service."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Go to sessions with the youth justice service",
    attendance=True,
)
