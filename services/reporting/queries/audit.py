"""What auditors and the data protection officer ask of reporting: who looked, with the evidence, and where a person is named.

Persons and access pass the read gate as the part `access_log`, retention and forgotten persons as `data_rights`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.snapshot import Pool
from services.reporting.queries.asking import ask, ask_for_reader
from services.reporting.queries.cases import case
from services.reporting.queries.forgotten import add_forgotten
from services.reporting.queries.retention import add_retention
from services.reporting.queries.visibility import reader_of, record_line, visible
from shared.api.dependencies import ApiDependencies
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.problems import problem_response
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.messages import Actor
from shared.domain.permissions import Denial
from shared.evidence.access_lines import CASE, add_access_lines
from shared.evidence.contract import NO_CONTRACT
from shared.evidence.home_evidence import evidence_of
from shared.evidence.log import ACCESS
from shared.evidence.routes import add_evidence
from shared.evidence.statement import Reader

PERSON_ID: Final = an_id("person_id", "The id of the person, the same in every service.", "path")
_PERSON: Final = (PERSON_ID, ACCESS_REASON)
_RECORDS: Final = f"""
    select s.service, s.stream, s.cases, s.state, s.open from stream as s
    where s.mentions @> array[$1::uuid] and {visible(2)}
    order by s.opened_at, s.service, s.stream
"""  # noqa: S608 - the clause there, and no value


class RecordOfPerson(Schema):
    """A record that names a person: its service and id, its cases, its state, and whether work on it is open."""

    service: str = Field(description="The service of the record.")
    id: UUID
    case_ids: list[UUID] = Field(description="The cases that the record belongs to.")
    state: str = Field(description="The stage of the record.")
    open: bool = Field(description="Whether anything is left to do in it.")


class PersonRecords(Schema):
    """The records that name a person, oldest first."""

    person_id: UUID
    records: list[RecordOfPerson]


def add_audit(app: FastAPI) -> None:
    """Add the auditors' routes: evidence, access log, retention, forgotten persons, the records of a person."""
    add_evidence(app, "reporting", (ACCESS,), _read_evidence)
    add_access_lines(app, (CASE,), _read_targets)
    add_retention(app)
    add_forgotten(app)

    @app.get("/v1/people/{person_id}", tags=["evidence"], response_model=PersonRecords, **declared(_PERSON, 404))
    async def person(request: Request, actor: Caller, person_id: str) -> JSONResponse:
        """List the records of every service that name a person by their id, oldest first. It holds nobody's name."""
        at: ApiDependencies = request.app.state.deps
        id_ = read_id(person_id, PERSON_ID.name)
        await at.gate.read(actor, "access_log", f"reporting/people/{id_}", read_reason(request))
        records = await ask(lambda: _records_of(at.database, actor, id_))
        if not records:
            return problem_response(
                "unknown", "There is no such person", f"No record names the person {id_}: check the id."
            )
        return JSONResponse({"person_id": str(id_), "records": records})


async def _records_of(pool: Pool, actor: Actor, person: UUID) -> list[dict[str, Any]]:
    reader = await reader_of(pool, actor)
    rows = await pool.fetch(_RECORDS, person, *reader.reach("state").parameters)
    return [record_line(row) | {"open": row["open"]} for row in rows]


async def _read_evidence(request: Request, actor: Actor, home: UUID) -> JSONResponse:
    at: ApiDependencies = request.app.state.deps
    target = f"reporting/cases/{home}"
    known, reader = await _may_audit(request, actor, home, f"{target}/evidence"), Reader(actor.labels, (ACCESS,))
    if not (known or reader.sees_every_label):
        reader = Reader(actor.labels)  # a hidden case answers as an unknown one
    return JSONResponse(await evidence_of(at.database, "reporting", home, [target], NO_CONTRACT, reader))


async def _read_targets(request: Request, actor: Actor, query: Mapping[str, str]) -> Sequence[str]:
    """Return the name under which the access log knows a case; nothing if the actor may not know of it."""
    home = read_id(query[CASE.name], CASE.name)
    target = f"reporting/cases/{home}"
    return [target] if await _may_audit(request, actor, home, f"{target}/access") else []


async def _may_audit(request: Request, actor: Actor, home: UUID, target: str) -> bool:
    """Pass the read gate for the access log of a case; False if it must answer as one that does not exist."""
    at: ApiDependencies = request.app.state.deps
    reader = await ask_for_reader(at.database, actor)
    answer = await ask(lambda: case(at.database, reader, home))
    denial = answer if isinstance(answer, Denial) else None
    return await at.gate.read(actor, "access_log", target, read_reason(request), denial=denial) and answer is not None
