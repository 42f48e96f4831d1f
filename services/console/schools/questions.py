"""The questions of a report, one a page: which fields of `ReceiveReferral` each asks, and the warnings that answers call for.

A field that no question names is asked with the account, so a field that the command gains needs no line here. When the
report was received is not asked: it follows from when the incident was reported. A school is asked in its own words, and not
what its report says by itself; anybody who reports without a sign-in likewise.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.console.forms.fields import Answers, Field, Option, command_of, controls
from services.trade.vocabulary import Role
from shared.domain.declared import read_beside

COMMAND: Final = "ReceiveReferral"
FOLLOWS: Final = "occurred_at"
ACCOUNT: Final = "account"
SENT: Final = "shown.sent"
"""Among the answers of a report: they were sent, whatever came of it."""
URN: Final = re.compile(r"[0-9]{6,7}")


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


_TEXTS: Final = read_beside(__file__)
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


_SCHOOL: Final = _TEXTS["school"]
_OWN_WORDS: Final[Mapping[str, Any]] = {
    Role.SCHOOL: _SCHOOL,
    Role.INVITED: _TEXTS["public"] | {"fields": _SCHOOL["fields"] | _TEXTS["public"]["fields"]},
}
"""The words and known answers of those who report what they have seen themselves."""


def _own_words(roles: Collection[str]) -> Mapping[str, Any] | None:
    return next((words for role, words in _OWN_WORDS.items() if role in roles), None)


def questions_for(roles: Collection[str]) -> tuple[Question, ...]:
    """Return the questions that a person of some roles is asked: as a school, if that is one of them."""
    known = known_to(roles, "", None).keys()
    return tuple(question for question in QUESTIONS if not known >= set(question.fields))


def known_to(roles: Collection[str], organisation: str, now: datetime | None) -> dict[str, list[str]]:
    """Return the answers that a report gives by itself, such as a school's: whose it is, when it is made, and why it may be kept."""
    own = _own_words(roles)
    if own is None:
        return {}
    known = {name: [value] for name, value in own["knows"].items()}
    school = {"school_urn": [organisation]} if URN.fullmatch(organisation) else {}
    return known | school | {"reported_at": [now.isoformat(timespec="seconds")] if now else []}


def fields_for(roles: Collection[str], organisation: str, fields: Sequence[Field]) -> list[Field]:
    """Return the fields of a report as a person is asked them: a school, and anybody, in their own words."""
    own = _own_words(roles)
    if own is None:
        return list(fields)
    known = known_to(roles, organisation, None)
    return [
        replace(field, kind="hidden", title="") if field.name in known else field for field in in_words(fields, own)
    ]


FEEDBACK: Final[Mapping[str, Any]] = _TEXTS["feedback"]
"""The words in which anybody is asked what they say of us."""


def in_words(fields: Sequence[Field], own: Mapping[str, Any]) -> list[Field]:
    return [_in_words(field, own["fields"].get(field.name, {})) for field in fields]


def _in_words(field: Field, words: Mapping[str, Any]) -> Field:
    options = tuple(Option(code, text) for code, text in words.get("options", {}).items()) or field.options
    return replace(field, title=words.get("title", field.title), help=words.get("help", field.help), options=options)


def fields_asked(question: Question, fields: Sequence[Field]) -> list[Field]:
    """Return the fields of a question; the account has those that no question names as well. Ids are filled in, not asked."""
    named = {FOLLOWS, *(name for item in QUESTIONS for name in item.fields)}
    by_name = {item.name: item for item in fields if item.title}
    fields_of_question = [by_name[name] for name in question.fields if name in by_name]
    if question is BY_NAME[ACCOUNT]:
        fields_of_question += [item for item in fields if item.name not in named and not item.is_new_id]
    return fields_of_question


def question_of(field: str) -> Question:
    return next((question for question in QUESTIONS if field.partition(".")[0] in question.fields), BY_NAME[ACCOUNT])


def is_complete(question: Question, fields: Sequence[Field], answers: Answers) -> bool:
    """Whether a question was answered, and nothing of it is wrong. If all may be left out, its page was sent."""
    fields_of_question = fields_asked(question, fields)
    _, wrong = command_of(fields_of_question, answers)
    return not wrong and any(name in answers for field in fields_of_question for name in controls(field))


def answers_with(
    question: Question, fields: Sequence[Field], answers: Answers, new: Answers
) -> dict[str, Sequence[str]]:
    names = {field.name for field in fields_asked(question, fields)}
    names_left = [name for name in answers if name != SENT and not names & {name, name.split(".")[0]}]
    others = {name: answers[name] for name in names_left}
    # A list of which nothing is chosen sends nothing: it is kept as an answer of none.
    return {**others, **{name: [] for name in names}, **new}


def warnings_for(answers: Answers) -> list[Caution]:
    """Return the warnings that the marks of gravity call for, each once."""
    return list(dict.fromkeys(WARNED_OF[flag] for flag in answers.get("flags", ()) if flag in WARNED_OF))
