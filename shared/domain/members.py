"""What a service shows of a state: a TypedDict, of which each member's docstring says what it means and when it is set."""

from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import is_typeddict

described = with_config(ConfigDict(use_attribute_docstrings=True))
"""Decorates such a TypedDict, so that its schema has the docstrings."""


def members_of(view: Any) -> dict[str, tuple[Any, str]]:
    """Return the type and the meaning of each member that a view shows; none if it declares none."""
    shown: Any = get_type_hints(view).get("return")
    if not is_typeddict(shown):
        return {}
    properties = TypeAdapter(shown).json_schema()["properties"]
    return {name: (hint, properties[name].get("description", "")) for name, hint in get_type_hints(shown).items()}
