"""The questions of a report, one a page: which fields of `ReceiveReferral` each asks, and the warnings that answers call for.

A field that no question names is asked by the last one, so a field that the command gains needs no line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.console.forms.fields import Answers, Field, command_of, controls

COMMAND: Final = "ReceiveReferral"


@dataclass(frozen=True, slots=True)
class Question:
    """A page of the report."""

    name: str
    title: str
    fields: tuple[str, ...]


QUESTIONS: Final = (
    Question("who", "Who reported it, and when?", ("source", "reported_at")),
    Question("what", "What kind of incident was it?", ("incident_type",)),
    Question("when", "When did it happen?", ("happened_at",)),
    Question("where", "Where did it happen?", ("setting", "school_urn", "on_premises", "in_school_hours")),
    Question("gravity", "Is any of this part of it?", ("flags",)),
    Question("account", "What happened?", ("narrative", "assessment")),
    Question("basis", "Why may this be kept?", ("lawful_basis", "occurred_at")),
)
BY_NAME: Final[Mapping[str, Question]] = {question.name: question for question in QUESTIONS}


@dataclass(frozen=True, slots=True)
class Caution:
    """What the person must know before going on, and where it is from."""

    title: str
    lines: tuple[str, ...]
    source: str


NUDE_IMAGERY: Final = Caution(
    "Do not look at the image",
    (
        "Do not view, copy, print, share or store it, and do not ask a child to share or download it.",
        "If you have seen it by accident, tell the designated safeguarding lead.",
        "Do not delete it, and do not ask the child to delete it.",
        "Do not describe the image in any text here. Nothing can be attached.",
        "The five questions of the screening come before any other decision.",
    ),
    "UKCIS, Sharing nudes and semi-nudes (2024); rules B4 and B5",
)
SAFEGUARDING: Final = Caution(
    "A child may be at risk: safeguarding comes first",
    (
        "If a child is in immediate danger, call 999 now.",
        "Tell the designated safeguarding lead of the school.",
        (
            "Raise a safeguarding concern as soon as this report is recorded: the receipt leads there. Everything else then"
            " waits until the safeguarding hub (MASH) has been told, or a supervisor has said why not."
        ),
    ),
    "Working Together to Safeguard Children; rule B1",
)
SAFEGUARDING_HOLD: Final = Caution(
    "Safeguarding hold: everything else waits",
    ("A safeguarding concern comes first: record the referral to the safeguarding hub (MASH), today.",),
    "Working Together to Safeguard Children; rule B1",
)
WARNED_OF: Final[Mapping[str, Caution]] = {
    "NUDE_IMAGERY": NUDE_IMAGERY,
    "EXPLOITATION": SAFEGUARDING,
    "SEXUAL": SAFEGUARDING,
    "DOMESTIC": SAFEGUARDING,
}
"""Marks of gravity, each with the warning that it calls for."""


def fields_asked(question: Question, fields: Sequence[Field]) -> list[Field]:
    """Return the fields of a question; the last has those that no question names as well. Ids are filled in, not asked."""
    named = {name for item in QUESTIONS for name in item.fields}
    by_name = {item.name: item for item in fields}
    fields_of_question = [by_name[name] for name in question.fields if name in by_name]
    if question is QUESTIONS[-1]:
        fields_of_question += [item for item in fields if item.name not in named and not item.is_new_id]
    return fields_of_question


def question_of(field: str) -> Question:
    """Return the question that asks a field, or a part of it."""
    return next((question for question in QUESTIONS if field.partition(".")[0] in question.fields), QUESTIONS[-1])


def is_complete(question: Question, fields: Sequence[Field], answers: Answers) -> bool:
    """Whether a question was answered, and nothing of it is wrong. Where all may be left out, its page was sent."""
    fields_of_question = fields_asked(question, fields)
    _, wrong = command_of(fields_of_question, answers)
    return not wrong and any(name in answers for field in fields_of_question for name in controls(field))


def answers_with(
    question: Question, fields: Sequence[Field], answers: Answers, new: Answers
) -> dict[str, Sequence[str]]:
    """Return the answers with those of one question in place of its earlier ones."""
    names = {field.name for field in fields_asked(question, fields)}
    others = {name: values for name, values in answers.items() if name not in names and name.split(".")[0] not in names}
    # A list of which nothing is chosen sends nothing: it is kept as an answer of none.
    return {**others, **{name: [] for name in names}, **new}


def warnings_for(answers: Answers) -> list[Caution]:
    """Return the warnings that the marks of gravity call for, each once."""
    return list(dict.fromkeys(WARNED_OF[flag] for flag in answers.get("flags", ()) if flag in WARNED_OF))
