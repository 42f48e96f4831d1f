"""Who may read what of disposal cases (docs/reference/access.md, Disposal)."""

from typing import Final

from services.trade.victims import OF_VICTIMS
from services.trade.vocabulary import CASE_FIELDS, LEADS_IN_THE_CASE, NOT_BY_PROPOSING, OVERSIGHT, Personal, Role
from shared.domain.permissions import EVERYTHING, STATE, STATE_AND_DUTIES, Permission, Permissions

ACCESS: Final[Permissions] = {
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.INTERNET_SAFETY_OFFICER: Permission(STATE_AND_DUTIES, where=("referral.ONLINE",), opens=CASE_FIELDS),
    Role.YJS_CASE_MANAGER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.RJ_FACILITATOR: Permission(
        STATE,
        where=LEADS_IN_THE_CASE,
        until=NOT_BY_PROPOSING,
        fields=frozenset({"conditions", "details"}),
        opens=frozenset({Personal.CONDITIONS}),
    ),
    Role.POLICE_DECISION_MAKER: Permission(EVERYTHING, opens=CASE_FIELDS),
    Role.VICTIM_WORKER: Permission(
        STATE_AND_DUTIES,
        fields=frozenset({"progress", "outcome", "victims", "harmed", "details"}),
        duties=OF_VICTIMS,
        opens=frozenset({Personal.VICTIM_VIEW}),
    ),
    **OVERSIGHT,
}
"""Role -> what it may read. Marks: events.py of referral and rj_conference."""
