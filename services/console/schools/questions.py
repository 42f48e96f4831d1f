"""The questions of a report, one a page: which fields of `ReceiveReferral` each asks, and the warnings that answers call for.

A field that no question names is asked by the last one, so a field that the command gains needs no line here. When the
report was received is not asked: it follows from when the incident was reported.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.console.forms.fields import Answers, Field, command_of, controls

COMMAND: Final = "ReceiveReferral"
FOLLOWS: Final = "occurred_at"


@dataclass(frozen=True, slots=True)
class Question:
    """A page of the report."""

    name: str
    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caution:
    """What the person must know before going on, and where it is from."""

    title: str
    lines: tuple[str, ...]
    source: str


_TEXTS: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
QUESTIONS: Final = tuple(
    Question(question["name"], question["title"], tuple(question["fields"])) for question in _TEXTS["question"]
)
BY_NAME: Final[Mapping[str, Question]] = {question.name: question for question in QUESTIONS}
_CAUTIONS: Final = {
    name: Caution(text["title"], tuple(text["lines"]), text["source"]) for name, text in _TEXTS["caution"].items()
}
NUDE_IMAGERY: Final = _CAUTIONS["NUDE_IMAGERY"]
SAFEGUARDING_HOLD: Final = _CAUTIONS["SAFEGUARDING_HOLD"]
WARNED_OF: Final[Mapping[str, Caution]] = {
    flag: _CAUTIONS[name] for name, text in _TEXTS["caution"].items() for flag in text["flags"]
}
"""Marks of gravity, each with the warning that it calls for."""


def fields_asked(question: Question, fields: Sequence[Field]) -> list[Field]:
    """Return the fields of a question; the last has those that no question names as well. Ids are filled in, not asked."""
    named = {FOLLOWS, *(name for item in QUESTIONS for name in item.fields)}
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
