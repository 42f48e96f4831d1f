"""The lines of a service's access log about the records of a home, or about one record, latest first.

Each service answers from its own log, to the roles that may read it. The question is itself a line of that log.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.access_log import LogUnavailable
from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, Parameter, an_id
from shared.api.problems import Malformed, problem_response
from shared.api.queries import reading
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.messages import Actor
from shared.domain.service import Service
from shared.evidence.log import LINES_ABOUT, line_of
from shared.servers.database import Pool, retry_or_raise

PAGE_SIZE: Final = 200

CASE: Final = an_id("case", "The case, or other home, about whose records the lines are.", "query")
RECORD: Final = an_id("record", "The record of this service about which the lines are.", "query")
BEFORE: Final = Parameter(
    "before",
    "Only lines with a smaller number: `next` of the answer before.",
    re.compile(r"[1-9][0-9]{0,17}"),
    "give `next` of the answer before",
    schema={"type": "integer", "minimum": 1},
)

_LINES: Final = f"""
    select distinct l.sequence, l.at, l.actor, l.role, l.organisation, l.action, l.target, l.reason, l.outcome, l.rules
    from unnest($1::text[]) as t (name)
    {LINES_ABOUT}
    where $2::bigint is null or l.sequence < $2
    order by l.sequence desc limit $3
"""  # noqa: S608 - the constant there

ReadTargets = Callable[[Request, Actor, Mapping[str, str]], Awaitable[Sequence[str]]]
"""Passes the read gate, and returns the names under which the log knows the records; none: there is no such thing."""


class AccessLine(Schema):
    """A line of the access log: who did what with which record, when, in which role, why, and with what outcome."""

    number: int = Field(description="Its number in the service's access log.")
    at: datetime = Field(description="When it was done, in UTC.")
    actor: UUID = Field(description="The id of the person or service.")
    role: str = Field(description="The role in which they acted.")
    organisation: str = Field(description="The organisation of the actor.")
    action: str = Field(description="What was done, such as READ_HISTORY, OPEN_FIELDS or the name of a command.")
    target: str = Field(description="The record, and the part of it.")
    reason: str | None = Field(description="The code that the actor gave as reason.")
    outcome: str = Field(description="Whether it was given, forbidden or refused.")
    rules: list[str] = Field(description="The rules that refused.")


class AccessLines(Schema):
    """A page of lines of the access log, latest first."""

    lines: list[AccessLine]
    next: int | None = Field(description="The value of `before` for the next page; null on the last one.")


def add_access_lines(app: FastAPI, about: tuple[Parameter, ...], read_targets: ReadTargets) -> None:
    """Add the route. `about` are the parameters of which a question has exactly one."""
    parameters = (*about, BEFORE, ACCESS_REASON)

    @app.get("/v1/access", tags=["evidence"], response_model=AccessLines, **declared(parameters, 404))
    async def access(request: Request, actor: Caller) -> JSONResponse:
        """List who read or changed what, when, in which role and why, and what was refused; latest first.

        It has the lines about single records. Lists, searches and measures name no record, and are not among them.
        """
        query = read_query(request)
        read_reason(request)
        names = [parameter.name for parameter in about]
        if sum(name in query for name in names) != 1:
            raise Malformed((names[0], f"ask about one thing: give {' or '.join(names)}"))
        targets = await read_targets(request, actor, query)
        if not targets:
            return problem_response("unknown", "There is no such record", "Nothing is known of it here: check the id.")
        before = int(query["before"]) if "before" in query else None
        database: Pool = request.app.state.deps.database
        rows = await retry_or_raise(
            lambda: database.fetch(_LINES, list(targets), before, PAGE_SIZE + 1), LogUnavailable
        )
        page = rows[:PAGE_SIZE]
        following = page[-1]["sequence"] if len(rows) > PAGE_SIZE else None
        return JSONResponse({"lines": [line_of(row) for row in page], "next": following})


def add_service_access_lines(app: FastAPI, service: Service[Any]) -> None:
    async def read_targets(request: Request, actor: Actor, query: Mapping[str, str]) -> Sequence[str]:
        at: Dependencies = request.app.state.deps
        if RECORD.name in query:
            streams = [service.stream_name(read_id(query[RECORD.name], RECORD.name))]
        else:
            home = read_id(query[CASE.name], CASE.name)
            rows = await retry_or_raise(
                lambda: at.database.fetch("select distinct stream from event where home = $1 order by stream", home),
                LogUnavailable,
            )
            streams = [row["stream"] for row in rows] or [f"{service.name}/homes/{home}"]
        readable = []
        for stream in streams:
            records = (await at.event_store.load(stream)).records
            one, denial = await reading(at, service, actor, records, "access_log")
            allowed = await at.gate.read(one, "access_log", f"{stream}/access", read_reason(request), denial=denial)
            if allowed and records:
                readable.append(stream)
        return readable

    add_access_lines(app, (CASE, RECORD), read_targets)
