"""Who may read what of education sessions: those who may command them, the police, and those who oversee.

The table is in docs/reference/access.md.
"""

from typing import Final

from services.trade.vocabulary import CASE_FIELDS, OVERSIGHT, WHEN_AND_WHERE, Role
from shared.domain.permissions import EVERYTHING, STATE_AND_DUTIES, Permission, Permissions

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.INTERNET_SAFETY_OFFICER: Permission(EVERYTHING, where=("ONLINE", "OFFICER:{id}"), opens=CASE_FIELDS),
    Role.YJS_CASE_MANAGER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.POLICE_DECISION_MAKER: Permission(STATE_AND_DUTIES, opens=CASE_FIELDS),
    Role.MESSENGER: WHEN_AND_WHERE,
    Role.INVITED: WHEN_AND_WHERE,
    **OVERSIGHT,
}
