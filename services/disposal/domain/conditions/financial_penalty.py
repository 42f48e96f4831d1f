"""A financial penalty."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Pay a financial penalty",
    penalty=True,
    agreed_action=False,
)
