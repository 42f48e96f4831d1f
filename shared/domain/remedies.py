"""What to do about a malformed value, in words for people. Nothing of what the library says of it is repeated."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic_core.core_schema import ErrorType

from shared.domain.declared import read_beside

LIBRARY: Final = frozenset(get_args(ErrorType))
"""Every type of error that is the library's own; the others are ours, and have words of ours."""
OTHERWISE: Final = "this is no value of this field: see what the field is for"

_REMEDIES: Final[Mapping[str, str]] = read_beside(__file__)


def remedy_of(error: Mapping[str, Any]) -> str:
    """Return what to do about an error of a `ValidationError`, as its `errors` lists it with its context."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind not in LIBRARY:
        return str(error["msg"])
    if kind == "value_error":
        return str(context["error"])
    words = {name: str(value).replace(" or ", ", ").replace("'", "") for name, value in context.items()}
    return _REMEDIES.get(kind, OTHERWISE).format_map(words)
