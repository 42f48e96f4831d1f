"""What a case is about and where it stands, in words: its head, its conditions, what is left to do, its decisions and its contacts."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from services.console.forms.next_steps import BOOKING, COMPLETED, Task, Work
from services.console.names import Who
from services.console.records import Record, place_of
from services.console.rendering import address
from services.console.words import day, duty_in_words, in_words, list_turns, moment, within
from services.trade.victims import OF_VICTIMS

DECISIONS: Final = frozenset(
    {
        "AdmissionRecorded",
        "AdmissionWithdrawn",
        "BreachDecided",
        "CrimeOutcomeAssigned",
        "DisposalDecided",
        "EvidenceSufficiencyDecided",
        "GravityScored",
        "OutcomeAssigned",
        "PanelRecommended",
        "ProsecutorDecisionRecorded",
        "ReferralTriaged",
        "SafeguardingHoldOverridden",
    }
)
"""Events that decide something, or that a decision rests on."""
REPORTS: Final = frozenset({"ReferralReceived"})
"""Events in which somebody tells what happened."""
WISHES: Final = frozenset({"VictimPreferenceRecorded", "VictimViewSought"})
"""Events in which somebody who was harmed says what they wish."""
CONTACTS: Final = WISHES | frozenset(
    {
        "AbsenceAnnounced",
        "AdviceGiven",
        "ComplianceMeetingRecorded",
        "ContactRecorded",
        "SafeguardingConcernRaised",
        "WarningIssued",
    }
)
"""Events in which somebody spoke or wrote to a person."""
REACHED: Final = ("telephone", "email", "contact", "address")
"""The details by which somebody is reached, in the order of the page."""
DONE: Final = frozenset({"COMPLETED", "EXCUSED", "OMITTED"})
BOOKED: Final = "Booked"
REGISTER: Final = "Register to be taken"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as a line of a table, in words, with what can be done about it now."""

    active_id: str
    """Its id while it is to be done; else empty."""
    what: str
    details: Sequence[str]
    """Its own words, if the person may read them."""
    due: str
    booked: str
    hours: str
    standing: str
    overdue: bool
    action: Task | None
    page: str
    """The page of the conference that serves it, or of the education session in which a place is booked; else empty."""
    opens: str
    """What the page is of, in a word."""
    move: str = ""
    """The page on which the booked session is moved; empty if none is booked ahead."""


def what_happened(records: Sequence[Record]) -> str:
    """Say what the case is about: the offence, or else the incident, and its day."""
    offence = next((state["offence"] for state in _states(records, "disposals") if "offence" in state), None)
    if offence is not None:
        return f"{offence['title']}, {day(offence['on'])}"
    for state in _states(records, "referrals"):
        if "happened_on" in state:
            place = {"SCHOOL": ", at school", "ONLINE": ", online"}.get(state["setting"], "")
            return f"{in_words(state['incident_type'])}{place}, {day(state['happened_on'])}"
    return ""


def crime_numbers(records: Sequence[Record]) -> list[str]:
    numbers = (state.get("crime_number") for record in records for state in (record.state.value or {},))
    return list(dict.fromkeys(number for number in numbers if number))


def victims_of(records: Sequence[Record], people: Iterable[Who]) -> list[Who]:
    named = {id_ for state in _states(records, "disposals") for id_ in state.get("victims", ())}
    return [who for who in people if who.id in named or who.part in {"VICTIM", "HARMED"}]


def reach_of(who: Who, records: Sequence[Record]) -> list[str]:
    """Say how somebody is reached, and of a person who was harmed whether they may be called; what is not known is left out."""
    shown = {name: text for name, text in who.details.items() if isinstance(text, str) and text}
    lines = [shown[name] for name in REACHED if name in shown]
    if "contact_person" in shown:
        lines.insert(0, f"Ask for {shown['contact_person']}")
    wishes = list(_wishes(who, records))
    if not wishes and "preferred_channel" in shown:
        wishes = [f"Would like: {within(shown['preferred_channel'])}"]
    lines += wishes
    said = [
        victim
        for record in records
        for name in ("victims", "harmed")
        if isinstance(victims := (record.state.value or {}).get(name), Mapping)
        and (victim := victims.get(who.id)) is not None
    ]
    if said:
        lines.append(_may_be_called(said))
    return lines


def _wishes(who: Who, records: Iterable[Record]) -> Iterator[str]:
    """Say how somebody would like to be reached, and whether they want to be written to; nothing if nobody has said."""
    for record in records:
        said = ((record.state.value or {}).get("contacts") or {}).get(who.id)
        if said is None:
            continue
        if said["messages_wanted"] is False:
            yield "Wants no messages"
        elif said["preferred_channel"]:
            language = f", in {within(said['language'])}" if said["language"] else ""
            yield f"Would like: {within(said['preferred_channel'])}{language}"


