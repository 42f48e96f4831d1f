"""The rules of referral, by id: one registry, in files along the domain's seams."""

from __future__ import annotations

from services.referral.domain.rules import outcomes, people, stages, times, triage
from services.referral.domain.rules.book import rules

__all__ = ["outcomes", "people", "rules", "stages", "times", "triage"]
