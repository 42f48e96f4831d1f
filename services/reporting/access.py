"""The roles that may read reporting. The owners' access tables decide which of their streams its lists show."""

from __future__ import annotations

from typing import Final

from services.vocabulary import Role
from shared.domain.permissions import DECISIONS, OPERATIONS, Permission, Permissions

_WORK: Final = frozenset({"cases", "duties", "measures"})
"""Cases, the daily sheet, and measures."""

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(_WORK),
    Role.INTERNET_SAFETY_OFFICER: Permission(_WORK),
    Role.YJS_CASE_MANAGER: Permission(_WORK),
    Role.RJ_FACILITATOR: Permission(_WORK),
    Role.POLICE_DECISION_MAKER: Permission(_WORK),
    Role.SUPERVISOR: Permission(_WORK | DECISIONS),
    Role.AUDITOR: Permission(_WORK | OPERATIONS, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(_WORK, needs_reason=True),
    Role.ANALYST: Permission(frozenset({"measures"})),
}
"""Role -> the parts that it may read here: officers their cases, analysts numbers alone."""
