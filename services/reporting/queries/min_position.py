"""Read your writes: an answer waits until the positions that its reader names have been projected."""

import asyncio
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse

from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from services.reporting.projection.snapshot import Pool
from shared.api.parameters import Parameter
from shared.api.problems import problem_response
from shared.event_store import EventStoreUnavailable
from shared.messaging.projection_consumer import has_reached, progress
from shared.servers.database import retry_or_raise

PATIENCE_SECONDS: Final = 15.0
"""How long a query waits for the position that it asks for."""
POLL_SECONDS: Final = 0.02
FAR: Final = 1000
"""How far beyond the newest known event a position is not waited for: more than is recorded while a query is patient."""

MIN_POSITION: Final = Parameter(
    "min_position",
    "The position token of a receipt: the answer waits until that has been projected.",
    re.compile(f"({'|'.join(READ_MODELS)}):[0-9]{{1,18}}"),
    "give the position_token of a receipt, such as disposal:1234",
    repeatable=True,
)


def furthest(request: Request, parameter: Parameter = MIN_POSITION) -> dict[str, int]:
    """Return for each service the furthest position that a parameter names. Raises `Malformed`."""
    positions: dict[str, int] = {}
    for text in request.query_params.getlist(parameter.name):
        service, _, position = parameter.validate(text).partition(":")
        positions[service] = max(positions.get(service, 0), int(position))
    return positions


async def wait_for(pool: Pool, wanted: Mapping[str, int]) -> str | None:
    """Wait until all positions have been projected; return the first that was not in time. Raises `EventStoreUnavailable`."""
    until = time.monotonic() + PATIENCE_SECONDS
    for service, position in wanted.items():
        late = f"{service}:{position}"
        reached = partial(has_reached, pool, CONSUMER, service, position)
        if await retry_or_raise(reached, EventStoreUnavailable):
            continue
        _, known = await retry_or_raise(partial(progress, pool, CONSUMER, service), EventStoreUnavailable)
        if position > known + FAR:
            return late
        while not await retry_or_raise(reached, EventStoreUnavailable):
            if time.monotonic() > until:
                return late
            await asyncio.sleep(POLL_SECONDS)
    return None


def not_yet(late: str) -> JSONResponse:
    return problem_response(
        "not-yet", "Not yet", f"{late} has not been projected: ask again, at most for {PATIENCE_SECONDS:g} seconds."
    )
