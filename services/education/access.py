"""Who may read what of education sessions: those who may command them, the police, and those who oversee.

Section F of rules.md has no column for education, so reading follows the catalogue's commands.
"""

from __future__ import annotations

from typing import Final

from services.vocabulary import Role
from shared.domain.permissions import (
    DECISIONS,
    EVERYTHING,
    OPERATIONS,
    STATE_AND_DUTIES,
    Permission,
    Permissions,
)

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING),
    Role.INTERNET_SAFETY_OFFICER: Permission(EVERYTHING, where=("ONLINE", "OFFICER:{id}")),
    Role.YJS_CASE_MANAGER: Permission(EVERYTHING),
    Role.POLICE_DECISION_MAKER: Permission(STATE_AND_DUTIES),
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(EVERYTHING, needs_reason=True),
}
"""Role -> what it may read. Marks: services/education/events.py."""
