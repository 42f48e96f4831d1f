"""Who may read what of referrals (rules.md, section F, column Referral, and the school portal)."""

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
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING),
    Role.INTERNET_SAFETY_OFFICER: Permission(EVERYTHING, where=("ONLINE",)),
    Role.YJS_CASE_MANAGER: Permission(STATE_AND_DUTIES, where=("ACCEPTED", "disposal.OPENED")),
    Role.RJ_FACILITATOR: Permission(STATE_AND_DUTIES, where=("rj_conference.OFFICER:{id}",)),
    Role.POLICE_DECISION_MAKER: Permission(STATE_AND_DUTIES),
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(EVERYTHING, needs_reason=True),
    Role.SCHOOL: Permission(STATE, fields=frozenset({"state"}), own_organisation=True),
}
"""Role -> what it may read. Marks: services/referral/events.py."""
