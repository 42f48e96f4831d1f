"""Parameters of paths, queries and headers, each declared once: a route names its own in `routes.declared`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import WithJsonSchema

from shared.api.problems import Malformed
from shared.printing.documents import LANGUAGES


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name, meaning and format, and the error text for another format."""

    name: str
    description: str
    pattern: re.Pattern[str]
    """The regular expression of the whole text."""
    hint: str
    place: Literal["query", "header", "path"] = "query"
    schema: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the JSON schema."""
    required: bool = False
    repeatable: bool = False
    lenient: bool = False
    """Whether the route itself answers to a malformed text: it passes over it, or knows no such thing."""

    def validate(self, text: str) -> str:
        """Return the text if it has the right format. Raises `Malformed`."""
        if not self.pattern.fullmatch(text):
            raise Malformed((self.name, self.hint))
        return text

    @property
    def annotation(self) -> Any:
        """A parameter of a path as FastAPI reads it: a text with its JSON schema."""
        return Annotated[str, WithJsonSchema(self._json_schema), Path(alias=self.name, description=self.description)]

    @property
    def described(self) -> dict[str, Any]:
        schema = {"type": "array", "items": self._json_schema} if self.repeatable else self._json_schema
        return {
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "schema": schema,
            "description": self.description,
        }

    @property
    def _json_schema(self) -> dict[str, Any]:
        schema = {"type": "string", "pattern": f"^({self.pattern.pattern})$", **self.schema}
        if "enum" in schema or schema["type"] != "string":
            del schema["pattern"]
        return schema


def choice(
    name: str,
    description: str,
    values: Iterable[str],
    hint: str,
    place: Literal["query", "header", "path"] = "query",
    lenient: bool = False,
    **schema: Any,
) -> Parameter:
    options = list(values)
    pattern = re.compile("|".join(map(re.escape, options)))
    return Parameter(name, description, pattern, hint, place, {"enum": options, **schema}, lenient=lenient)


UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UUID_HINT: Final = "an id is a UUID such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"
DAY: Final = re.compile(r"(?:19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}")
# Python accepts more: weeks, digits of other scripts, any separator between day and hour. An unescaped plus sign in an
# address is decoded as a space, so a space counts as a plus sign.
MOMENT: Final = re.compile(DAY.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[ +-][0-9]{2}:[0-9]{2})")
TIME_HINT: Final = "give a date (2026-06-09) or a time with its zone (2026-06-09T23:50:00+01:00), from 1900 to 2199"


def an_id(name: str, description: str, place: Literal["query", "header", "path"]) -> Parameter:
    """Build a parameter that holds a UUID. Another text is malformed (422)."""
    return Parameter(name, description, UUID_TEXT, UUID_HINT, place, {"format": "uuid"})


def a_time(
    name: str,
    description: str,
    meaning: str = "A date, which means the end of that Europe/London day, or a time with its zone",
    *,
    required: bool = False,
) -> Parameter:
    """Build a query parameter for a date or a time with its zone."""
    return Parameter(
        name,
        f"{description} {meaning}; from 1900 to 2199. A plus sign is written %2B in an address.",
        re.compile(f"{DAY.pattern}|{MOMENT.pattern}"),
        TIME_HINT,
        required=required,
    )


def a_day(name: str, description: str, *, required: bool = False) -> Parameter:
    """Build a query parameter for a date, or a time of which the date counts."""
    meaning = "A date, or a time with its zone, of which the Europe/London date counts"
    return a_time(name, description, meaning, required=required)


ID: Final = an_id("id", "The UUID of the record.", "path")
AS_OF: Final = a_time("as_of", "Only events that had occurred by then.")
KNOWN_AT: Final = a_time("known_at", "Only events that had been recorded by then.")
TIMES: Final = (AS_OF, KNOWN_AT)
"""The two times of every question about a record (bitemporal)."""
LANG: Final = choice(
    "lang", "The language of the document.", LANGUAGES, f"choose one of {', '.join(LANGUAGES)}", default=LANGUAGES[0]
)

REASONS: Final = (
    *("AUDIT", "CASE_REVIEW", "COMPLAINT", "CONSOLE", "CORRECTION", "COURT", "DATA_BREACH", "ERASURE", "INSPECTION"),
    *("MESSAGE", "QUALITY", "RESEARCH", "SCENARIO", "SUBJECT_ACCESS", "SUPERVISION", "TEST"),
)
"""The reasons for a read. A fixed list, since any pattern would admit a name, and the log is permanent."""
ACCESS_REASON: Final = Parameter(
    "Access-Reason",
    "The reason for the read, as a code, so that the access log holds nothing personal. Some roles must give one.",
    re.compile("|".join((*REASONS, "INC_[0-9]{1,12}"))),
    f"give one of these reasons: {', '.join(REASONS)}; or the number of an incident, such as INC_4711",
    "header",
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "The idempotency key: a new one for each command, the same for a retry, which returns the first receipt again.",
    re.compile(r"[\x21-\x7e]{1,200}"),
    "send this header with 1 to 200 visible characters: a new key for each command, the same for a retry",
    "header",
    required=True,
)
PAGE: Final = Parameter(
    "page",
    "Which page.",
    re.compile(r"[1-9][0-9]{0,4}"),
    "give a page number from 1 to 99999",
    schema={"type": "integer", "minimum": 1, "maximum": 99999, "default": 1},
)
DRY_RUN: Final = choice(
    "dry_run",
    "Whether to answer what the command would do, and record nothing.",
    ("true", "false"),
    "give true or false",
    default="false",
)
JUDGED_AT: Final = a_time(
    "as_of", "With dry_run=true: the answer as if the command were sent then, if that is later than now."
)
CORRELATION: Final = an_id(
    "Correlation-Id",
    "The id that connects the commands of one piece of work; the id of the command if absent.",
    "header",
)
TRACEPARENT: Final = Parameter(
    "traceparent",
    "The trace of the command (W3C Trace Context). A malformed value is ignored.",
    re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    "give a traceparent of version 00",
    "header",
    lenient=True,
)
