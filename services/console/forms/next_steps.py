"""What can happen next with a record, from the services' guidance, as a list of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.console.words import day, in_words

COLOURS: Final = {"can": "green", "reason": "yellow", "needs": "teal", "later": "purple", "never": "grey"}
LABELS: Final = {
    "can": "Can be done",
    "reason": "Needs a reason",
    "needs": "Depends on answers",
    "later": "Not yet",
    "never": "Not allowed",
}
ORDER: Final = tuple(LABELS)
OWN_PAGES: Final = {"SignDocument": "sign"}
"""Commands that have a page of their own beside the form that is drawn for each."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that stands in the way, or may do so."""

    rule: str
    text: str
    source: str
    until: str = ""
    """What a later day changes."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command that the role may send, and how it stands with it."""

    type: str
    title: str
    kind: str
    reasons: Sequence[Reason] = field(default=())
    day: str = ""
    """Of one that is not possible yet: the first day on which a rule answers otherwise."""

    @property
    def page(self) -> str:
        """The page of its form, below the address of its record."""
        return OWN_PAGES.get(self.type, f"do/{self.type}")

    @property
    def is_open(self) -> bool:
        """Whether there is a form to fill in."""
        return self.kind in {"can", "reason", "needs"}

    @property
    def label(self) -> str:
        """The words of its tag."""
        return f"Not before {day(self.day)}" if self.day else LABELS[self.kind]

    @property
    def colour(self) -> str:
        """The colour of its tag, which says nothing that the words do not."""
        return COLOURS[self.kind]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a record: those to show, and those that do not belong to its state."""

    shown: Sequence[Step]
    out_of_place: Sequence[Step]


def steps_of(guidance: Mapping[str, Any], titles: Mapping[str, str]) -> Steps:
    """Sort the commands of a guidance answer: the possible ones first; what the state alone refuses apart."""
    shown: list[Step] = []
    apart: list[Step] = []
    for command in guidance["commands"]:
        rules = list({(rule["id"], rule["text"], rule["answer"]): rule for rule in command["rules"]}.values())
        changes = sorted(rule["changes_on"] for rule in rules if rule["answer"] == "broken" and rule["changes_on"])
        step = Step(
            command["type"],
            titles.get(command["type"]) or in_words(command["type"]),
            _kind(command["status"], changes),
            [reason for rule in rules if (reason := _reason(rule))],
            changes[-1] if changes and command["status"] == "refused" else "",
        )
        out = step.kind == "never" and all(rule["kind"] == "state" for rule in rules if rule["answer"] == "broken")
        (apart if out else shown).append(step)
    return Steps(sorted(shown, key=lambda step: ORDER.index(step.kind)), apart)


def _kind(status: str, changes: Sequence[str]) -> str:
    if status == "refused":
        return "later" if changes else "never"
    return {"available": "can", "needs_rationale": "reason"}.get(status, "needs")


def _reason(rule: Mapping[str, Any]) -> Reason | None:
    """Say what a rule has to do with it; None for one that only depends on what is entered and says no more."""
    word = {"broken": "Until", "holds": "From"}.get(rule["answer"])
    if word is None:
        return None
    until = f"{word} {day(rule['changes_on'])}" if rule["changes_on"] else ""
    return Reason(rule["id"], rule["text"], rule["source"], until)
