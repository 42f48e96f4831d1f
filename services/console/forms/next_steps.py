"""What can happen next with a record, from the services' guidance: its journeys as task lists, and every command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.console.rendering import address
from services.console.words import command_in_words, day, in_words

COLOURS: Final = {"can": "green", "reason": "yellow", "needs": "teal", "later": "purple", "never": "grey"}
LABELS: Final = {
    "can": "Can be done",
    "reason": "Needs a reason",
    "needs": "Depends on answers",
    "later": "Not yet",
    "never": "Not allowed",
}
ORDER: Final = tuple(LABELS)
BOOKING: Final = "BookConditionSession"
"""The command that books a session which is not planned: its page offers planned ones first."""
OWN_PAGES: Final = {"SignDocument": "sign", BOOKING: "book"}
"""Commands that have a page of their own beside the form that is drawn for each."""
OF_ALL: Final = {"RecordAttendance": "register"}
"""Commands whose tasks are done for everybody at once, on one page."""


def page_of(command: str) -> str:
    """Return the page of a command's form, below the address of its record."""
    return OWN_PAGES.get(command, f"do/{command}")


@dataclass(frozen=True, slots=True)
class Remedy:
    """A command that lifts a refusal, and that the person may send now: its title, and its page below the record's address."""

    title: str
    page: str


def remedies_of(types: Iterable[str], guidance: Mapping[str, Any], titles: Mapping[str, str]) -> list[Remedy]:
    """Return those commands of a refusal's remedy that the person may send now, in the order of their use."""
    open_ = _open_commands(guidance)
    return [Remedy(titles.get(type_) or command_in_words(type_), page_of(type_)) for type_ in types if type_ in open_]


