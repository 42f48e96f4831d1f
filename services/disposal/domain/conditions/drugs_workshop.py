"""A workshop about drugs."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Go to the workshop about drugs",
    attendance=True,
    one_attendance_completes=True,
)
