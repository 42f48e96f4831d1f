"""Who may ask reporting what. Which records of the others are shown in its lists, their own access tables say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.reporting.read_models import READ_MODELS
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
"""Role -> what it may read here: officers their cases, analysts numbers alone."""

RECORDS: Final[Mapping[str, Permissions]] = {service: read_model.access for service, read_model in READ_MODELS.items()}
"""Service -> the access table of its records."""
