"""Commands to try on a history: every choice of its codes and flags, its other fields as stories have filled them."""

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from itertools import combinations
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ValidationError

from shared.domain.dates import local_day
from shared.domain.decisions import RuleKind
from shared.domain.envelope import Fact
from shared.domain.ids import derived_uuid
from shared.domain.messages import COMMAND_FIELDS, Command
from shared.domain.rules import RuleBook
from shared.domain.sealing import Sealed

BEGUN_AT: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""The beginning of a history that no story has begun."""

Seen = Mapping[str, Sequence[Any]]
"""Values by the name of the field in which they stood."""


def seen_in(messages: Iterable[BaseModel]) -> dict[str, list[Any]]:
    """Collect every value in some messages by the name of its field, groups of fields opened."""
    by_name: dict[str, list[Any]] = {}

    def note(name: str, value: Any) -> None:
        if value is None or isinstance(value, (bool, Enum)):
            return
        if isinstance(value, BaseModel):
            for inner in type(value).model_fields:
                note(inner, getattr(value, inner))
        elif isinstance(value, (tuple, list)):
            for item in value:
                note(name.removesuffix("s"), item)
        values = by_name.setdefault(name, [])
        if value not in values:
            values.append(value)

    for message in messages:
        for name in type(message).model_fields:
            note(name, getattr(message, name))
    return by_name


def moments(history: Sequence[Fact], here: Seen) -> tuple[datetime, ...]:
    """Return times for the next command: an hour after the last fact, and after every time in the history."""
    if not history:
        return (BEGUN_AT,)
    soon = max(fact.occurred_at for fact in history) + timedelta(hours=1)
    spoken_of = [value for values in here.values() for value in values if isinstance(value, datetime)]
    later = max(spoken_of, default=soon) + timedelta(hours=3)
    return (soon, later) if later > soon else (soon,)


def variants(
    cls: type[Command], at: datetime, here: Seen, elsewhere: Seen, rules: RuleBook[Any], *, pairs: bool = True
) -> Iterator[Command]:
    """Yield commands of a class to try, each with a reason for every warning.

    All flags up, all flags down, and from each of these every choice of one field, and of two for `pairs`.
    """
    rationale = {rule.id: "As the story goes." for rule in rules.rules_for(cls, RuleKind.WARNS)}
    fields = {name: field for name, field in cls.model_fields.items() if name not in COMMAND_FIELDS}
    choices = [_choices(name, field.annotation, here, elsewhere, at) for name, field in fields.items()]
    for chosen in _combinations(choices, pairs=pairs):
        filled = {fields[name].alias or name: value for name, value in zip(fields, chosen, strict=True)}
        try:
            yield cls.model_validate(
                {"type": cls.__name__, "rationale": rationale, "occurred_at": at, **filled}, strict=False
            )
        except ValidationError:
            continue


def _combinations(choices: Sequence[Sequence[Any]], *, pairs: bool) -> Iterator[tuple[Any, ...]]:
    done: set[tuple[int, ...]] = set()
    for end in (0, -1):
        first = tuple(
            0 if end == 0 or not options or not isinstance(options[0], bool) else len(options) - 1
            for options in choices
        )
        places = range(len(choices))
        twos = combinations(places, 2) if pairs else ()
        for one, two in [(None, None), *((n, None) for n in places), *twos]:
            for a in range(len(choices[one])) if one is not None else (0,):
                for b in range(len(choices[two])) if two is not None else (0,):
                    picked = tuple(a if n == one else b if n == two else first[n] for n in places)
                    if picked not in done:
                        done.add(picked)
                        yield tuple(choices[n][pick] for n, pick in enumerate(picked))


def _choices(  # noqa: PLR0911 - one line for each kind
    name: str, annotation: Any, here: Seen, elsewhere: Seen, after: datetime
) -> Sequence[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _choices(name, args[0], here, elsewhere, after)
    if origin in {Union, types.UnionType}:
        inner = next(part for part in args if part is not type(None))
        return _choices(name, inner, here, elsewhere, after)
    if annotation is bool:
        return (True, False)
    if origin is Literal:
        return args
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(annotation)
    if annotation is UUID:
        return (*here.get(name, ())[-2:], derived_uuid("reference", name))
    if annotation is date:
        return (local_day(after) + timedelta(days=28),)
    if annotation is datetime:
        return (after + timedelta(days=1),)
    return _recorded_values(name, annotation, here, elsewhere, after)


def _recorded_values(name: str, annotation: Any, here: Seen, elsewhere: Seen, after: datetime) -> Sequence[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    values = [*here.get(name, ())[-2:], *elsewhere.get(name, ())[:3]]
    if values:
        return values
    if origin is Sealed and args[0] is not date:
        return (Sealed("As it happened."),)
    return (after + timedelta(days=1),) if annotation is AwareDatetime else (None,)
