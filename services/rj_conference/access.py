"""Who may read what of conferences (docs/reference/access.md, Restorative conference)."""

from typing import Final

from services.trade.vocabulary import CASE_FIELDS, OVERSIGHT, WHEN_AND_WHERE, Role
from shared.domain.permissions import EVERYTHING, STATE, Permission, Permissions

_STATUS: Final = Permission(STATE, fields=frozenset({"state"}))
_FACILITATES: Final = ("OFFICER:{id}", "TO_LEAD")
_NOT_LED_BY_ANOTHER: Final = (("TO_LEAD", "LED"),)

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(
        EVERYTHING,
        where=("PARTY:{id}", *_FACILITATES),
        until=_NOT_LED_BY_ANOTHER,
        acts_on_unread=True,
        opens=CASE_FIELDS,
    ),
    Role.YJS_CASE_MANAGER: _STATUS,
    Role.RJ_FACILITATOR: Permission(
        EVERYTHING, where=_FACILITATES, until=_NOT_LED_BY_ANOTHER, acts_on_unread=True, opens=CASE_FIELDS
    ),
    Role.POLICE_DECISION_MAKER: _STATUS,
    Role.VICTIM_WORKER: Permission(STATE, fields=frozenset({"consents"})),
    Role.MESSENGER: WHEN_AND_WHERE,
    Role.INVITED: WHEN_AND_WHERE,
    **OVERSIGHT,
}
"""Role -> what it may read. Marks: services/rj_conference/events.py."""
