"""What routes read of an address and of headers: each is said once, for its parser and for the OpenAPI document.

A route has one tuple of these: it gives it to `declared` for the document and to `asking.read_query` for a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared.api.problems import Malformed
from shared.printing.documents import LANGUAGES


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name, what it means, which texts it takes, and what is said of any other."""

    name: str
    description: str
    pattern: re.Pattern[str]
    """What the whole text matches."""
    hint: str
    place: Literal["query", "header", "path"] = "query"
    schema: Mapping[str, Any] = field(default_factory=dict)
    """What the document says of the text beyond its pattern."""
    required: bool = False
    repeatable: bool = False

    def take(self, text: str) -> str:
        """A text that was given for it; raises `Malformed`."""
        if not self.pattern.fullmatch(text):
            raise Malformed((self.name, self.hint))
        return text

    def declared(self) -> dict[str, Any]:
        """The parameter as OpenAPI 3.1 describes it (Parameter Object)."""
        schema = {"type": "string", "pattern": f"^({self.pattern.pattern})$", **self.schema}
        if "enum" in schema or schema["type"] != "string":
            del schema["pattern"]
        return {
            "name": self.name,
            "in": self.place,
            "required": self.required or self.place == "path",
            "description": self.description,
            "schema": {"type": "array", "items": schema} if self.repeatable else schema,
        }


def choice(
    name: str,
    description: str,
    values: Iterable[str],
    hint: str,
    place: Literal["query", "header", "path"] = "query",
    **schema: Any,
) -> Parameter:
    """A parameter that takes one of these values."""
    listed = list(values)
    pattern = re.compile("|".join(map(re.escape, listed)))
    return Parameter(name, description, pattern, hint, place, {"enum": listed, **schema})


def declared(parameters: Sequence[Parameter], **more: Any) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads these parameters."""
    return {"parameters": [parameter.declared() for parameter in parameters], **more}


UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UUID_HINT: Final = "an id is a UUID such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Python reads more than these, such as weeks, digits of other scripts and any sign between the day and the hour. In an
# address a plus sign stands for a space unless it is written %2B: so a space is a plus sign too.
MOMENT: Final = re.compile(DAY.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[ +-][0-9]{2}:[0-9]{2})")
TIME_HINT: Final = "give a date (2026-06-09) or a time with its zone (2026-06-09T23:50:00+01:00), from 1900 to 2199"


def an_id(name: str, description: str, place: Literal["query", "header", "path"]) -> Parameter:
    """A parameter that takes a UUID."""
    return Parameter(name, description, UUID_TEXT, UUID_HINT, place, {"format": "uuid"})


def a_time(
    name: str,
    description: str,
    meaning: str = "A date, which means the end of that Europe/London day, or a time with its zone",
    *,
    required: bool = False,
) -> Parameter:
    """A query parameter that takes a date or a time with its zone."""
    return Parameter(
        name,
        f"{description} {meaning}; from 1900 to 2199. A plus sign is written %2B in an address.",
        re.compile(f"{DAY.pattern}|{MOMENT.pattern}"),
        TIME_HINT,
        schema={"anyOf": [{"format": "date"}, {"format": "date-time"}]},
        required=required,
    )


def a_day(name: str, description: str, *, required: bool = False) -> Parameter:
    """A query parameter that takes a date, or a time whose date counts."""
    meaning = "A date, or a time with its zone, of which the Europe/London date counts"
    return a_time(name, description, meaning, required=required)


ID: Final = an_id("id", "Which record: its UUID.", "path")
AS_OF: Final = a_time("as_of", "Only what had occurred by then.")
KNOWN_AT: Final = a_time("known_at", "Only what had been recorded by then.")
ON_DAY: Final = a_day("as_of", "As things stood at the end of this day; today where it is absent.")
LANG: Final = choice(
    "lang",
    "The language of the document.",
    LANGUAGES,
    f"choose one of {', '.join(LANGUAGES)}",
    default=LANGUAGES[0],
)

REASONS: Final = (
    *("AUDIT", "CASE_REVIEW", "COMPLAINT", "CONSOLE", "CORRECTION", "COURT", "DATA_BREACH", "ERASURE", "INSPECTION"),
    *("QUALITY", "RESEARCH", "SCENARIO", "SUBJECT_ACCESS", "SUPERVISION", "TEST"),
)
"""Why something is read. A list and no pattern: a name in capital letters would fit any pattern, and the log is for ever."""
ACCESS_REASON: Final = Parameter(
    "Access-Reason",
    "Why this is read: a code, so that the access log holds nothing personal. Some roles must give one.",
    re.compile("|".join((*REASONS, "INC_[0-9]{1,12}"))),
    f"give one of these reasons: {', '.join(REASONS)}; or the number of an incident, such as INC_4711",
    "header",
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "A new key for each command, the same for a retry, which is answered as the first time.",
    re.compile(r"[\x21-\x7e]{1,200}"),
    "send this header with 1 to 200 visible characters: a new key for each command, the same for a retry",
    "header",
    required=True,
)
CORRELATION: Final = an_id(
    "Correlation-Id",
    "Ties the commands of one piece of work together; the command's own id where it is absent.",
    "header",
)
TRACEPARENT: Final = Parameter(
    "traceparent",
    "The trace that the command belongs to (W3C Trace Context); one that is malformed is passed over.",
    re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    "give a traceparent of version 00",
    "header",
)
