"""What to do about a malformed value, in words for people. Nothing of what the library says of it is repeated."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic_core.core_schema import ErrorType

LIBRARY: Final = frozenset(get_args(ErrorType))
"""Every type of error that is the library's own; the others are ours, and have words of ours."""
OTHERWISE: Final = "this is no value of this field: see what the field is for"

_REMEDIES: Final[Mapping[str, str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def remedy_of(error: Mapping[str, Any]) -> str:
    """Return what to do about an error of a `ValidationError`, as its `errors` lists it with its context."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind not in LIBRARY:
        return str(error["msg"])
    if kind == "value_error":
        return str(context["error"])
    words = {name: str(value).replace(" or ", ", ").replace("'", "") for name, value in context.items()}
    return _REMEDIES.get(kind, OTHERWISE).format_map(words)
