"""Who may read what of disposal cases (rules.md, section F, column Disposal)."""

from __future__ import annotations

from typing import Final

from services.vocabulary import Role
from shared.domain.permissions import (
    DECISIONS,
    EVERYTHING,
    OPERATIONS,
    STATE,
    STATE_AND_DUTIES,
    Permission,
    Permissions,
)

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(STATE_AND_DUTIES),
    Role.INTERNET_SAFETY_OFFICER: Permission(STATE_AND_DUTIES, where=("referral.ONLINE",)),
    Role.YJS_CASE_MANAGER: Permission(EVERYTHING),
    Role.RJ_FACILITATOR: Permission(STATE, where=("rj_conference.OFFICER:{id}",), fields=frozenset({"conditions"})),
    Role.POLICE_DECISION_MAKER: Permission(EVERYTHING),
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS),
    Role.VICTIM_WORKER: Permission(STATE, fields=frozenset({"outcome"})),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(EVERYTHING, needs_reason=True),
}
"""Role -> what it may read. Marks: events.py of referral and rj_conference."""
