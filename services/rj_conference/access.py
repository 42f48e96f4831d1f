"""Who may read what of conferences (rules.md, section F, column RJ)."""

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

_STATUS: Final = Permission(STATE, fields=frozenset({"state"}))

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(STATE_AND_DUTIES, where=("PARTY:{id}",)),
    Role.YJS_CASE_MANAGER: _STATUS,
    Role.RJ_FACILITATOR: Permission(EVERYTHING, where=("OFFICER:{id}",)),
    Role.POLICE_DECISION_MAKER: _STATUS,
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS),
    Role.VICTIM_WORKER: Permission(STATE, fields=frozenset({"consents"})),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(EVERYTHING, needs_reason=True),
}
"""Role -> what it may read. Marks: services/rj_conference/events.py."""
