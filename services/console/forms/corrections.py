"""The form of a correction: first the fields of the event, each with what it says, then the right value.

The value is asked as the forms ask for it whose commands have such a field: a day in its boxes, a code by its words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from textwrap import shorten
from typing import Any, Final

from services.console.apis import Apis, part_of
from services.console.forms.fields import (
    Answers,
    Drawing,
    Field,
    Json,
    Option,
    answers_in_words,
    boxes_of,
    boxes_of_time,
    field_at,
)
from services.console.records import SEALED, as_it_stands
from services.console.routing import first
from services.console.sessions import Session

CORRECTS: Final = "corrects"
"""The field that names the event."""
FIELD: Final = "field"
VALUE: Final = "value"
VALUE_ASKED: Final = "shown.field"
"""The field whose value the form has asked for."""
TYPED: Final = "Write it in the form of the value that stands there: a day as 2026-03-27, a code as it is."
LONGEST: Final = 80
"""Letters of a value in the list."""
ASKED: Final = frozenset({"choice", "choices", "date", "integer", "lines", "long", "number", "text", "time", "yes_no"})
"""The kinds of fields that ask for a value by itself."""


@dataclass(frozen=True, slots=True)
class Like:
    """The fields of all forms of a service."""

    commands: Sequence[Json]
    parts: Json

    def at(self, path: str) -> Field | None:
        """Return the field that the forms have at a path of an event; None if none has one, or they differ."""
        drawing = Drawing(self.parts)
        fields = [field for schema in self.commands if (field := field_at(path, schema, drawing)) is not None]
        kinds = {(field.kind, *field.options, field.longest, repr(field.limits)) for field in fields}
        found = fields[0] if len(kinds) == 1 else None
        return found if found is not None and found.kind in ASKED and not found.is_digest else None


async def event_of(apis: Apis, session: Session, service: str, path: str, answers: Answers) -> Mapping[str, Any]:
    """Return the event of a record that the answers of a correction name; empty if the person may not read it."""
    wanted = first(answers, CORRECTS)
    history = await part_of(apis.get(session, service, f"{path}/history"))
    events = (history.value or {"events": ()})["events"]
    found: Mapping[str, Any] = next((event for event in events if event["event_id"] == wanted), {})
    return found


def show_value(answers: dict[str, list[str]]) -> bool:
    """Note the field whose value is asked now, and tell whether the form did not ask for it yet."""
    name = first(answers, FIELD)
    if CORRECTS not in answers or not name or answers.get(VALUE_ASKED) == [name]:
        return False
    for old in [old for old in answers if old.partition(".")[0] == VALUE]:
        del answers[old]
    answers[VALUE_ASKED] = [name]
    return True


def with_fields(
    fields: Sequence[Field], event: Mapping[str, Any], answers: Answers, like: Like
) -> tuple[Sequence[Field], Answers]:
    """Offer the fields of the one event, with what they say; if none is known, a name is entered.

    Once a field is chosen its value is asked, and the one that stands there is the answer to be changed.
    """
    leaves = dict(_leaves(as_it_stands(event))) if event else {}
    chosen = first(answers, VALUE_ASKED)
    asked = like.at(chosen) if chosen else None

    def drawn(field: Field) -> Field:
        match field.name:
            case "corrects" if event:
                return replace(field, options=[option for option in field.options if option.value == event["event_id"]])
            case "field" if event:
                options = [Option(name, _in_words(name, value, like.at(name))) for name, value in leaves.items()]
                return replace(field, kind="choice", options=options, is_open=True, help="")
            case "value" if asked is not None:
                title = f"{field.title}: {asked.title}"
                may_be_none = not asked.required and asked.kind not in {"choices", "lines"}
                return replace(asked, name=VALUE, title=title, required=not may_be_none, sends_nothing=may_be_none)
            case "value":
                return replace(field, help=TYPED)
            case _:
                return field

    shown = [drawn(field) for field in fields if chosen or field.name != VALUE]
    return shown, _answers_of(asked, leaves.get(chosen)) if asked else {}


def _answers_of(field: Field, value: Any) -> Answers:
    """Return the answers of the value that stands there; none for what nobody has said, or the reader may not know."""
    match value:
        case None | Mapping():
            return {}
        case list():
            return {VALUE: list(map(str, value)) if field.kind == "choices" else ["\n".join(map(str, value))]}
        case bool():
            return {VALUE: ["yes" if value else "no"]}
        case _ if field.kind == "date":
            return boxes_of(VALUE, date.fromisoformat(value))
        case _ if field.kind == "time":
            return boxes_of_time(VALUE, value)
        case _:
            return {VALUE: [str(value)]}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    within: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, Mapping) and SEALED.isdisjoint(value):
        within = iter(value.items())
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        within = iter(enumerate(value))
    else:
        yield name, value
    for key, item in within:
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def _in_words(name: str, value: Any, field: Field | None) -> str:
    words = name.replace("_", " ").replace(".", ", ")
    match value:
        case None:
            text = "nothing"
        case Mapping():
            text = "not shown to your role"
        case _ if field is not None:
            answered = answers_in_words([replace(field, name=VALUE)], _answers_of(field, value))
            text = next((said for _, said in answered), "none")
        case bool():
            text = "yes" if value else "no"
        case list():
            text = ", ".join(map(str, value)) or "none"
        case _:
            text = str(value)
    return f"{words[:1].upper()}{words[1:]}: {shorten(text, LONGEST, placeholder='…')}"
