"""Who may read what of sittings: those who may command them, and those who oversee (docs/reference/access.md, Panel)."""

from typing import Final

from services.trade.vocabulary import CASE_FIELDS, OVERSIGHT, Role
from shared.domain.permissions import EVERYTHING, Permission, Permissions

ACCESS: Final[Permissions] = {
    Role.YJS_CASE_MANAGER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.POLICE_DECISION_MAKER: Permission(EVERYTHING, opens=CASE_FIELDS),
    **OVERSIGHT,
}
