"""Checkpoints, proofs, and the evidence of a home: what an auditor needs to check the logs without trusting them.

Keys, checkpoints and proofs hold hashes only: they need no token, and no access line is written. The evidence of a home holds its events as they are stored, personal fields sealed, and passes the read gate as a history does.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, Parameter, an_id, choice
from shared.api.problems import problem_response, problems
from shared.api.queries import reading
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared, declared_openly
from shared.domain.messages import Actor
from shared.domain.permissions import AUDIT
from shared.domain.service import Service
from shared.evidence.contract import contract_of
from shared.evidence.home_evidence import evidence_of, public_keys
from shared.evidence.log import ACCESS, EVENTS, LOGS, Log, prove_consistency, prove_inclusion
from shared.evidence.receipts import receipt_signer
from shared.evidence.statement import STATEMENT, NoStatement, Reader
from shared.messaging.consumer.position_signature import SIGNER as RELAY
from shared.privacy.keyring import KeyEncryptionKeys
from shared.privacy.signed_note import VerifierKey
from shared.servers.database import Pool
from shared.servers.settings import Settings

_SIZE = re.compile(r"[1-9][0-9]{0,17}")


def _number(name: str, description: str, *, required: bool) -> Parameter:
    return Parameter(
        name,
        description,
        _SIZE,
        "give a whole number from 1",
        schema={"type": "integer", "minimum": 1},
        required=required,
    )


HOME: Final = an_id("id", "The id of the home, such as a case.", "path")
AT_SIZE: Final = _number("size", "The size of a checkpoint; the latest if absent.", required=False)
NUMBER: Final = _number("number", "The number of the entry: an event's position, or a line's number.", required=True)
FIRST: Final = _number("first", "The size of the earlier checkpoint.", required=True)
SECOND: Final = _number("second", "The size of the later checkpoint.", required=True)
OF_SIZE: Final = _number("size", "The size of the checkpoint to which the proof leads.", required=True)

ReadHome = Callable[[Request, Actor, UUID], Awaitable[JSONResponse]]
"""Answers with the evidence of a home."""


def add_evidence(
    app: FastAPI,
    service: str,
    logs: tuple[Log, ...],
    read_home: ReadHome,
    receipt_key: Callable[[], VerifierKey] | None = None,
) -> None:
    """Add the routes of keys, checkpoints, proofs and evidence, for the logs that a service has.

    `receipt_key` derives the key by which this process signs receipts.
    """
    own = {(service, name) for name in (*(log.name for log in logs), STATEMENT, RELAY)}

    @app.get("/evidence/keys", tags=["evidence"], response_model=list[str], responses=problems(503))
    async def keys(request: Request) -> JSONResponse:
        """List the public keys that sign here. Compare them with what the operator publishes elsewhere."""
        listed = await public_keys(request.app.state.deps.database)
        # A holder of the signer's role could list a key of theirs as that of receipts, or as another service's.
        signing = [key for key in listed if tuple(key.partition("+")[0].split("/")[-2:]) in own]
        signing += [str(receipt_key())] if signing and receipt_key else []
        return (
            JSONResponse(signing)
            if signing
            else problem_response("unavailable", "No key signs here yet", "Try again when a worker has started.")
        )

    _add_proofs(app, [log.name for log in logs])

    @app.get(
        "/v1/evidence/homes/{id}",
        tags=["evidence"],
        response_model=dict[str, Any],
        **declared((HOME, ACCESS_REASON), 503),
    )
    async def home(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Return a home's entries as stored, with proofs, checkpoints, and a statement that there are no others, or none at all."""
        read_reason(request)
        try:
            return await read_home(request, actor, read_id(id))
        except NoStatement as error:
            return problem_response("unavailable", "No statement was signed", str(error))


