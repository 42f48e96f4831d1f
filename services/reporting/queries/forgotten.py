"""The people whom the event stores record as forgotten, and whether a key of theirs stands all the same.

A restored backup of the keyring brings keys back that were destroyed since. The events of the destruction are in the event
stores, so it can be repeated (`ooc forget-again`).
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.dependencies import Dependencies
from services.reporting.queries.asking import ask
from services.reporting.queries.retention import PART
from shared.api.parameters import ACCESS_REASON
from shared.api.request import Caller, read_reason
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.data_rights import Basis
from shared.privacy.keyring import PostgresKeyring

_FORGOTTEN: Final = """
    select service, recorded_at, convert_from(body, 'UTF8')::jsonb -> 'data' as data from fact
    where type ~ '\\.PersonForgotten\\.v[0-9]+$' order by recorded_at, service
"""


class ForgottenPerson(Schema):
    """A forgotten person: on what basis, since when by service, and whether a key of theirs exists all the same."""

    person_id: UUID
    basis: Basis
    forgotten_at: dict[str, datetime] = Field(description="When each service that held something recorded it.")
    key_stands: bool = Field(
        description="Whether the keyring has a key, or no tombstone: the destruction is to be repeated."
    )


class ForgottenPeople(Schema):
    """Everybody who is forgotten, the first forgotten first."""

    people: list[ForgottenPerson]


def add_forgotten(app: FastAPI) -> None:
    """Add the route that lists forgotten persons (`GET /v1/forgotten`)."""

    @app.get("/v1/forgotten", tags=["evidence"], response_model=ForgottenPeople, **declared((ACCESS_REASON,)))
    async def forgotten(request: Request, actor: Caller) -> JSONResponse:
        """List the people whom an event store records as forgotten, and whether a key of theirs stands all the same."""
        at: Dependencies = request.app.state.deps
        await at.gate.read(actor, PART, "reporting/forgotten", read_reason(request))
        rows = await ask(lambda: at.database.fetch(_FORGOTTEN))
        people = _people(rows)
        assert isinstance(at.keyring, PostgresKeyring)
        standing = await at.keyring.standing([f"person/{person}" for person in people])
        return JSONResponse(
            {"people": [line | {"key_stands": f"person/{person}" in standing} for person, line in people.items()]}
        )


def _people(rows: Iterable[asyncpg.Record]) -> dict[str, dict[str, Any]]:
    people: dict[str, dict[str, Any]] = {}
    for row in rows:
        data = json.loads(row["data"])
        person = people.setdefault(
            data["person_id"], {"person_id": data["person_id"], "basis": data["basis"], "forgotten_at": {}}
        )
        person["forgotten_at"].setdefault(row["service"], row["recorded_at"].isoformat())
    return people
