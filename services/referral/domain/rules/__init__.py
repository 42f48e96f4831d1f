"""The rules of referral, by id: one registry, in files along the domain's seams."""

from __future__ import annotations

from services.referral.domain.rules import (
    chronology,
    outcomes,
    people,
    state_machine,
    triage,
)
from services.referral.domain.rules.rulebook import rules

__all__ = ["chronology", "outcomes", "people", "rules", "state_machine", "triage"]
