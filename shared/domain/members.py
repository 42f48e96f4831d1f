"""What a service shows of a state: a TypedDict, of which each member's docstring says what it means and when it is set."""

from datetime import date
from enum import Enum
from typing import Any, TypeVar, cast, get_type_hints
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import is_typeddict

described = with_config(ConfigDict(use_attribute_docstrings=True))
"""Decorates such a TypedDict, so that its schema has the docstrings."""


V = TypeVar("V")


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: ids as text, codes by their values, times and days in ISO 8601."""
    match value:
        case Enum():
            return value.value
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return value


def shown(view: type[V], source: object) -> V:
    """Return the members of a view, from the attributes of the same names."""
    return cast("V", {name: json_value(getattr(source, name)) for name in get_type_hints(view)})


def members_of(view: Any) -> dict[str, tuple[Any, str]]:
    """Return the type and the meaning of each member that a view shows; none if it declares none."""
    returned: Any = get_type_hints(view).get("return")
    if not is_typeddict(returned):
        return {}
    properties = TypeAdapter(returned).json_schema()["properties"]
    return {name: (hint, properties[name].get("description", "")) for name, hint in get_type_hints(returned).items()}
