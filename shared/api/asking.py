"""What a request says: its body, ids, times and reasons; whatever cannot be understood is `Malformed`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError

from shared.documents import LANGUAGES
from shared.messages import Actor, Command
from shared.problems import Malformed
from shared.reading import end_of_day
from shared.service import Service
from shared.working_days import local_day

KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{2,39}")
ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Python reads more than these, such as weeks, digits of other scripts and any sign between the day and the hour.
MOMENT: Final = re.compile(DAY.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

CORRELATION: Final = "Correlation-Id"
"""Header that ties the commands of one piece of work together; the command's own id where it is absent."""


async def read_actor(request: Request) -> Actor:
    """Who asks, by the bearer token, before anything else is said; raises `BadToken` or `IssuerUnavailable`."""
    actor: Actor = await request.app.state.at.tokens.actor(request.headers.get("authorization"))
    return actor


async def read_command(request: Request, service: Service[Any], limit: int) -> Command:
    """The command of a request's body; raises `Malformed`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Malformed(("body", f"the body is larger than {limit} bytes: shorten the texts"))
    try:
        command = service.command_adapter.validate_json(bytes(body))
    except ValidationError as error:
        raise Malformed.of(error) from error
    except ValueError as error:
        raise Malformed(("body", f"the body is not JSON in UTF-8: {type(error).__name__}")) from error
    repeated = _repeated_keys(bytes(body))
    if repeated:
        raise Malformed(*((name, "this field is given twice: give it once") for name in repeated))
    return command


def _repeated_keys(body: bytes) -> list[str]:
    """Names that stand twice in one object of a JSON text: which of the two was meant cannot be known."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(pairs)

    json.loads(body, object_pairs_hook=look)
    return found


def read_id(text: str, name: str = "id") -> UUID:
    """An id of a path or a header of this name; raises `Malformed`."""
    if not ID.fullmatch(text):
        raise Malformed((name, "an id is a UUID such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"))
    return UUID(text)


def read_correlation(request: Request) -> UUID | None:
    """The Correlation-Id header; raises `Malformed`."""
    text = request.headers.get(CORRELATION)
    return None if text is None else read_id(text, CORRELATION)


def read_traceparent(request: Request) -> str | None:
    """The W3C traceparent header, where it is well formed."""
    text = request.headers.get("traceparent", "")
    return text if TRACEPARENT.fullmatch(text) else None


def read_reason(request: Request) -> str | None:
    """The reason for a read: a code, so that the log holds nothing personal; raises `Malformed`."""
    reason = request.headers.get("access-reason")
    if reason is not None and not REASON.fullmatch(reason):
        raise Malformed(
            (
                "Access-Reason",
                "a reason is a code of 3 to 40 capital letters, digits and underscores, such as CASE_REVIEW",
            )
        )
    return reason


def read_query(request: Request, *known: str) -> dict[str, str]:
    """The query parameters by name; raises `Malformed` for one that is unknown or given twice."""
    wrong = [
        (
            name,
            "this parameter is given twice: give it once"
            if name in known
            else f"there is no such parameter; there is {', '.join(known) or 'none'}",
        )
        for name in request.query_params
        if name not in known or len(request.query_params.getlist(name)) > 1
    ]
    if wrong:
        raise Malformed(*wrong)
    return dict(request.query_params)


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """A time with its zone, or a date, which means the end of that Europe/London day; raises `Malformed`."""
    text = query.get(name)
    if text is None:
        return None
    try:
        if DAY.fullmatch(text):
            return _within(end_of_day(date.fromisoformat(text)))
        # In an address a plus sign stands for a space unless it is written %2B.
        text = text.replace(" ", "+")
        if not MOMENT.fullmatch(text):
            raise ValueError(name)
        return _within(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Malformed(
            (
                name,
                "give a date (2026-06-09) or a time with its zone (2026-06-09T23:50:00+01:00), from 1900 to 2199",
            )
        ) from None


def _within(moment: datetime) -> datetime:
    # The years of a command's times: at the ends of Python's own, zones overflow.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """A date, or a time whose Europe/London date counts; raises `Malformed`."""
    moment = read_time(query, name)
    return None if moment is None else local_day(moment)


def end_of_today() -> date:
    """Today, in Europe/London."""
    return local_day(datetime.now(UTC))


def read_language(query: Mapping[str, str]) -> str:
    """The language of a document, English by default; raises `Malformed`."""
    language = query.get("lang", "en")
    if language not in LANGUAGES:
        raise Malformed(("lang", f"choose one of {', '.join(LANGUAGES)}"))
    return language
