"""Who may read what of persons: those who work with children, and those who oversee (docs/reference/access.md, People)."""

from typing import Final

from services.trade.vocabulary import CASE_FIELDS, OVERSIGHT, Role
from shared.domain.permissions import STATE, Permission, Permissions

ACCESS: Final[Permissions] = {
    **dict.fromkeys(
        (Role.SAFE_SCHOOLS_OFFICER, Role.INTERNET_SAFETY_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER),
        Permission(STATE, opens=CASE_FIELDS),
    ),
    **OVERSIGHT,
}
