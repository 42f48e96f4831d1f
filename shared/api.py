"""The API of a deciding service, built from its declaration: commands, queries, receipts, problem details.

POST /v1/{collection}/{id}/commands     the union of commands, discriminated by `type`; needs Idempotency-Key
GET  /v1/{collection}/{id}              the state; ?as_of=&known_at=
GET  /v1/{collection}/{id}/history      every event, in order
GET  /v1/{collection}/{id}/duties       what is due; ?as_of=DATE
GET  /v1/{collection}/{id}/documents/{name}  a document as PDF; ?lang=en|cy&as_of=&known_at=
GET  /v1/reactions                      reactions that wait to be tried again
GET  /status /health/live /health/ready without a token: positions and readiness, no data
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema

from shared.access import SYSTEM, AccessLog, Gate, NotAllowed, Tokens
from shared.database import TRANSIENT, pool, retrying
from shared.decider import cut
from shared.deciding import Asked
from shared.documents import LANGUAGES, Document, Filled, NotPrintable, NotYet, Print, render
from shared.duties import Duty
from shared.handle import Accepted, Conflict, Handler, KeyReused, NoEffect, OutOfBounds, Result, UnknownStream, bounds
from shared.history import show
from shared.keyring import PostgresKeyring
from shared.ledger import Ledger, LedgerUnavailable, Record
from shared.ledger.postgres import PostgresLedger
from shared.messages import Actor, Answer, Command, Fact, NeedsRationale, Refused
from shared.problems import Malformed, install, problem, refused
from shared.reading import duties_on, end_of_day
from shared.service import Service
from shared.settings import Settings
from shared.working_days import local_day

KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{2,39}")
TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

CORRELATION: Final = "Correlation-Id"
"""Header that ties the commands of one piece of work together; the command's own id where it is absent."""


@dataclass
class Surroundings:
    """What an API needs at hand while it runs."""

    handler: Handler
    ledger: Ledger
    gate: Gate
    log: AccessLog
    tokens: Tokens
    database: asyncpg.Pool[asyncpg.Record]


@asynccontextmanager
async def surroundings(service: Service[Any], settings: Settings) -> AsyncIterator[Surroundings]:
    """Connect a service to its database, the keyring and the issuer."""
    kek = settings.read_kek()
    database = await pool(settings.database(service.name), most=12)
    keys = await pool(settings.database("keyring"), most=6)
    ledger = PostgresLedger(database)
    log = AccessLog(database)
    handler = Handler(service, ledger, PostgresKeyring(keys, kek), kek.derived("request-digest"))
    tokens = Tokens(settings.issuer, settings.audience, sorted(service.inherits))
    try:
        yield Surroundings(handler, ledger, Gate(log, service.rights, service.reasons), log, tokens, database)
    finally:
        await database.close()
        await keys.close()


def service_api(service: Service[Any], settings: Settings) -> FastAPI:
    """The application of one deciding service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with surroundings(service, settings) as app.state.at:
            yield

    app = FastAPI(
        title=f"{service.name} of the out-of-court partnership",
        version="1",
        description=f"Commands and queries of the service {service.name}. Every read is recorded.",
        lifespan=lifespan,
        openapi_url="/openapi.json",
    )
    install(app)
    _commands(app, service, settings)
    _queries(app, service)
    if service.documents:
        _documents(app, service)
    _operations(app, service)
    _describe(app, service)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until SIGTERM; requests under way end first."""
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )


# Commands


