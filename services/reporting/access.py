"""The read permissions of reporting, by role. Which streams a list shows is decided by the owners' access tables."""

from typing import Final

from services.system.registry import DECIDING
from services.trade.vocabulary import Role
from shared.domain.permissions import AUDIT, DATA_RIGHTS, DECISIONS, OPERATIONS, Permission, Permissions

NAMING: Final = tuple(entry.name for entry in DECIDING if entry.names_people)
"""The services whose records hold names by themselves; others name people by their ids."""
MOST_NAMED: Final = 500
"""The most records whose names are asked for in one question."""

_WORK: Final = frozenset({"cases", "duties", "measures"})
_SEARCHING: Final = _WORK | {"search"}

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(_SEARCHING),
    Role.INTERNET_SAFETY_OFFICER: Permission(_SEARCHING),
    Role.YJS_CASE_MANAGER: Permission(_SEARCHING),
    Role.RJ_FACILITATOR: Permission(_SEARCHING),
    Role.POLICE_DECISION_MAKER: Permission(_SEARCHING),
    Role.VICTIM_WORKER: Permission(frozenset({"cases", "duties", "search"})),
    Role.SUPERVISOR: Permission(_SEARCHING | DECISIONS | {"returns"}),
    Role.AUDITOR: Permission(_SEARCHING | OPERATIONS | AUDIT | {"returns", "verifications"}, needs_reason=True),
    Role.DATA_PROTECTION_OFFICER: Permission(_SEARCHING | AUDIT | DATA_RIGHTS, needs_reason=True),
    Role.SCHOOL: Permission(frozenset({"reports"})),
    Role.AGENCY: Permission(frozenset({"reports"})),
    Role.ANALYST: Permission(frozenset({"measures", "returns", "return_freezing"})),
    Role.INVITED: Permission(frozenset({"diary"})),
    Role.MESSENGER: Permission(frozenset({"digests"})),
}
"""The parts that each role may read: officers their cases, schools and agencies the results of their reports, analysts numbers."""
