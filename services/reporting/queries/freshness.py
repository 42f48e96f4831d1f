"""The freshness of an answer: how long ago the worker noted (caught_up.py) that everything published was projected.

A projection that has stopped, one that is behind, and one whose Kafka does not answer look the same. Events that a service
has recorded and not published yet are unknown here; `ooc status` shows them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Pool
from shared.api.parameters import Parameter
from shared.api.routes import declared
from shared.api.schemas import Schema

F = TypeVar("F", bound=Callable[..., Any])

FRESH_SECONDS: Final = 15
"""Seconds after which an answer without a new note is stale: several notes, and what a busy machine delays."""

HEADER: Final = "Ooc-Stale"

MAY_BE_STALE: Final[dict[str, Any]] = {
    "headers": {
        HEADER: {
            "description": "Of which services later events may be missing, from which position and since when; absent from a"
            " fresh answer.",
            "schema": {"type": "string"},
            "example": "referral:12; since=2026-11-26T09:00:00+00:00",
        }
    }
}
"""What an answer of projected events is declared with."""

_STALE: Final = """
    select s.service, coalesce(h.position, 0) as position, f.caught_up_at as since
    from unnest($1::text[]) as s (service)
    left join freshness as f using (service) left join high_water_mark as h using (service)
    where coalesce(f.caught_up_at < clock_timestamp() - make_interval(secs => $2), true)
    order by s.service
"""


class StaleService(Schema):
    """A service of which events may be missing in an answer."""

    service: str
    position: int = Field(
        description="Everything up to this position is in the answer, and later events may be missing."
    )
    since: datetime | None = Field(description="When the answer last held all that was published; null: it never did.")


class Projected(Schema):
    """An answer from projected events: how far it reaches, and where later events may be missing."""

    positions: dict[str, int] = Field(description="For each service the position up to which events are in the answer.")
    stale: list[StaleService]


def projected(
    app: FastAPI,
    path: str,
    answer: type[BaseModel],
    parameters: Sequence[Parameter],
    *statuses: int,
    tag: str = "cases",
) -> Callable[[F], F]:
    """Declare a route whose answer comes from projected events; `statuses` are those of its further problems."""
    return app.get(
        path, tags=[tag], response_model=answer, **declared(parameters, *statuses, answers={200: MAY_BE_STALE})
    )


async def stale_services(pool: Pool) -> list[dict[str, Any]]:
    """Return the services whose latest events the projection may lack."""
    rows = await pool.fetch(_STALE, sorted(READ_MODELS), FRESH_SECONDS)
    return [
        {"service": row["service"], "position": row["position"], "since": row["since"] and row["since"].isoformat()}
        for row in rows
    ]


def stale_header(stale: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the header of an answer that is stale, such as `referral:12; since=2026-11-26T09:00:00+00:00`."""
    if not stale:
        return {}
    return {
        HEADER: ", ".join(
            f"{service['service']}:{service['position']}; since={service['since'] or 'ever'}" for service in stale
        )
    }


def json_answer(answer: Mapping[str, Any], stale: list[dict[str, Any]]) -> JSONResponse:
    """Answer; a stale answer is marked in a header, and in its body if it has positions."""
    return JSONResponse({**answer, "stale": stale} if "positions" in answer else answer, headers=stale_header(stale))
