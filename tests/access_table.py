"""The access table as a person wrote it: which role reads what of which record, which sealed fields it opens, who commands it.

It knows nothing of the services' own declarations. tests/unit/test_access.py holds them to it, and tests/hostile the
answers over HTTP.
"""

from dataclasses import dataclass
from typing import Any, Final

ANY: Final = frozenset({"any"})
NONE: Final = frozenset[str]()
ALL: Final = frozenset({"state", "history", "duties"})
NOW: Final = frozenset({"state", "duties"})
STATE: Final = frozenset({"state"})

CASE: Final = frozenset(
    {
        "IDENTITY",
        "VICTIM_IDENTITY",
        "CONTACT",
        "CHARACTERISTICS",
        "NARRATIVE",
        "VICTIM_VIEW",
        "REASONS",
        "CONDITIONS",
        "PLACE",
    }
)
"""A record that a role reads (R) is read as a whole."""
VICTIM: Final = frozenset({"VICTIM_CONTACT"})
REPLAY: Final = frozenset({"REASONS", "CONDITIONS"})
"""The auditor's replay: why, by whom and on what terms; nobody's name."""
PLACE: Final = frozenset({"PLACE"})


@dataclass(frozen=True)
class Cell:
    """The relations to a record of which one is needed, the parts and members of the state that are read, and sealed classes."""

    to: frozenset[str] = NONE
    parts: frozenset[str] = NONE
    opens: frozenset[str] = NONE
    fields: frozenset[str] | None = None
    with_reason: frozenset[str] = NONE

    def gives(self, relations: frozenset[str], part: str) -> bool:
        """Tell whether a part of a record in these relations is read."""
        return part in self.parts and (self.to == ANY or bool(self.to & relations))

    def classes(self, relations: frozenset[str], *, reason: bool = True) -> frozenset[str]:
        """Return the sealed classes that are read of a record in these relations."""
        return (self.opens | (self.with_reason if reason else NONE)) if self.gives(relations, "state") else NONE


def only(*names: str) -> frozenset[str]:
    """Name some relations or members, and no other."""
    return frozenset(names)


SERVICES: Final = ("referral", "disposal", "rj_conference", "education", "panel", "people")
STATUS: Final = Cell(ANY, STATE, fields=only("state"))
APPOINTMENT: Final = Cell(ANY, STATE, PLACE, fields=only("state", "starts_at", "details"))
OVERSIGHT: Final = dict.fromkeys(SERVICES, Cell(ANY, ALL, CASE))

