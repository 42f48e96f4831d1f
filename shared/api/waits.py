"""Waits: GET /v1/waits lists the facts that have not reached their records, for the readers of both ends.

A client asks each service: a reaction waits in the service of its target, a stream in quarantine where it was not applied.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.dependencies import Dependencies
from shared.api.dry_run import Services
from shared.api.parameters import ACCESS_REASON, UUID_TEXT, Parameter, an_id
from shared.api.queries import denial_of
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import Schema, WaitLine
from shared.domain.messages import Actor
from shared.domain.permissions import STATE, Permission, marks_within, read_denial
from shared.domain.service import Service
from shared.event_store import EventStoreUnavailable
from shared.messaging.waits import StandingWait, standing_waits
from shared.servers.database import retry_or_raise

DEFAULT: Final = 100
MOST: Final = 1_000
"""The most waits on a page."""

_HOME: Final = an_id("home", "Only what concerns records of this home, such as a case.", "query")
_AFTER: Final = Parameter(
    "after",
    "The place after which the page begins: the `next` of the page before.",
    re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:]{{8}}\.[0-9]{{6}}Z:{UUID_TEXT.pattern}"),
    "give the `next` of another page",
)
_LIMIT: Final = Parameter(
    "limit",
    "The most waits on the page.",
    re.compile("1000|[1-9][0-9]{0,2}"),
    f"give a number from 1 to {MOST}",
    schema={"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT},
)
PARAMETERS: Final = (_HOME, _AFTER, _LIMIT, ACCESS_REASON)


class Waits(Schema):
    """A page of what waits in a service, the longest first."""

    waits: list[WaitLine]
    next: str | None = Field(description="The `after` of the following page; null after the last.")


def add_waits(app: FastAPI, service: Service[Any], services: Services) -> None:
    """Add the route of what waits in a deciding service. Among `services` are those whose events it reads."""

    @app.get("/v1/waits", tags=["queries"], response_model=Waits, **declared(PARAMETERS))
    async def waits(request: Request, actor: Caller) -> JSONResponse:
        """List the facts that have not reached their records here, longest first, as far as the reader may read either end.

        Of each sender the oldest are listed; with `home` all that concern it.
        """
        at: Dependencies = request.app.state.deps
        home = read_home(request)
        await at.gate.read(actor, "state", waits_target(service.name, home), read_reason(request))
        listed = await retry_or_raise(lambda: standing_waits(at.database, service, home), EventStoreUnavailable)
        return await waits_page(request, listed, lambda wait: may_see(at, service, services, actor, wait))


def read_home(request: Request) -> UUID | None:
    """Read the home that a question about waits names; None for every home."""
    home = read_query(request).get(_HOME.name)
    return None if home is None else read_id(home, _HOME.name)


def waits_target(service: str, home: UUID | None) -> str:
    return f"{service}/waits" if home is None else f"{service}/waits/{home}"


async def waits_page(
    request: Request, listed: Iterable[StandingWait], shows: Callable[[StandingWait], Awaitable[bool]]
) -> JSONResponse:
    """Answer with the page that a request asks for, of the waits that `shows` selects."""
    query = read_query(request)
    after, limit = query.get(_AFTER.name, ""), int(query.get(_LIMIT.name, DEFAULT))
    page: list[StandingWait] = []
    next_place = None
    for wait in listed:
        if wait.place > after and await shows(wait):
            if len(page) == limit:
                next_place = page[-1].place
                break
            page.append(wait)
    return JSONResponse({"waits": [wait.view() for wait in page], "next": next_place})


async def may_see(
    at: Dependencies, service: Service[Any], services: Services, actor: Actor, wait: StandingWait
) -> bool:
    """Tell whether an actor sent a lost command, or may read the whole state of the source or of a target of a wait."""
    if wait.wait.sender == actor.id:
        return True
    for one in actor.in_each_role():
        for target in wait.wait.targets if _is_whole(service.permission(one)) else ():
            records = (await at.event_store.load(target)).records
            if records and await denial_of(at, service, one, records) is None:
                return True
    source = wait.wait.source.partition("/")[0]
    owner = service if source == service.name else next((one for one in services() if one.name == source), None)
    if owner is None:
        return False
    return any([await _may_read_source(at, service, owner, one, wait) for one in actor.in_each_role()])


async def _may_read_source(
    at: Dependencies, service: Service[Any], owner: Service[Any], actor: Actor, wait: StandingWait
) -> bool:
    """Check the source event alone: of the rest of its stream the service knows the marks that it keeps.

    So a conflict of interest cannot be ruled out.
    """
    permission = owner.permission(actor)
    if not _is_whole(permission) or wait.access is None or actor.conflicts:
        return False
    access = wait.access if wait.fact is None else wait.access.joined(owner.events, [wait.fact])
    kept = (await at.event_store.linked_marks({wait.home})).get(wait.home, frozenset()) if permission.where else ()
    linked = marks_within(kept, access.labels, service.inherited_labels)
    marks = {mark.removeprefix(f"{owner.name}.") for mark in linked}
    return read_denial(actor, permission, access, service.inherited_labels, marks) is None


def _is_whole(permission: Permission) -> bool:
    return permission.fields is None and permission.parts >= STATE
