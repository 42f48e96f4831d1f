"""A restorative justice conference."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Take part in a restorative justice conference",
    attendance=True,
    one_attendance_completes=True,
    held_again=True,
)
