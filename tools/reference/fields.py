"""Fields in plain words: what a field holds, whether it may be left out, and whether it is kept sealed."""

import types
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from shared.domain.messages import COMMAND_FIELDS, Command
from shared.domain.sealing import FieldClass, OwnedBy, Sealed, types_in
from shared.domain.words import FieldWords, Words

WORDS: dict[Any, str] = {
    UUID: "id",
    str: "text",
    date: "day",
    datetime: "time with its zone",
    AwareDatetime: "time with its zone",
    bool: "yes or no",
    int: "whole number",
    Decimal: "number with hundredths",
    Any: "any value",
}
HEAD = ("Field", "In words", "What it is", "Holds", "May be left out", "Kept")


def rows(model: type[BaseModel], words: Words) -> Iterator[tuple[str, ...]]:
    """Yield a line for each field of a message's own, which not every command has, with its title and help for people."""
    common = COMMAND_FIELDS if issubclass(model, Command) else frozenset()
    for name, field in model.model_fields.items():
        if name not in common:
            said = words.of_field(model, name) or FieldWords("", "")
            optional = "no" if field.is_required() else "yes"
            yield f"`{field.alias or name}`", said.title, said.help, _holds(field.annotation), optional, _storage(field)


def _holds(annotation: Any) -> str:  # noqa: PLR0911 - one line for each kind
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in {Annotated, Sealed}:
        return _holds(args[0])
    if origin in {Union, types.UnionType}:
        return " or ".join(_holds(part) for part in args if part is not type(None))
    if origin is tuple:
        return f"list of: {_holds(args[0])}"
    if origin is dict:
        return f"table from {_holds(args[0])} to {_holds(args[1])}"
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in args)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{part.value}`" for part in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _storage(field: FieldInfo) -> str:
    owner = next((mark.field for mark in field.metadata if isinstance(mark, OwnedBy)), None)
    whose = f"with the key of `{owner}`" if owner else "with the key of the case"
    if any(get_origin(part) is Sealed for part in types_in(field.annotation)):
        class_ = next((f", class `{mark}`" for mark in field.metadata if isinstance(mark, FieldClass)), "")
        return f"sealed {whose}{class_}"
    return f"what is sealed in it {whose}" if owner else "clear"