def _may_be_called(said: Sequence[Mapping[str, Any]]) -> str:
    """Say whether a victim may be called: one record that says no is enough."""
    safe = {victim.get("contact_is_safe") for victim in said}
    if False in safe:
        return "Do not call: contact is not safe"
    if any(victim.get("wants_updates") is False for victim in said):
        return "Do not call: wants no updates"
    return "May be called" if True in safe else "Ask the victim worker before you call"


def standing_of(records: Sequence[Record]) -> str:
    """Say in a sentence where the case stands: by its disposal, else by its referral."""
    for state in _states(records, "disposals"):
        if "issued_on" in state:
            return _disposal(state)
    for state in _states(records, "referrals"):
        if "state" in state:
            return f"Referral: {within(state['state'])}."
    return ""


def _disposal(state: Mapping[str, Any]) -> str:
    stage, parts = state["state"], list[str]()
    if state["issued_on"]:
        parts.append(f"{in_words(state['disposal'])} given on {day(state['issued_on'])}")
        standings = [standing for standing in state["conditions"].values() if standing != "OMITTED"]
        if standings:
            done = sum(standing in DONE for standing in standings)
            noun = "condition" if len(standings) == 1 else "conditions"
            parts.append(f"{done} of {len(standings)} {noun} completed")
        if stage in {"ACTIVE", "AGREED"} and state["ends_on"]:
            parts.append(f"ends {day(state['ends_on'])}")
    elif state["decided"] and stage in {"DECIDED", "DEFERRED"}:
        parts.append(f"{in_words(state['decided']['what'])} decided on {day(state['decided']['on'])}")
        parts.append("not given yet" if stage == "DECIDED" else f"to be reviewed on {day(state['review_on'])}")
    if state["completed_on"]:
        parts.append(f"completed on {day(state['completed_on'])}")
    elif stage not in {"ACTIVE", "AGREED", "DECIDED", "DEFERRED", "RECORDED"}:
        parts.append(within(stage) if parts else in_words(stage))
    if state["outcome"]:
        parts.append(f"outcome {state['outcome']} of the crime")
    parts = parts or [in_words(stage)]
    for line in state.get("areas") or ():
        if line["kind"] and line["until"] is None:
            holds = "has it" if line["kind"] == "TRANSFER" else "takes care of it"
            parts.append(
                f"{in_words(line['area'])} {holds} since {day(line['since'])}, to be reviewed on {day(line['review_on'])}"
            )
    return f"{'; '.join(parts)}."


def conditions_of(
    record: Record,
    work: Work | None,
    served: Mapping[str, Record],
    own_words: Mapping[str, Sequence[str]],
    on: str,
    case: str,
) -> list[Condition]:
    """Return the conditions of a disposal as lines of a table, the soonest due first; `on` is the day on which they are looked at."""
    state = record.state.value or {}
    terms = state.get("condition_terms") or {}

    def book(id_: str) -> str:
        return address(f"/records/disposals/{record.id}/book", case=case, condition_id=id_)

    return [
        _condition(id_, asked, state["conditions"][id_], work, served.get(id_), own_words.get(id_, ()), on, book(id_))
        for id_, asked in sorted(terms.items(), key=lambda item: item[1]["due"])
    ]


def served_in(records: Iterable[Record]) -> dict[str, Record]:
    """Return by condition the conference of the case that serves it, or the education session in which a place is booked for it."""
    served: dict[str, Record] = {}
    for other in records:
        theirs = other.state.value or {}
        if other.collection == "conferences" and theirs.get("condition_id"):
            served[theirs["condition_id"]] = other
        if other.collection == "sessions":
            register = theirs.get("register", {})
            served |= {
                of: other for who, of in theirs.get("serves", {}).items() if of and register.get(who) == "BOOKED"
            }
    return served


def with_bookings(work: Work, served: Collection[str]) -> Work:
    """Take the booking of a condition for done that has a place in education: the disposal hears of it by its register."""

    def mark_booked(task: Task) -> Task:
        has_place = BOOKING in task.commands and not task.items.isdisjoint(served)
        return replace(task, status=COMPLETED, colour="", address="") if has_place else task

    journeys = [(title, list(map(mark_booked, tasks))) for title, tasks in work.journeys]
    next_ = None if work.next is None else mark_booked(work.next)
    if next_ is not None and next_.status == COMPLETED:
        next_ = next((task for _, tasks in journeys for task in tasks if task.address), None)
    return Work(next_, journeys)


