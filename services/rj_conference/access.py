"""Who may read what of conferences (docs/reference/access.md, Restorative conference)."""

from typing import Final

from services.trade.vocabulary import CASE_FIELDS, OVERSIGHT, WHEN_AND_WHERE, Role
from shared.domain.permissions import EVERYTHING, STATE, STATE_AND_DUTIES, Permission, Permissions

_STATUS: Final = Permission(STATE, fields=frozenset({"state"}))

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(STATE_AND_DUTIES, where=("PARTY:{id}",), opens=CASE_FIELDS),
    Role.YJS_CASE_MANAGER: _STATUS,
    Role.RJ_FACILITATOR: Permission(
        EVERYTHING, where=("OFFICER:{id}", "TO_LEAD"), until=(("TO_LEAD", "LED"),), opens=CASE_FIELDS
    ),
    Role.POLICE_DECISION_MAKER: _STATUS,
    Role.VICTIM_WORKER: Permission(STATE, fields=frozenset({"consents"})),
    Role.MESSENGER: WHEN_AND_WHERE,
    Role.INVITED: WHEN_AND_WHERE,
    **OVERSIGHT,
}
"""Role -> what it may read. Marks: services/rj_conference/events.py."""
