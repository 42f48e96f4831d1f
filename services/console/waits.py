"""Parked reactions and quarantined streams of every service that the person may read."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.apis import PROJECTED, Apis, part_of
from services.console.navigation import lists_of
from services.console.sessions import Session
from services.reporting.projection.read_models import READ_MODELS
from services.system.registry import SERVICES
from shared.domain.permissions import permission_of

MOST: Final = 1_000
"""The most waits that are listed of a service."""
TITLES: Final = {entry.name: entry.title for entry in SERVICES}


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits, longest first; the titles of services that do not answer; and whether there is more than is listed."""

    lines: Sequence[Mapping[str, Any]] = ()
    silent: Sequence[str] = ()
    more: bool = False


async def list_waits(apis: Apis, session: Session, home: str | None = None) -> Waits:
    """Ask each service in parallel for what waits there: of one case, or of all."""
    services = [
        name for name, model in READ_MODELS.items() if "state" in permission_of(model.access, session.roles).parts
    ]
    if "cases" in lists_of(session.roles).parts:
        services.append(PROJECTED)
    query = {"home": home, "limit": str(MOST)}
    parts = await asyncio.gather(*(part_of(apis.get(session, name, "/v1/waits", query)) for name in services))
    answers = [part.value for part in parts if part.value is not None]
    return Waits(
        sorted((wait for answer in answers for wait in answer["waits"]), key=lambda wait: wait["since"]),
        [TITLES[name] for name, part in zip(services, parts, strict=True) if part.status == 503],
        any(answer["next"] for answer in answers),
    )
