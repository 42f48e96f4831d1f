"""Who may read what of referrals (docs/reference/access.md, Referral), the school portal too."""

from dataclasses import replace
from typing import Final

from services.trade.victims import OF_VICTIMS
from services.trade.vocabulary import (
    CASE_FIELDS,
    LEADS_IN_THE_CASE,
    NOT_BY_PROPOSING,
    OVERSIGHT,
    VICTIM_CONTACT,
    VICTIMS_OWN,
    Personal,
    Role,
)
from services.trade.words import texts_of
from shared.domain.permissions import EVERYTHING, STATE, STATE_AND_DUTIES, Permission, Permissions

ACCESS: Final[Permissions] = {
    **OVERSIGHT,
    Role.SAFE_SCHOOLS_OFFICER: Permission(EVERYTHING, opens=CASE_FIELDS),
    # Whom the police know from elsewhere is no business of who could not find them (rule N2).
    Role.INTERNET_SAFETY_OFFICER: Permission(
        EVERYTHING,
        where=("ONLINE",),
        opens=CASE_FIELDS,
        duties=frozenset(texts_of("duties")) - {"PERSON_COMPARED"},
        hides=frozenset({"resembles"}),
    ),
    Role.YJS_CASE_MANAGER: Permission(
        STATE_AND_DUTIES,
        where=("ACCEPTED", "YJS_REFERRED", "disposal.OPENED", "disposal.TAKEN_UP"),
        until=(("disposal.OPENED", "disposal.OPENER:{id}"),),  # nobody opens a referral to themselves
        acts_on_unread=True,
        opens=CASE_FIELDS,
    ),
    Role.RJ_FACILITATOR: Permission(
        STATE_AND_DUTIES, where=LEADS_IN_THE_CASE, until=NOT_BY_PROPOSING, opens=CASE_FIELDS | VICTIM_CONTACT
    ),
    Role.POLICE_DECISION_MAKER: Permission(STATE_AND_DUTIES, opens=CASE_FIELDS),
    Role.VICTIM_WORKER: Permission(
        STATE_AND_DUTIES,
        fields=frozenset({"progress", "outcome", "victims", "details"}),
        duties=OF_VICTIMS,
        opens=VICTIMS_OWN,
    ),
    Role.SUPERVISOR: replace(OVERSIGHT[Role.SUPERVISOR], opens_with_reason=VICTIM_CONTACT),
    Role.DATA_PROTECTION_OFFICER: replace(OVERSIGHT[Role.DATA_PROTECTION_OFFICER], opens=CASE_FIELDS | VICTIM_CONTACT),
    Role.MESSENGER: Permission(
        STATE,
        fields=frozenset({"contacts", "messages", "details"}),
        opens=frozenset({Personal.IDENTITY, Personal.CONTACT, Personal.VICTIM_IDENTITY, Personal.VICTIM_CONTACT}),
    ),
    **dict.fromkeys((Role.SCHOOL, Role.AGENCY), Permission(STATE, fields=frozenset({"state"}), own_organisation=True)),
}
"""Role -> what it may read. Marks: services/referral/events.py."""
