"""A workshop about shops and theft."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Go to the workshop about shops and theft",
    attendance=True,
    one_attendance_completes=True,
)