SECTION_F: Final[dict[str, dict[str, Cell]]] = {
    # Referral: RW own area. Disposal: leads, short of deciding (K9). RJ: R if party, RW what it leads itself.
    "SAFE_SCHOOLS_OFFICER": {
        "referral": Cell(ANY, ALL, CASE),
        "disposal": Cell(ANY, ALL, CASE),
        "rj_conference": Cell(only("party"), ALL, CASE),
        "education": Cell(ANY, ALL, CASE),
        "people": Cell(ANY, STATE, CASE),
    },
    # Referral: RW online. Disposal: R linked. RJ: no.
    "INTERNET_SAFETY_OFFICER": {
        "referral": Cell(only("online"), ALL, CASE),
        "disposal": Cell(only("online"), NOW, CASE),
        "education": Cell(only("online", "own"), ALL, CASE),
        "people": Cell(ANY, STATE, CASE),
    },
    # Referral: R accepted, or told to the youth justice service. Disposal: RW conditions. RJ: R status.
    "YJS_CASE_MANAGER": {
        "referral": Cell(only("accepted", "told_to_yjs", "disposed"), NOW, CASE),
        "disposal": Cell(ANY, ALL, CASE),
        "rj_conference": STATUS,
        "education": Cell(ANY, ALL, CASE),
        "panel": Cell(ANY, ALL, CASE),
        "people": Cell(ANY, STATE, CASE),
    },
    # Referral: R linked. Disposal: R condition (what it asks is in the details). RJ: RW own. Victim contact: yes, own.
    "RJ_FACILITATOR": {
        "referral": Cell(only("linked"), NOW, CASE | VICTIM),
        "disposal": Cell(only("linked"), STATE, only("CONDITIONS"), only("conditions", "details")),
        "rj_conference": Cell(only("own"), ALL, CASE),
    },
    # Referral: R. Disposal: decide, issue, breach. RJ: R status.
    "POLICE_DECISION_MAKER": {
        "referral": Cell(ANY, NOW, CASE),
        "disposal": Cell(ANY, ALL, CASE),
        "rj_conference": STATUS,
        "education": Cell(ANY, NOW, CASE),
        "panel": Cell(ANY, ALL, CASE),
        "people": Cell(ANY, STATE, CASE),
    },
    # Victim contact: reason.
    "SUPERVISOR": OVERSIGHT | {"referral": Cell(ANY, ALL, CASE, with_reason=VICTIM)},
    # Referral: the victim's own. Disposal: R outcome. RJ: R consent. Victim contact: RW (a victim's view is in the details).
    "VICTIM_WORKER": {
        "referral": Cell(
            ANY, NOW, VICTIM | {"VICTIM_IDENTITY", "VICTIM_VIEW"}, only("progress", "outcome", "victims", "details")
        ),
        "disposal": Cell(ANY, NOW, only("VICTIM_VIEW"), only("progress", "outcome", "victims", "harmed", "details")),
        "rj_conference": Cell(ANY, STATE, fields=only("consents")),
    },
    # Victim contact: masked.
    "AUDITOR": dict.fromkeys(SERVICES, Cell(ANY, ALL, REPLAY)),
    "DATA_PROTECTION_OFFICER": OVERSIGHT | {"referral": Cell(ANY, ALL, CASE | VICTIM)},
    "ANALYST": {},
    # School portal: status of own referral only.
    "SCHOOL": {"referral": Cell(only("reported_by_school"), STATE, fields=only("state"))},
    # The same for an agency that is no school.
    "AGENCY": {"referral": Cell(only("reported_by_agency"), STATE, fields=only("state"))},
    # What it takes to write to somebody: names, how they are reached, when and where an appointment is; no narrative or reason.
    "MESSENGER": {
        "referral": Cell(
            ANY, STATE, VICTIM | {"IDENTITY", "VICTIM_IDENTITY", "CONTACT"}, only("contacts", "messages", "details")
        ),
        "rj_conference": APPOINTMENT,
        "education": APPOINTMENT,
    },
    "INVITED": {"rj_conference": APPOINTMENT, "education": APPOINTMENT},
    "SYSTEM": {},
}
"""Role -> service -> what it reads; a role that the system does not know reads nothing."""

NEEDS_REASON: Final = {"AUDITOR", "DATA_PROTECTION_OFFICER"}
STATISTICS: Final = set(SECTION_F) - {"VICTIM_WORKER", "SCHOOL", "AGENCY", "MESSENGER", "INVITED", "SYSTEM"}
SEES_CASES: Final = STATISTICS - {"ANALYST"} | {"VICTIM_WORKER"}

COMMANDS: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    # By the catalogue; each would be accepted from those who may send it, but for the version.
    "referral": (
        {"type": "GiveAdvice", "to": "CHILD", "topic": "RETAIL"},
        {"SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER", "SUPERVISOR"},
    ),
    "education": (
        {"type": "RecordFeedback", "score": 1, "from": "STAFF"},
        {"SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER", "YJS_CASE_MANAGER", "SUPERVISOR"},
    ),
    "disposal": (
        {"type": "RecordAdmission", "appropriate_adult_present": True, "facts_accepted": True},
        {"SAFE_SCHOOLS_OFFICER", "YJS_CASE_MANAGER", "POLICE_DECISION_MAKER", "SUPERVISOR"},
    ),
    "rj_conference": (
        {"type": "RecordResponsibility", "accepts": True, "facts_disputed": False},
        {"SAFE_SCHOOLS_OFFICER", "RJ_FACILITATOR", "SUPERVISOR"},
    ),
    "panel": ({"type": "CancelSitting", "why": "Snow."}, {"YJS_CASE_MANAGER", "POLICE_DECISION_MAKER", "SUPERVISOR"}),
    "people": (
        {
            "type": "RecordHistory",
            "entry_id": "7b6e0f6e-43a4-4d4b-8a0e-0d3a6c1f6a11",
            "kind": "YC",
            "on": "2025-06-02",
            "by": "Dorset Police",
        },
        {"SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER", "YJS_CASE_MANAGER", "POLICE_DECISION_MAKER", "SUPERVISOR"},
    ),
}


def cell(role: str, service: str) -> Cell:
    """Return what a role reads of a service's records."""
    return SECTION_F.get(role, {}).get(service, Cell())
