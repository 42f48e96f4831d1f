"""Deprecated routes: one list for answers, documents and the gate of the contract.

An answer of such a route has the headers Deprecation (RFC 9745), Sunset (RFC 8594) and a link to the OpenAPI document,
which marks it and says what to use instead. From the day of its sunset on it may be removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any, Final

from shared.domain.dates import add_months

NOTICE_MONTHS: Final = 12
"""The shortest time from the notice to the end."""

SUNSET: Final = "x-sunset"
"""The member of a deprecated operation or property in OpenAPI with the day from which it may be gone (ISO 8601)."""


@dataclass(frozen=True, slots=True)
class Deprecated:
    """A route of every API that has it, or one member of its answer."""

    method: str
    path: str
    since: date
    """The day of the notice: that of the release that brings it."""
    instead: str
    """What to use instead, as a sentence."""
    member: str = ""
    """The member of the answer that goes; empty: the whole route."""

    @property
    def sunset(self) -> date:
        """The first day on which it may be gone."""
        return add_months(self.since, NOTICE_MONTHS)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of an answer. The link is relative: an API may stand below any address."""
        return {
            "Deprecation": f"@{_midnight(self.since).timestamp():.0f}",
            "Sunset": format_datetime(_midnight(self.sunset), usegmt=True),
            "Link": f'<{"../" * (self.path.count("/") - 1)}openapi.json>; rel="deprecation"; type="application/json"',
        }


DEPRECATED: tuple[Deprecated, ...] = ()
"""Nothing is, at present."""


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def headers_of(method: str, path: str) -> Mapping[str, str]:
    """Return the headers of an answer of a route: those of the notice whose end comes first; none if nothing goes."""
    notices = [notice for notice in DEPRECATED if (notice.method, notice.path) == (method, path)]
    return min(notices, key=lambda notice: notice.since).headers if notices else {}


def mark_deprecated(document: dict[str, Any]) -> None:
    """Mark in an OpenAPI document what goes. A notice of a route that it lacks is about other APIs."""
    for notice in DEPRECATED:
        operation = document["paths"].get(notice.path, {}).get(notice.method.lower())
        if operation is not None:
            part = _member_of(document, operation, notice.member) if notice.member else operation
            part |= {"deprecated": True, SUNSET: notice.sunset.isoformat()}
            part["description"] = f"{part.get('description', '')}\n\nDeprecated. {notice.instead}".strip()


def _member_of(document: dict[str, Any], operation: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return the schema of a member of an operation's answer."""
    reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    schema: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]["properties"][member]
    return schema
