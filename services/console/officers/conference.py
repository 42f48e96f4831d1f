"""A restorative conference as one page: who takes part and how far each is, risk, schedule, outcome and agreement.

The page shows the state of the record, and for each heading the sentence of the event that counts; each line leads to the
form that comes next, if the role may send it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.console.names import Who, called
from services.console.records import place_of, texts_of
from services.console.words import day, in_words, moment

OF_A_PERSON: Final[Mapping[str, tuple[str, ...]]] = {
    "responsibility": ("RecordResponsibility",),
    "informed": ("InformVictim",),
    "consent": ("GiveConsent", "WithdrawConsent"),
    "prepared": ("HoldPreparation",),
    "present": (),
    "follow_up": ("RecordFollowUp",),
}
"""The columns of the participants, each with the commands that its cell leads to."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A person who takes part, and what is recorded of them, in words."""

    id: str
    name: str
    role: str
    of_whom: str
    responsibility: str
    informed: str
    consent: str
    prepared: str
    present: str
    follow_up: str

    @property
    def part(self) -> str:
        """The part, in words, and for whom they come."""
        return in_words(self.role) + (f" of {self.of_whom}" if self.of_whom else "")

    def is_concerned_by(self, column: str) -> bool:
        """Whether a column asks something of them: a harmer accepts (C1), who was harmed is told (C2), both consent and are asked after (C10)."""
        return self.role in ASKED.get(column, (self.role,))


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the agreement."""

    id: str
    text: str
    due: str
    standing: str


@dataclass(frozen=True, slots=True)
class Conference:
    """A conference in words."""

    participants: Mapping[str, Participant]
    facts: Mapping[str, str]
    """By heading."""
    terms: Mapping[str, Term]
    harmer: str
    """The name of the child who did harm, if the reader may know it."""


FACTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "PROPOSED": ("", ()),
    "CONSENT": ("Nobody asked yet", ()),
    "FACILITATOR": ("Nobody yet", ("AssignFacilitator",)),
    "RISK": ("Not assessed yet", ("AssessRisk", "ApproveRisk")),
    "SCHEDULE": ("Not scheduled yet", ("ScheduleConference", "ConvertToIndirect")),
    "OUTCOME": ("Not held yet", ("RecordConferenceHeld", "RecordDidNotProceed")),
    "AGREEMENT": ("None yet", ("SignAgreement", "RecordNoAgreement")),
}
"""The headings of the page, each with its words if nothing is recorded, and the commands that lead on."""

PARTIES: Final = frozenset({"HARMER", "HARMED"})
"""The roles of those without whose consent nothing is scheduled (rule C2)."""

ASKED: Final = {
    "responsibility": ("HARMER",),
    "informed": ("HARMED",),
    "consent": PARTIES,
    "present": (),
    "follow_up": PARTIES,
}
"""The columns that concern some roles alone."""


def conference_of(
    state: Mapping[str, Any], events: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> Conference:
    """Return a conference in words: its state, and the sentences of the events of its history that count, as corrected.

    `names` has the people by their ids.
    """
    people = [Who(id_, in_words(who["role"]), names.get(id_, ""), {}) for id_, who in state["participants"].items()]
    words = called(people)
    how = in_words(state["mode"])
    participants = {id_: _participant(id_, words, who, how) for id_, who in state["participants"].items()}
    told = {event["version"]: event for event in events}
    facts = {heading: missing for heading, (missing, _) in FACTS.items()}
    for heading in state["told_by"].keys() & FACTS:
        event = told[state["told_by"][heading]]
        facts[heading] = f"{event['corrected_sentence'] or event['sentence']}, on {day(event['occurred_at'])}"
    if state["risk_approved_on"]:
        facts["RISK"] += f"; approved on {day(state['risk_approved_on'])}"
    facts["CONSENT"] = _consents(state, participants)
    facts["SCHEDULE"] = _schedule(state) or facts["SCHEDULE"]
    texts = texts_of(state, state["told_by"].get("AGREEMENT"))
    return Conference(
        participants,
        facts,
        {
            id_: Term(id_, texts.get(term["field"], "Not shown to your role"), day(term["due"]), term["status"])
            for id_, term in state["agreed_terms"].items()
        },
        next((who.name for who in people if state["participants"][who.id]["role"] == "HARMER"), ""),
    )


def _participant(id_: str, words: Mapping[str, str], who: Mapping[str, Any], how: str) -> Participant:
    follow_up = f"{day(who['followed_up_on'])}, satisfaction {who['satisfaction']}" if who["followed_up_on"] else ""
    present = ". ".join(filter(None, (how, {None: "", True: "Took part", False: "Was absent"}[who["took_part"]])))
    accepts = {None: "", True: "Accepts it", False: "Does not accept it, or disputes the facts"}[who["accepts"]]
    consent = _consent(who["consent"], words)
    dates = (day(who["informed_on"]), consent, day(who["prepared_on"]))
    of_whom = words.get(who["of_whom"] or "", "")
    return Participant(id_, words[id_], who["role"], of_whom, accepts, *dates, present, follow_up)


def _consent(said: Mapping[str, Any] | None, words: Mapping[str, str]) -> str:
    if said is None:
        return ""
    if not said["given"]:
        return f"Withdrawn on {day(said['on'])}"
    until = f", until {day(said['valid_until'])}" if said["valid_until"] else ""
    meets = f"; meets {', '.join(words[harmer] for harmer in said['meets'])}" if said["meets"] else ""
    return f"Given on {day(said['on'])}: {', '.join(in_words(mode).lower() for mode in said['scope'])}{until}{meets}"


def _consents(state: Mapping[str, Any], participants: Mapping[str, Participant]) -> str:
    parties = [who for who in participants.values() if who.role in PARTIES]
    lacking = [who.name for who in parties if not state["consents"].get(who.id)]
    return f"Lacks that of {', '.join(lacking)}" if lacking else "Given by each"


def _schedule(state: Mapping[str, Any]) -> str:
    """Say when and where it is, as last scheduled; of one that was converted since, the mode alone."""
    dated = (moment(state["starts_at"]), place_of(state)) if state["mode"] == state["scheduled_mode"] else ()
    return ", ".join(filter(None, (in_words(state["mode"]), *dated)))