def _condition(
    id_: str,
    asked: Mapping[str, Any],
    standing: str,
    work: Work | None,
    other: Record | None,
    own_words: Sequence[str],
    on: str,
    book: str,
) -> Condition:
    when = moment(asked["sessions"][-1]["starts_at"]) if asked["sessions"] else ""
    words = in_words(standing)
    if standing == "ACTIVE":
        words = "Refused by the child" if asked.get("refused_on") else _active(asked, on)
    hours = "" if asked["hours"] is None else f"{asked['hours_credited']} of {asked['hours']}"
    if other is not None and standing == "ACTIVE":
        state = other.state.value or {}
        when = ", ".join(filter(None, (moment(state.get("starts_at")), place_of(state))))
        words = in_words(state.get("state")) if other.collection == "conferences" else _booked(state["starts_at"], on)
    tasks = [task for task in (work.tasks if work else ()) if id_ in task.items]
    held = other is not None and other.collection == "sessions" and words == REGISTER
    return Condition(
        id_ if standing == "ACTIVE" else "",
        in_words(asked["type"]),
        own_words,
        day(asked["due"]),
        when,
        hours,
        words,
        standing == "ACTIVE" and asked["due"] < on,
        next((task for task in tasks if task.address), None),
        f"/records/{other.collection}/{other.id}{'/register' if held else ''}" if other else "",
        "the conference" if other and other.collection == "conferences" else "the register" if held else "the session",
        book if words == BOOKED else "",
    )


def _active(asked: Mapping[str, Any], on: str) -> str:
    if asked["sessions"] and not asked["sessions"][-1]["recorded"]:
        return _booked(asked["sessions"][-1]["starts_at"], on)
    if asked["last_attendance"]:
        return in_words(asked["last_attendance"])
    return "To do"


def _booked(starts_at: str, on: str) -> str:
    return BOOKED if starts_at[:10] > on else REGISTER


def to_do(
    duties: Iterable[Mapping[str, Any]], works: Mapping[str, Work | None], names: Mapping[str, str]
) -> list[Task]:
    """Return what is left to do in a case, each thing once, the soonest first.

    These are the open tasks of its journeys, due when the duty is that they meet, and the open duties that no task meets.
    """
    lines = {id_: [task for task in work.tasks if task.status != COMPLETED] for id_, work in works.items() if work}
    bare = []
    for duty in duties:
        if duty["met_on"] is not None or duty["lapsed_on"] is not None:
            continue
        tasks = lines.get(duty["stream"], [])
        n = next((n for n, task in enumerate(tasks) if task.meets(duty["duty"], duty["item"])), None)
        if n is None:
            items = frozenset((duty["item"] or "").split()[:1])  # the number of a further decision follows
            about = next((names[item] for item in items if item in names), "")
            line = Task(duty_in_words(duty["duty"]), about, due=duty["due"], overdue=duty["overdue"])
            bare.append(replace(line, whose=list_turns(duty), duty=duty["duty"], items=items))
        elif not tasks[n].due:
            tasks[n] = replace(tasks[n], due=duty["due"], overdue=duty["overdue"])
    once: dict[object, Task] = {}
    for n, line in enumerate(sorted([*chain(*lines.values()), *bare], key=lambda line: line.due or "9")):
        # A victim is told once, whatever records of the case ask for it, and however many decisions.
        victims = frozenset(item.split()[0] for item in line.items) if line.duty in OF_VICTIMS else None
        once.setdefault((line.duty, victims) if victims else n, line)
    return list(once.values())


def next_of(works: Iterable[Work | None], lines: Iterable[Task]) -> Task | None:
    """Return the next step of a case: of those that the person can take the one that is due first, else one of another's turn.

    `lines` are what is left to do: a step that meets a duty is due when that is.
    """
    due = {line.address: line.due for line in lines if line.address}
    steps = [work.next for work in works if work and work.next]
    mine = [step for step in steps if step.address]
    return min(mine or steps, key=lambda step: step.due or due.get(step.address) or "9", default=None)


def events_of_kind(events: Iterable[Mapping[str, Any]], types: frozenset[str]) -> list[Mapping[str, Any]]:
    """Return the events of some types, the latest first."""
    return [event for event in reversed(list(events)) if event["type"] in types]


def fits(paper: str, state: Mapping[str, Any]) -> bool:
    """Whether a paper is one of what was decided: that of another disposal, or of a plan if there is none, is not.

    The letter of a message stands beside the message.
    """
    if paper == "message-letter":
        return False
    if paper == "deferral-plan":
        return bool(state.get("plan"))
    disposal = paper.partition("-")[0].upper()
    return disposal not in {"YC", "YCC", "YRD"} or disposal == state.get("disposal")


def _states(records: Iterable[Record], collection: str) -> Iterator[Mapping[str, Any]]:
    """Yield the states of the records of a kind that the person may see, the latest begun first."""
    shown = [record.state.value for record in records if record.collection == collection and record.state.value]
    yield from reversed(shown)