def _add_proofs(app: FastAPI, logs: Sequence[str]) -> None:
    names = choice("log", "The log.", logs, f"choose one of {', '.join(logs)}", "path")

    def log_of(request: Request) -> tuple[Log, Pool]:
        return LOGS[names.validate(request.path_params["log"])], request.app.state.deps.database

    @app.get(
        "/evidence/{log}/checkpoint",  # noqa: FAST003 - declared below, with its values
        tags=["evidence"],
        response_class=PlainTextResponse,
        **declared_openly((names, AT_SIZE), 404, 422),
    )
    async def checkpoint(request: Request) -> Any:
        """Return a checkpoint as a signed note (C2SP tlog-checkpoint), the latest or that of a size."""
        chosen, database = log_of(request)
        size = read_query(request).get("size")
        note = await database.fetchval(
            "select note from signed_checkpoint where log = $1 and size = coalesce($2, size) order by size desc limit 1",
            chosen.name,
            None if size is None else int(size),
        )
        return (
            _missing(f"the log {chosen.name} has no checkpoint of this size")
            if note is None
            else PlainTextResponse(note)
        )

    @app.get(
        "/evidence/{log}/inclusion",  # noqa: FAST003 - the same
        tags=["evidence"],
        response_model=list[str],
        **declared_openly((names, NUMBER, OF_SIZE), 404, 422),
    )
    async def inclusion(request: Request) -> JSONResponse:
        """Return the hashes, in base64, that prove an entry to be in the tree of a size (RFC 9162, section 2.1.3)."""
        chosen, database = log_of(request)
        query = read_query(request)
        number, size = int(query["number"]), int(query["size"])
        if number > size or not await _is_signed(database, chosen, size):
            return _missing(
                f"no checkpoint of the log {chosen.name} has the size {size}, or it does not reach entry {number}"
            )
        async with database.acquire() as connection:
            return _hashes(await prove_inclusion(connection, chosen, number, size))

    @app.get(
        "/evidence/{log}/consistency",  # noqa: FAST003 - the same
        tags=["evidence"],
        response_model=list[str],
        **declared_openly((names, FIRST, SECOND), 404, 422),
    )
    async def consistency(request: Request) -> JSONResponse:
        """Return the hashes, in base64, that prove one checkpoint to extend another (RFC 9162, section 2.1.4)."""
        chosen, database = log_of(request)
        query = read_query(request)
        first, second = int(query["first"]), int(query["second"])
        if first > second or not await _is_signed(database, chosen, second):
            return _missing(f"no checkpoint of the log {chosen.name} has the size {second}, or {first} is greater")
        async with database.acquire() as connection:
            return _hashes(await prove_consistency(connection, chosen, first, second))


def add_service_evidence(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    contract = contract_of(service)

    async def read_home(request: Request, actor: Actor, home: UUID) -> JSONResponse:
        at: Dependencies = request.app.state.deps
        rows = await at.database.fetch("select distinct stream from event where home = $1 order by stream", home)
        streams, unknown = [row["stream"] for row in rows], f"{service.name}/homes/{home}"
        reason, readable = read_reason(request), True
        for stream in streams or [unknown]:
            one, denial = await reading(at, service, actor, (await at.event_store.load(stream)).records, "history")
            readable &= await at.gate.read(one, "history", f"{stream}/evidence", reason, denial=denial)
        reader = Reader(actor.labels, (EVENTS, ACCESS) if service.permission(actor).parts >= AUDIT else (EVENTS,))
        if not readable or not (streams or reader.sees_every_label):
            reader = Reader(actor.labels)  # a hidden record answers as an unknown one
        return JSONResponse(await evidence_of(at.database, service.name, home, [*streams, unknown], contract, reader))

    @cache
    def receipt_key() -> VerifierKey:
        return receipt_signer(KeyEncryptionKeys.of(settings), settings.log_origin, service.name).key

    add_evidence(app, service.name, (EVENTS, ACCESS), read_home, receipt_key)


def _missing(detail: str) -> JSONResponse:
    return problem_response("unknown", "There is no such evidence", f"{detail}: check the numbers.")


async def _is_signed(database: Pool, log: Log, size: int) -> bool:
    query = "select exists (select 1 from signed_checkpoint where log = $1 and size = $2)"
    return bool(await database.fetchval(query, log.name, size))


def _hashes(path: list[bytes]) -> JSONResponse:
    return JSONResponse([base64.b64encode(digest).decode() for digest in path])
