"""What a service shows of a state: a TypedDict, of which each member's docstring says what it means and when it is set."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast, get_type_hints
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import is_typeddict

described = with_config(ConfigDict(use_attribute_docstrings=True))
"""Decorates such a TypedDict, so that its schema has the docstrings."""


V = TypeVar("V")


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: ids as text, codes by their values, times and days in ISO 8601; so what it holds."""
    shown_as: Any = value
    match value:
        case Mapping():
            shown_as = {str(name): json_value(inner) for name, inner in value.items()}
        case list() | tuple():
            shown_as = [json_value(inner) for inner in value]
        case Decimal():
            shown_as = int(value) if value == value.to_integral_value() else float(value)
        case Enum():
            shown_as = value.value
        case date():
            shown_as = value.isoformat()
        case UUID():
            shown_as = str(value)
        case _:
            pass
    return shown_as


def shown(view: type[V], source: object, **others: object) -> V:
    """Return the members of a view: the others that are given, and the rest from the attributes of the same names.

    Without a source the rest are null.
    """
    rest = (name for name in view.__annotations__ if name not in others)
    members = {name: None if source is None else getattr(source, name) for name in rest} | others
    return cast("V", {name: json_value(members[name]) for name in view.__annotations__})


def members_of(view: Any) -> dict[str, tuple[Any, str]]:
    """Return the type and the meaning of each member that a view shows; none if it declares none."""
    returned: Any = get_type_hints(view).get("return")
    if not is_typeddict(returned):
        return {}
    properties = TypeAdapter(returned).json_schema()["properties"]
    return {name: (hint, properties[name].get("description", "")) for name, hint in get_type_hints(returned).items()}
