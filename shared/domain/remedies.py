"""What to do about a malformed value, in words for people. Nothing of what the library says of it is repeated."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic_core.core_schema import ErrorType

LIBRARY: Final = frozenset(get_args(ErrorType))
"""Every type of error that is the library's own; the others are ours, and have words of ours."""
OTHERWISE: Final = "this is no value of this field: see what the field is for"

_DATE: Final = "give a date that exists, such as 2026-06-09"
_TIME: Final = "give a time with its zone, such as 2026-06-09T23:50:00+01:00"
_LIST: Final = "give a list"
_OBJECT: Final = "give an object with the fields of this one"
_WHOLE: Final = "give a whole number"
_NUMBER: Final = "give a number"

_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "this field is missing: add it",
    "extra_forbidden": "there is no such field: remove it, or correct its name",
    "timezone_aware": "a time needs its zone: write it as 2026-06-09T23:50:00+01:00",
    "json_invalid": "this is no JSON: correct it",
    "string_type": "give a text",
    "string_unicode": "give a text in UTF-8",
    "string_too_short": "give at least {min_length} characters",
    "string_too_long": "give at most {max_length} characters",
    "string_pattern_mismatch": "use only letters, digits and signs that this field allows, on one line",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give {ge} or more",
    "less_than": "give less than {lt}",
    "less_than_equal": "give {le} or less",
    "multiple_of": "give a multiple of {multiple_of}",
    "finite_number": _NUMBER,
    "enum": "choose one of: {expected}",
    "literal_error": "choose one of: {expected}",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "give at most {max_digits} digits",
    "decimal_max_places": "give at most {decimal_places} digits after the point",
    "decimal_whole_digits": "give at most {whole_digits} digits before the point",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "uuid_type": "give an id such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11",
    "uuid_parsing": "give an id such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}


def remedy_of(error: Mapping[str, Any]) -> str:
    """Return what to do about an error of a `ValidationError`, as its `errors` lists it with its context."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind not in LIBRARY:
        return str(error["msg"])
    if kind == "value_error":
        return str(context["error"])
    words = {name: str(value).replace(" or ", ", ").replace("'", "") for name, value in context.items()}
    return _REMEDIES.get(kind, OTHERWISE).format_map(words)
