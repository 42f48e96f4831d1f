"""The rules of referral, by id: one registry, one module for each concern.

The order of the imports is the order of the rules, and so of their ids in an event's envelope.
"""

from services.referral.domain.rules import chronology, outcomes, people, stages, triage
from services.referral.domain.rules.rulebook import rules

__all__ = ["chronology", "outcomes", "people", "rules", "stages", "triage"]
