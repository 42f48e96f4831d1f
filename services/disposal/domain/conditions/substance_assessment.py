"""An assessment about drugs or alcohol."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Go to an assessment about drugs or alcohol",
    attendance=True,
    one_attendance_completes=True,
)
