"""Reports of `ooc verify`, kept to the byte: whole or broken, when, and who ran it.

The SHA-256 of a report stands in a line of the access log, whose tree the signer signs and a witness cosigns (ADR 33). So
no API needs a signing key, and an altered, deleted or invented report contradicts a line that others have signed.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID, uuid4

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from services.reporting.access import ACCESS
from services.reporting.dependencies import Dependencies
from services.reporting.projection.snapshot import Pool
from services.reporting.queries.asking import ask
from shared.api.access_log import AccessLog, LogUnavailable
from shared.api.authorisation import ReadGate
from shared.api.bodies import parse_model, read_body
from shared.api.parameters import ACCESS_REASON, UUID_TEXT, Parameter
from shared.api.problems import problem_response
from shared.api.quarantine import REASON
from shared.api.request import Caller, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.domain.messages import Actor
from shared.evidence.contract import NO_CONTRACT
from shared.evidence.home_evidence import evidence_of
from shared.evidence.log import ACCESS as LINES
from shared.evidence.statement import NoStatement, Reader
from shared.servers.database import retry_or_raise

PART: Final = "verifications"
ACTION: Final = "KEEP_VERIFICATION"
MAX_BYTES: Final = 1_000_000
"""The largest report: some sixty checks, with twenty lines each at most."""
LATEST: Final = "latest"

_ID: Final = Parameter(
    "verification_id",
    f"Which report: its id, or {LATEST}.",
    re.compile(f"{LATEST}|{UUID_TEXT.pattern}"),
    f"give the id of a report, or {LATEST}",
    "path",
)
_KEEP: Final = """
    insert into verification_report (id, actor, whole, report, sha256) values ($1, $2, $3, $4, $5)
    on conflict (id) do nothing returning id
"""
_FIND: Final = "select * from verification_report where $1::uuid is null or id = $1 order by kept_at desc, id limit 1"


class ReportedFinding(Schema):
    """What one check looked at, and what is broken; nothing, if it is whole."""

    service: str
    check: str
    looked_at: str
    problems: list[str]


class VerificationReport(Schema):
    """A verification of the whole system."""

    started_at: datetime
    ended_at: datetime
    whole: bool
    findings: list[ReportedFinding] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees_with_its_findings(self) -> Self:
        if self.whole == any(finding.problems for finding in self.findings):
            raise ValueError("whole contradicts the findings: send the report as `ooc verify` made it")
        return self


class KeptVerification(Schema):
    """A report as it was kept."""

    verification_id: UUID
    kept_at: datetime
    kept_by: UUID
    whole: bool
    sha256: str = Field(description="Of the report's bytes, in hexadecimal; the access log holds it too.")


class ProvedVerification(KeptVerification):
    """A report with what proves it: checkpoint, entry of the access log and statement, as in the bundle of a case."""

    report: str = Field(description="The report as JSON, to the byte.")
    evidence: dict[str, Any]


def _line(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "verification_id": str(row["id"]),
        "kept_at": row["kept_at"].isoformat(),
        "kept_by": str(row["actor"]),
        "whole": row["whole"],
        "sha256": row["sha256"].hex(),
    }


def log_target(id_: UUID, sha256: bytes) -> str:
    """Return the target of the access log's line that records the keeping of a report."""
    return f"reporting/verifications/{id_}/sha256:{sha256.hex()}"


def add_verifications(app: FastAPI) -> None:
    @app.post(
        "/v1/verifications",
        status_code=201,
        tags=["evidence"],
        response_model=KeptVerification,
        **declared((REASON,), 415, body=json_body(_body_schema())),
    )
    async def keep(request: Request, actor: Caller) -> JSONResponse:
        """Keep a report of `ooc verify` to the byte, with its SHA-256 in the access log: both or neither."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        assert reason is not None, "the route declares that it is required"
        content = await read_body(request, MAX_BYTES)
        report = parse_model(VerificationReport, content)
        id_, digest = uuid4(), hashlib.sha256(content).digest()
        target = log_target(id_, digest)
        if at.gate.refusal(actor, PART, reason) is not None:
            await at.gate.act(actor, PART, ACTION, target, reason)

        async def insert() -> asyncpg.Record | None:
            async with at.database.acquire() as connection, connection.transaction():
                if await connection.fetchval(_KEEP, id_, actor.id, report.whole, content, digest) is not None:
                    await ReadGate(AccessLog(connection), ACCESS).act(actor, PART, ACTION, target, reason)
            return await at.database.fetchrow(_FIND, id_)

        row = await retry_or_raise(insert, LogUnavailable)
        assert row is not None
        return JSONResponse(_line(row), 201)

    @app.get(
        "/v1/verifications/{verification_id}",
        tags=["evidence"],
        response_model=ProvedVerification,
        **declared((_ID, ACCESS_REASON), 404),
    )
    async def read_verification(request: Request, actor: Caller, verification_id: str) -> JSONResponse:
        """Return the last report, or one by its id, with the signed evidence that it was kept as it is."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        _ID.validate(verification_id)
        await at.gate.read(actor, PART, f"reporting/verifications/{verification_id}", reason)
        id_ = None if verification_id == LATEST else UUID(verification_id)
        row = await ask(lambda: at.database.fetchrow(_FIND, id_))
        if row is None:
            return problem_response(
                "unknown", "There is no such report", "No such report is kept: run `ooc verify --report FILE`."
            )
        answer = {**_line(row), "report": row["report"].decode()}
        return await proved(at.database, actor, row["id"], log_target(row["id"], row["sha256"]), answer)


async def proved(pool: Pool, actor: Actor, id_: UUID, target: str, answer: Mapping[str, Any]) -> JSONResponse:
    """Answer with the signed evidence that the access log has a line with a target, about what has an id."""
    reader = Reader(actor.labels, (LINES,))
    try:
        evidence = await evidence_of(pool, "reporting", id_, [target], NO_CONTRACT, reader)
    except NoStatement as error:
        return problem_response("unavailable", "No statement was signed", str(error))
    return JSONResponse({**answer, "evidence": evidence})


def _body_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report with that of its findings in place: a body written by hand has no `$defs`."""
    schema = VerificationReport.model_json_schema()
    schema["properties"]["findings"]["items"] = schema.pop("$defs")[ReportedFinding.__name__]
    return schema


async def report_problems(pool: Pool) -> list[str]:
    """List the reports that their bytes or the access log contradict, in words."""
    rows = await pool.fetch("select id, sha256, sha256(report) as digest from verification_report order by kept_at, id")
    kept = {log_target(row["id"], row["sha256"]): f"verification report {row['id']}" for row in rows}
    altered = [
        f"verification report {row['id']}: its bytes are not those of its SHA-256"
        for row in rows
        if row["digest"] != row["sha256"]
    ]
    return altered + await log_problems(pool, ACTION, kept)


async def log_problems(pool: Pool, action: str, kept: Mapping[str, str]) -> list[str]:
    """List what the access log's lines of an action contradict; `kept` has the name of each thing by the target of its line."""
    lines = await pool.fetch("select target from access_log where action = $1 and outcome = 'GIVEN'", action)
    logged = {line["target"] for line in lines}
    return [
        *(
            f"{name}: no line of the access log records it with its SHA-256"
            for target, name in kept.items()
            if target not in logged
        ),
        *(f"{target}: the access log records it, and it is not kept" for target in sorted(logged - kept.keys())),
    ]
