"""The form of a correction: the fields of the event that is corrected, each with what it says, and the right value as text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import shorten
from typing import Any, Final

from services.console.apis import Apis, part_of
from services.console.forms.fields import Answers, Field, Option
from services.console.records import SEALED, as_it_stands
from services.console.sessions import Session

CORRECTS: Final = "corrects"
"""The field that names the event."""
VALUE: Final = "Write it in the form of the value that stands there: a day as 2026-03-27, a code as it is."
LONGEST: Final = 80
"""Letters of a value in the list."""


async def event_of(apis: Apis, session: Session, service: str, path: str, answers: Answers) -> Mapping[str, Any]:
    """Return the event of a record that the answers of a correction name; empty where the person may not read it."""
    wanted = next(iter(answers.get(CORRECTS, ())), "")
    history = await part_of(apis.get(session, service, f"{path}/history"))
    events = (history.value or {"events": ()})["events"]
    found: Mapping[str, Any] = next((event for event in events if event["event_id"] == wanted), {})
    return found


def with_fields(fields: Sequence[Field], event: Mapping[str, Any]) -> Sequence[Field]:
    """Offer the fields of the one event, with what they say; where none is known, a name is entered."""
    if not event:
        return fields
    offered = [Option(name, _in_words(name, value)) for name, value in _leaves(as_it_stands(event))]

    def drawn(field: Field) -> Field:
        match field.name:
            case "corrects":
                return replace(field, options=[one for one in field.options if one.value == event["event_id"]])
            case "field":
                return replace(field, kind="choice", options=offered, is_open=True, help="")
            case "value":
                return replace(field, help=VALUE)
            case _:
                return field

    return list(map(drawn, fields))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that a value holds, by the path that a correction names."""
    within: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, Mapping) and SEALED.isdisjoint(value):
        within = iter(value.items())
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        within = iter(enumerate(value))
    else:
        yield name, value
    for key, item in within:
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def _in_words(name: str, value: Any) -> str:
    words = name.replace("_", " ").replace(".", ", ")
    match value:
        case None:
            text = "nothing"
        case bool():
            text = "yes" if value else "no"
        case Mapping():
            text = "not shown to your role"
        case list():
            text = ", ".join(map(str, value)) or "none"
        case _:
            text = shorten(str(value), LONGEST, placeholder="…")
    return f"{words[:1].upper()}{words[1:]}: {text}"
