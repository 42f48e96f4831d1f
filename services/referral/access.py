"""Who may read what of referrals (docs/reference/access.md, Referral), the school portal too."""

from __future__ import annotations

from typing import Final

from services.vocabulary import AUDITED_FIELDS, CASE_FIELDS, VICTIM_CONTACT, Role
from shared.domain.permissions import (
    AUDIT,
    DATA_RIGHTS,
    DECISIONS,
    EVERYTHING,
    OPERATIONS,
    STATE,
    STATE_AND_DUTIES,
    Permission,
    Permissions,
)

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.INTERNET_SAFETY_OFFICER: Permission(EVERYTHING, where=("ONLINE",), opens=CASE_FIELDS),
    Role.YJS_CASE_MANAGER: Permission(STATE_AND_DUTIES, where=("ACCEPTED", "disposal.OPENED"), opens=CASE_FIELDS),
    Role.RJ_FACILITATOR: Permission(
        STATE_AND_DUTIES, where=("rj_conference.OFFICER:{id}",), opens=CASE_FIELDS | VICTIM_CONTACT
    ),
    Role.POLICE_DECISION_MAKER: Permission(STATE_AND_DUTIES, opens=CASE_FIELDS),
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS, opens=CASE_FIELDS, opens_with_reason=VICTIM_CONTACT),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS | AUDIT, needs_reason=True, opens=AUDITED_FIELDS),
    Role.DATA_PROTECTION_OFFICER: Permission(
        EVERYTHING | AUDIT | DATA_RIGHTS, needs_reason=True, opens=CASE_FIELDS | VICTIM_CONTACT
    ),
    Role.SCHOOL: Permission(STATE, fields=frozenset({"state"}), own_organisation=True),
}
"""Role -> what it may read. Marks: services/referral/events.py."""
