"""Unpaid work that makes up for the harm."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition

DEFINITION: Final = ConditionDefinition(
    english="Do unpaid work to make up for the harm",
    attendance=True,
    unpaid_reparation=True,
)