def _open_commands(guidance: Mapping[str, Any]) -> set[str]:
    return {command["type"] for command in guidance["commands"] if command["status"] != "refused"}


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that stands in the way, or may do so."""

    rule: str
    text: str
    source: str
    until: str = ""
    """What a later day changes."""
    remedies: Sequence[Remedy] = ()


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command that the role may send, and how it stands with it."""

    type: str
    title: str
    kind: str
    reasons: Sequence[Reason] = field(default=())
    day: str = ""
    """Of one that is not possible yet: the first day on which a rule answers otherwise."""
    purpose: str = ""

    @property
    def page(self) -> str:
        """The page of its form, below the address of its record."""
        return page_of(self.type)

    @property
    def is_open(self) -> bool:
        return self.kind in {"can", "reason", "needs"}

    @property
    def label(self) -> str:
        return f"Not before {day(self.day)}" if self.day else LABELS[self.kind]

    @property
    def colour(self) -> str:
        return COLOURS[self.kind]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a record: those to show, and those that do not belong to its state."""

    shown: Sequence[NextStep]
    out_of_place: Sequence[NextStep]

    @property
    def by_purpose(self) -> Mapping[str, Sequence[NextStep]]:
        """What is shown, by what it is about; a purpose with something that can be done now comes first."""
        groups: dict[str, list[NextStep]] = {}
        for step in self.shown:
            groups.setdefault(step.purpose, []).append(step)
        return groups


def steps_of(guidance: Mapping[str, Any], titles: Mapping[str, str]) -> Steps:
    """Sort the commands of a guidance answer: the possible ones first; what the state alone refuses apart."""
    shown: list[NextStep] = []
    apart: list[NextStep] = []
    for command in guidance["commands"]:
        rules = list({(rule["id"], rule["text"], rule["answer"]): rule for rule in command["rules"]}.values())
        changes = sorted(rule["changes_on"] for rule in rules if rule["answer"] == "broken" and rule["changes_on"])
        step = NextStep(
            command["type"],
            titles.get(command["type"]) or in_words(command["type"]),
            _kind(command["status"], changes),
            [reason for rule in rules if (reason := _reason(rule, guidance, titles))],
            changes[-1] if changes and command["status"] == "refused" else "",
            command["purpose"],
        )
        out = step.kind == "never" and all(rule["kind"] == "state" for rule in rules if rule["answer"] == "broken")
        (apart if out else shown).append(step)
    return Steps(sorted(shown, key=lambda step: ORDER.index(step.kind)), apart)


def _kind(status: str, changes: Sequence[str]) -> str:
    if status == "refused":
        return "later" if changes else "never"
    return {"available": "can", "needs_rationale": "reason"}.get(status, "needs")


def _reason(rule: Mapping[str, Any], guidance: Mapping[str, Any], titles: Mapping[str, str]) -> Reason | None:
    """Say what a rule has to do with it; None for one that only depends on what is entered and says no more."""
    word = {"broken": "Until", "holds": "From"}.get(rule["answer"])
    if word is None:
        return None
    until = f"{word} {day(rule['changes_on'])}" if rule["changes_on"] else ""
    remedies = remedies_of(rule["lifted_by"], guidance, titles) if rule["answer"] == "broken" else []
    return Reason(rule["id"], rule["text"], rule["source"], until, remedies)


COMPLETED: Final = "Completed"
PROGRESS: Final = {
    "cannot_start": ("Cannot start yet", ""),
    "not_started": ("Not started", "blue"),
    "in_progress": ("In progress", "light-blue"),
    "completed": (COMPLETED, ""),
}
"""The statuses of the GOV.UK task list, with the colours of their tags; without one there is no tag."""


@dataclass(frozen=True, slots=True)
class Task:
    """A thing to be done in a journey, as a line of a task list."""

    title: str
    about: str
    """Whom or what it is about: the words of the last of its ids that has any, which is the nearest."""
    status: str = ""
    colour: str = ""
    address: str = ""
    """The form that records it, if the person may send it now; else empty."""
    whose: Sequence[str] = ()
    due: str = ""
    overdue: bool = False
    waits_for: Sequence[str] = ()
    remedies: Sequence[Remedy] = ()
    """What lifts what it waits for, and the person may send."""
    duty: str = ""
    """The code of the duty that it meets."""
    items: frozenset[str] = frozenset()
    """The ids of what it is about."""
    commands: Sequence[str] = ()
    path: str = ""

    def meets(self, duty: str, item: str | None) -> bool:
        return self.duty == duty and (not item or item in self.items or not self.items)


@dataclass(frozen=True, slots=True)
class Work:
    """The journeys of a record as task lists, with their titles, and the recommended next step."""

    next: Task | None
    journeys: Sequence[tuple[str, Sequence[Task]]]

    @property
    def tasks(self) -> list[Task]:
        return [task for _, tasks in self.journeys for task in tasks]

    @property
    def is_open(self) -> bool:
        return any(task.status != COMPLETED for task in self.tasks)


def work_of(
    guidance: Mapping[str, Any], path: str, case: str, names: Mapping[str, str], titles: Mapping[str, str]
) -> Work:
    """Read the journeys of a guidance answer for the record at a path.

    `names` are words for the ids that tasks are about, `titles` those of the commands.
    """
    open_ = _open_commands(guidance)

    def task_of(line: Mapping[str, Any]) -> Task:
        status, colour = PROGRESS[line["progress"]]
        command = next((name for name in line["commands"] if name in open_), None)
        form = f"{path}/{OF_ALL.get(command) or page_of(command)}" if command else ""
        return Task(
            line["title"],
            next((names[id_] for id_ in reversed(line["items"]) if id_ in names), ""),
            status,
            colour,
            address(form, case=case, **line["about"]) if form and line["progress"] != "completed" else "",
            [in_words(role) for role in line["roles"]],
            line["due"] or "",
            line["overdue"],
            line["waits_for"],
            remedies_of(line["lifted_by"], guidance, titles),
            line["duty"],
            frozenset(line["items"]),
            line["commands"],
            path,
        )

    recommended = guidance.get("next")
    return Work(
        task_of(recommended) if recommended else None,
        [(journey["title"], list(map(task_of, journey["tasks"]))) for journey in guidance.get("journeys", ())],
    )
