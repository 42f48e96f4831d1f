"""A restorative conference as one page: who takes part and how far each is, risk, schedule, outcome and agreement.

The page gathers what the history of the record says; each line leads to the form that comes next, if the role may send it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.console.names import Who, called
from services.console.records import as_it_stands
from services.console.words import day, in_words, moment

OF_A_PERSON: Final[Mapping[str, tuple[str, ...]]] = {
    "informed": ("InformVictim",),
    "consent": ("GiveConsent", "WithdrawConsent"),
    "prepared": ("HoldPreparation",),
    "follow_up": ("RecordFollowUp",),
}
"""The columns of the participants, each with the commands that its cell leads to."""


HARMED: Final = in_words("HARMED")


@dataclass(slots=True)
class Participant:
    """A person who takes part, and what is recorded of them, in words."""

    id: str
    name: str
    part: str
    informed: str = ""
    consent: str = ""
    prepared: str = ""
    present: str = ""
    follow_up: str = ""

    def is_concerned_by(self, column: str) -> bool:
        """Whether a column asks something of them: who was harmed alone is informed (rule C2)."""
        return column != "informed" or self.part == HARMED


@dataclass(slots=True)
class Term:
    """A term of the agreement."""

    id: str
    text: str
    due: str
    standing: str


@dataclass(slots=True)
class Conference:
    """A conference as its history tells it."""

    participants: dict[str, Participant] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    terms: dict[str, Term] = field(default_factory=dict)
    harmer: str = ""
    """The name of the child who did harm, if the reader may know it."""


FACTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "Proposed": ("", ()),
    "Responsibility": ("Not recorded yet", ("RecordResponsibility",)),
    "Consent": ("Nobody asked yet", ()),
    "Facilitator": ("Nobody yet", ("AssignFacilitator",)),
    "Risk": ("Not assessed yet", ("AssessRisk", "ApproveRisk")),
    "Schedule": ("Not scheduled yet", ("ScheduleConference", "ConvertToIndirect")),
    "Outcome": ("Not held yet", ("RecordConferenceHeld", "RecordDidNotProceed")),
    "Agreement": ("None yet", ("SignAgreement", "RecordNoAgreement")),
}
"""The headings of the page, each with its words if nothing is recorded, and the commands that lead on."""

PARTIES: Final = frozenset({in_words("HARMER"), HARMED})
"""The parts of those without whose consent nothing is scheduled (rule C2)."""


def conference_of(events: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Conference:
    """Gather a conference from its history; what was corrected reads as it was corrected, if the sentence says so.

    `names` has the people by their ids.
    """
    conference = Conference({}, {heading: words for heading, (words, _) in FACTS.items() if words})
    for event in events:
        _take(conference, event, names)
    people = [Who(who.id, who.part, who.name, {}) for who in conference.participants.values()]
    conference.harmer = next((who.name for who in people if who.part == in_words("HARMER")), "")
    for id_, words in called(people).items():
        conference.participants[id_].name = words
    parties = [who for who in conference.participants.values() if who.part in PARTIES]
    lacking = [who.name for who in parties if not who.consent.startswith("Given")]
    if parties:
        conference.facts["Consent"] = f"Lacks that of {', '.join(lacking)}" if lacking else "Given by each"
    return conference


def _take(conference: Conference, event: Mapping[str, Any], names: Mapping[str, str]) -> None:
    data, on, type_ = as_it_stands(event), day(event["occurred_at"]), event["type"]
    sentence = str(event["corrected_sentence"] or event["sentence"])
    if type_ in _PARTS:
        member, part = _PARTS[type_]
        _participant(conference, data[member], names, part or data["role"])
    if type_ in _COLUMNS:
        column, words = _COLUMNS[type_]
        setattr(_participant(conference, data["person_id"], names), column, words(data, on))
    if type_ in _FACTS:
        conference.facts[_FACTS[type_]] = f"{sentence}, on {on}"
    if type_ == "RiskApproved":
        conference.facts["Risk"] += f"; approved on {on}"
    elif type_ in {"ConferenceScheduled", "ConvertedToIndirect"}:
        conference.facts["Schedule"] = _schedule(data)
    for person in data.get("present") or ():
        who = _participant(conference, person["person_id"], names, person["role"])
        who.present = "Took part" if person["attended"] else "Was absent"
    if type_ == "AgreementSigned":
        conference.terms |= {str(term["term_id"]): _term(term) for term in data["terms"]}
    elif type_ in _STANDINGS and (term := conference.terms.get(str(data["term_id"]))) is not None:
        term.standing = _STANDINGS[type_]


def _consent(data: Mapping[str, Any], on: str) -> str:
    until = f", until {day(data['valid_until'])}" if data.get("valid_until") else ""
    return f"Given on {on}: {', '.join(in_words(mode).lower() for mode in data['scope'])}{until}"


_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "ConferenceProposed": ("harmer", "HARMER"),
    "ParticipantAdded": ("person_id", ""),
}
"""Events that name a person for the first time: the member with the id, and the part if the event does not say it."""
_COLUMNS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any], str], str]]]] = {
    "VictimInformed": ("informed", lambda _data, on: on),
    "ConsentGiven": ("consent", _consent),
    "ConsentWithdrawn": ("consent", lambda _data, on: f"Withdrawn on {on}"),
    "PreparationHeld": ("prepared", lambda _data, on: on),
    "FollowUpCompleted": ("follow_up", lambda data, on: f"{on}, satisfaction {data['satisfaction']}"),
}
"""Events of a person: the column, and its words from the data and the day."""
_FACTS: Final[Mapping[str, str]] = {
    "ConferenceProposed": "Proposed",
    "ResponsibilityRecorded": "Responsibility",
    "FacilitatorAssigned": "Facilitator",
    "RiskAssessed": "Risk",
    "ConferenceHeld": "Outcome",
    "ConferenceDidNotProceed": "Outcome",
    "AgreementSigned": "Agreement",
    "NoAgreementReached": "Agreement",
}
"""Events that their sentence tells under a heading."""
_STANDINGS: Final[Mapping[str, str]] = {"TermCompleted": "COMPLETED", "TermNotCompleted": "NOT_COMPLETED"}


def _schedule(data: Mapping[str, Any]) -> str:
    when = moment(data["starts_at"]) if "starts_at" in data else ""
    place = data["place"] if isinstance(data.get("place"), str) else ""
    return ", ".join(filter(None, (in_words(data["mode"]), when, place)))


def _term(term: Mapping[str, Any]) -> Term:
    text = term["text"] if isinstance(term["text"], str) else "Not shown to your role"
    return Term(str(term["term_id"]), text, day(term.get("due")), "OPEN")


def _participant(conference: Conference, id_: Any, names: Mapping[str, str], part: str = "") -> Participant:
    person = str(id_)
    line = conference.participants.setdefault(person, Participant(person, names.get(person, ""), in_words(part)))
    line.part = line.part or in_words(part)
    return line