def _commands(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    @app.post(f"/v1/{service.collection}/{{id}}/commands", status_code=201, response_model=Answer, tags=["commands"])
    async def command(request: Request, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Ask for something to happen. The answer is a receipt; the same Idempotency-Key again gives it again."""
        at: Surroundings = request.app.state.at
        actor = await at.tokens.actor(request.headers.get("authorization"))
        asked = await read_command(request, service, settings.body_limit)
        stream = read_id(id)
        key = request.headers.get("idempotency-key", "")
        if not KEY.fullmatch(key):
            raise Malformed(
                (
                    "Idempotency-Key",
                    "send this header with 1 to 200 visible characters: a new key for each command, the same for a retry",
                )
            )
        target = service.stream_name(stream)
        name = type(asked).__name__
        if actor.role == SYSTEM or actor.role not in service.roles_for(type(asked)):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(
                f"the role {actor.role} may not send {name}; it is for {', '.join(sorted(service.roles_for(type(asked))))}"
            )
        command_id = at.handler.command_id(actor.id, key)
        result = await at.handler.handle(
            Asked(
                command=asked,
                stream=stream,
                command_id=command_id,
                actor=actor,
                received_at=datetime.now(UTC),
                correlation_id=read_correlation(request) or command_id,
                traceparent=read_traceparent(request),
            )
        )
        return await _answered(at, actor, name, target, result)


async def _answered(at: Surroundings, actor: Actor, name: str, target: str, result: Result) -> JSONResponse:
    """The HTTP answer to a handled command; what was refused is logged."""
    match result:
        case Accepted(answer, repeated):
            headers = {"Idempotency-Replayed": "true"} if repeated else None
            return JSONResponse(answer.model_dump(mode="json"), 201, headers)
        case NoEffect():
            return problem(
                409, "no-effect", "There is nothing to be done", f"{target} needs no {name} any more: read it again."
            )
        case Refused(rules):
            await at.log.record(actor, name, target, outcome="REFUSED", rules=result.ids)
            return refused(rules, needs_rationale=False)
        case NeedsRationale(rules):
            await at.log.record(actor, name, target, outcome="NEEDS_RATIONALE", rules=result.ids)
            return refused(rules, needs_rationale=True)
        case Conflict(expected, actual):
            return problem(
                409,
                "conflict",
                "The record has moved on",
                f"You expected version {expected}, it is at version {actual}: read it again, and decide again.",
                expected_version=expected,
                actual_version=actual,
            )
        case UnknownStream():
            return problem(
                404, "unknown", "There is no such record", f"{target} does not exist: check the id, or begin it first."
            )
        case KeyReused():
            raise Malformed(
                ("Idempotency-Key", "this key was used before for another request: use a new key for a new command")
            )
        case OutOfBounds(why):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(why)


async def read_command(request: Request, service: Service[Any], limit: int) -> Command:
    """The command of a request's body; raises `Malformed`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Malformed(("body", f"the body is larger than {limit} bytes: shorten the texts"))
    try:
        command = service.command_adapter.validate_json(bytes(body))
    except ValidationError as error:
        raise Malformed.of(error) from error
    except ValueError as error:
        raise Malformed(("body", f"the body is not JSON in UTF-8: {type(error).__name__}")) from error
    repeated = _repeated_keys(bytes(body))
    if repeated:
        raise Malformed(*((name, "this field is given twice: give it once") for name in repeated))
    return command


def _repeated_keys(body: bytes) -> list[str]:
    """Names that stand twice in one object of a JSON text: which of the two was meant cannot be known."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(pairs)

    json.loads(body, object_pairs_hook=look)
    return found


def read_id(text: str) -> UUID:
    """An id of a path; raises `Malformed`."""
    try:
        return UUID(text)
    except ValueError:
        raise Malformed(("id", "an id is a UUID such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11")) from None


def read_correlation(request: Request) -> UUID | None:
    """The Correlation-Id header; raises `Malformed`."""
    text = request.headers.get(CORRELATION)
    return None if text is None else read_id(text)


def read_traceparent(request: Request) -> str | None:
    """The W3C traceparent header, where it is well formed."""
    text = request.headers.get("traceparent", "")
    return text if TRACEPARENT.fullmatch(text) else None


def read_reason(request: Request) -> str | None:
    """The reason for a read: a code, so that the log holds nothing personal; raises `Malformed`."""
    reason = request.headers.get("access-reason")
    if reason is not None and not REASON.fullmatch(reason):
        raise Malformed(
            (
                "Access-Reason",
                "a reason is a code of 3 to 40 capital letters, digits and underscores, such as CASE_REVIEW",
            )
        )
    return reason


# Queries


def read_query(request: Request, *known: str) -> dict[str, str]:
    """The query parameters by name; raises `Malformed` for one that is unknown or given twice."""
    wrong = [
        (
            name,
            "this parameter is given twice: give it once"
            if name in known
            else f"there is no such parameter; there is {', '.join(known) or 'none'}",
        )
        for name in request.query_params
        if name not in known or len(request.query_params.getlist(name)) > 1
    ]
    if wrong:
        raise Malformed(*wrong)
    return dict(request.query_params)


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """A time with its zone, or a date, which means the end of that Europe/London day; raises `Malformed`."""
    text = query.get(name)
    if text is None:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return end_of_day(date.fromisoformat(text))
        # In an address a plus sign stands for a space unless it is written %2B.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError(text)
    except (ValueError, OverflowError):
        raise Malformed(
            (name, "give a date (2026-06-09) or a time with its zone (2026-06-09T23:50:00+01:00)")
        ) from None
    return moment


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """A date, or a time whose Europe/London date counts; raises `Malformed`."""
    moment = read_time(query, name)
    return None if moment is None else local_day(moment)


def _queries(app: FastAPI, service: Service[Any]) -> None:
    path = f"/v1/{service.collection}/{{id}}"

    @app.get(path, tags=["queries"])
    async def state(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """The state: of all facts, of those that had occurred by `as_of`, or of those known at `known_at`."""
        query = read_query(request, "as_of", "known_at")
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        records, _ = await _history_of(request, service, id, "state")
        facts = [_closed(service, record) for record in records]
        view = service.reading.view_of(facts, as_of=as_of, known_at=known_at) if facts else None
        if view is None:
            return _nothing(service, id)
        return JSONResponse({"id": str(read_id(id)), "version": facts[-1].version, **view})

    @app.get(f"{path}/history", tags=["queries"])
    async def history(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """Every event in order, with both times, actor, rules, rationale and hash, and corrections beside what they correct."""
        read_query(request)
        records, actor = await _history_of(request, service, id, "history")
        if not records:
            return _nothing(service, id)
        personal = "personal" in service.readers.get(actor.role, frozenset())
        at: Surroundings = request.app.state.at
        facts = await at.handler.open(records) if personal else [_closed(service, record) for record in records]
        return JSONResponse({"stream": records[0].stream, "events": show(facts)})

    @app.get(f"{path}/duties", tags=["queries"])
    async def duties(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """The duties as they stood at the end of a day (today by default), soonest first."""
        query = read_query(request, "as_of", "known_at")
        as_of = read_day(query, "as_of") or end_of_today()
        records, _ = await _history_of(request, service, id, "duties")
        if not records:
            return _nothing(service, id)
        facts = [_closed(service, record) for record in records]
        found = duties_on(service.reading, facts, as_of, read_time(query, "known_at"))
        return JSONResponse([duty_shown(duty, as_of) for duty in found])


async def _history_of(
    request: Request, service: Service[Any], id_: str, what: str, part: str = "", only: frozenset[str] | None = None
) -> tuple[list[Record], Actor]:
    """The records of a stream, once the gate has let the read pass: of a part of it, for some roles only."""
    at: Surroundings = request.app.state.at
    actor = await at.tokens.actor(request.headers.get("authorization"))
    stream = service.stream_name(read_id(id_))
    reason = read_reason(request)
    records = list((await at.ledger.load(stream)).records)
    why = _barred(service, actor, records)
    if only is not None and actor.role not in only:
        why = f"the role {actor.role} may not print this; it is for {', '.join(sorted(only))}"
    await at.gate.read(actor, what, f"{stream}{part}", reason, allowed=why)
    return records, actor


def _nothing(service: Service[Any], id_: str) -> JSONResponse:
    return problem(
        404,
        "unknown",
        "There is no such record",
        f"{service.stream_name(read_id(id_))} does not exist, or had not begun by then.",
    )


def _barred(service: Service[Any], actor: Actor, records: list[Record]) -> str | None:
    """Why an actor may not read this stream, whatever the role; None where nothing bars it."""
    if not records:
        return None
    barred = bounds(actor.labels, actor.conflicts, records[0], service.inherits)
    if barred is not None:
        return barred.why
    if actor.role in service.own_only and json.loads(records[0].body)["actor"]["organisation"] != actor.organisation:
        return f"the role {actor.role} may read only what its own organisation opened"
    return None


def end_of_today() -> date:
    """Today, in Europe/London."""
    return local_day(datetime.now(UTC))


def duty_shown(duty: Duty, as_of: date) -> dict[str, Any]:
    """A duty as JSON."""
    return {
        "duty": duty.duty,
        "item": duty.item or None,
        "opened_on": duty.opened_on.isoformat(),
        "due": duty.due.isoformat(),
        "met_on": None if duty.met_on is None else duty.met_on.isoformat(),
        "overdue": duty.overdue(as_of),
        "late": duty.late,
    }


def _closed(service: Service[Any], record: Record) -> Any:
    """A fact with its personal fields closed: enough for state and duties, which never need them."""
    return service.events.read(record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash)


# Documents

PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/pdf": {}}, "description": "The document, tagged (PDF/UA-1)"}
}


def _documents(app: FastAPI, service: Service[Any]) -> None:
    @app.get(
        f"/v1/{service.collection}/{{id}}/documents/{{name}}", tags=["queries"], response_class=Response, responses=PDF
    )
    async def document(request: Request, id: str, name: str) -> Response:  # noqa: A002
        """A document as PDF in a language: the same bytes for the same facts. Its SHA-256 is the ETag."""
        at: Surroundings = request.app.state.at
        query = read_query(request, "lang", "as_of", "known_at")
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        language = read_language(query)
        asked = service.documents.get(name)
        if asked is None:
            await at.tokens.actor(request.headers.get("authorization"))
            there_is = ", ".join(service.documents)
            return problem(404, "unknown", "There is no such document", f"{name!r} is none of {there_is}.")
        records, _ = await _history_of(request, service, id, "document", f"/documents/{name}", asked.roles)
        facts = cut(await at.handler.open(records), as_of=as_of, known_at=known_at)
        if not facts:
            return _nothing(service, id)
        return await _printed(service, name, asked, facts, language, f"{name}-{read_id(id)}.pdf")


def read_language(query: Mapping[str, str]) -> str:
    """The language of a document, English by default; raises `Malformed`."""
    language = query.get("lang", "en")
    if language not in LANGUAGES:
        raise Malformed(("lang", f"choose one of {', '.join(LANGUAGES)}"))
    return language


async def _printed(
    service: Service[Any], name: str, document: Document[Any], facts: Sequence[Fact], language: str, file: str
) -> Response:
    """The document of these facts, or the problem that says why there is none yet."""
    match document.fill(service.decider.fold(facts), facts):
        case NotYet(why):
            return problem(409, "not-yet", "This document cannot be printed now", why)
        case Filled() as filled:
            try:
                printed = await asyncio.to_thread(render, name, document, filled, language)
            except NotPrintable as error:
                return problem(409, "not-printable", "This document cannot be printed", str(error))
            return Response(printed.body, media_type="application/pdf", headers=_headers(printed, file))


def _headers(printed: Print, file: str) -> dict[str, str]:
    return {
        "ETag": f'"{printed.sha256}"',
        "Repr-Digest": printed.digest,
        "Content-Language": ", ".join(printed.languages),
        "Content-Disposition": f'inline; filename="{file}"',
        "Cache-Control": "no-store",
    }


# Operations


def health(app: FastAPI, ready: Callable[[Request], Awaitable[None]]) -> None:
    """The probes: live says that the process answers, ready that it can do its work."""

    @app.get("/health/live", tags=["operations"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @app.get("/health/ready", tags=["operations"])
    async def is_ready(request: Request) -> JSONResponse:
        """What it depends on answers."""
        try:
            await ready(request)
        except (*TRANSIENT, LedgerUnavailable) as error:
            return problem(503, "unavailable", "Not ready", f"a database does not answer: {error}")
        return JSONResponse({"status": "ready"})


async def consumed(database: asyncpg.Pool[asyncpg.Record]) -> dict[str, dict[str, int]]:
    """How far the consumers with a checkpoint in this database have come: topic -> partition -> next offset."""
    found: dict[str, dict[str, int]] = {}
    for row in await database.fetch("select topic, partition, next_offset from checkpoint"):
        found.setdefault(row["topic"], {})[str(row["partition"])] = row["next_offset"]
    return found


def _operations(app: FastAPI, service: Service[Any]) -> None:
    async def ready(request: Request) -> None:
        await request.app.state.at.ledger.head()

    health(app, ready)

    @app.get("/status", tags=["operations"])
    async def status(request: Request) -> JSONResponse:
        """Positions: of the ledger, of the relay, of the reactions; how many reactions wait and streams are quarantined."""
        at: Surroundings = request.app.state.at

        async def look() -> dict[str, Any]:
            head = await at.ledger.head()
            relayed = await at.database.fetchrow("select position, offsets from relayed")
            return {
                "service": service.name,
                "time": max(datetime.now(UTC), head.recorded_at).isoformat(),
                "position": head.position,
                "relayed": None
                if relayed is None
                else {"position": relayed["position"], "offsets": json.loads(relayed["offsets"])},
                "reacts_to": sorted({f"{service.events.namespace}.{r.service}.events" for r in service.reactions}),
                "consumed": await consumed(at.database),
                "parked": await at.database.fetchval("select count(*) from parked"),
                "quarantined": await at.database.fetchval("select count(distinct stream) from quarantine"),
            }

        return JSONResponse(await retrying(look, LedgerUnavailable))

    @app.get("/v1/reactions", tags=["operations"])
    async def reactions(request: Request) -> JSONResponse:
        """Reactions that were refused and wait until their target stream moves, oldest first."""
        at: Surroundings = request.app.state.at
        actor = await at.tokens.actor(request.headers.get("authorization"))
        await at.gate.read(actor, "history", f"{service.name}/reactions", read_reason(request))
        rows = await at.database.fetch(
            "select command_id, reaction, source_stream, source_version, target_stream, rules, reason, attempts, parked_at"
            " from parked order by sequence limit 1000"
        )
        return JSONResponse(
            [
                {**dict(row), "command_id": str(row["command_id"]), "parked_at": row["parked_at"].isoformat()}
                for row in rows
            ]
        )


def _describe(app: FastAPI, service: Service[Any]) -> None:
    """Put the union of commands into the OpenAPI document: a new command needs no edit here."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            refs, schema = models_json_schema(
                [(command, "validation") for command in service.commands], ref_template="#/components/schemas/{model}"
            )
            document.setdefault("components", {}).setdefault("schemas", {}).update(schema.get("$defs", {}))
            mapping = {command.__name__: refs[command, "validation"]["$ref"] for command in service.commands}
            operation = document["paths"][f"/v1/{service.collection}/{{id}}/commands"]["post"]
            operation["requestBody"] = {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [{"$ref": ref} for ref in mapping.values()],
                            "discriminator": {"propertyName": "type", "mapping": mapping},
                        }
                    }
                },
            }
            operation.setdefault("parameters", []).append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string", "maxLength": 200},
                }
            )
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
