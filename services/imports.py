"""Import of a register: the commands of one row, sent in order to one record, whose events are marked IMPORT.

POST /v1/{collection}/{id}/import   ?dry_run=

The commands are the ordinary ones, and go through the command handler like any other. Only the mark (`Origin`) and the
command ids differ: an id follows from the record, the importing organisation and the place of the command in its row. So a
row that is sent again records nothing twice, whoever sends it; a row that was changed meanwhile is refused, and a row that
was interrupted goes on. One request for each row keeps a register of thousands of rows below the rate limit of its importer.

A dry run calls the same code on a store and a keyring that keep their additions in memory, so later commands of a row are
judged after earlier ones. It records nothing but a line in the access log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints, ValidationError

from services.vocabulary import Role
from shared.api.authorisation import NotAllowed, command_denial
from shared.api.bodies import check_body, read_body
from shared.api.command_schemas import IN_OPENAPI
from shared.api.dependencies import Dependencies
from shared.api.parameters import DRY_RUN, ID
from shared.api.problems import MAX_ERRORS, FieldError, Malformed, RuleBroken
from shared.api.request import Caller, parse_command, read_id, read_query
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.command_handler import (
    Accepted,
    CommandHandler,
    Forbidden,
    IdempotencyKeyReused,
    NoChange,
    Result,
    StreamNotFound,
    VersionConflict,
)
from shared.domain.decisions import BrokenRule, NeedsRationale, Refused
from shared.domain.envelope import Origin
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command
from shared.event_store import (
    Appended,
    AppendRequest,
    AppendResult,
    EventStore,
    Head,
    KeyTaken,
    LoadedStream,
    RecordedEvent,
    WrongExpectedVersion,
)
from shared.privacy.keyring import KeyId, Keyring, MemoryKeyring
from shared.privacy.sealing import DataKey
from shared.runtime.service import Service

IMPORTERS: Final = frozenset({Role.SUPERVISOR})
"""The roles that may import: who answers for the register that is brought in."""
MAX_COMMANDS: Final = 20
"""The most commands of a row."""
MAX_BYTES: Final = 262_144
"""The largest body of a row in bytes."""

_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z0-9_]{1,40}){0,5}")

Outcome = Literal["recorded", "repeated", "refused", "needs_rationale", "malformed", "changed", "conflict", "unknown"]
GOOD: Final = frozenset({"recorded", "repeated"})


class Row(Schema):
    """The body of a request: where a row stands, and its commands in order."""

    file_sha256: Annotated[
        str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(description="The SHA-256 of the file that it is in.")
    ]
    row: Annotated[int, Field(ge=1, le=1_048_576, description="Its number in the file, from 1: that of the headings.")]
    commands: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1, max_length=MAX_COMMANDS, description="Commands of this service, the first to be sent first."
        ),
    ]


class CommandOutcome(Schema):
    """What became, or would become, of a command of the row."""

    number: int = Field(description="Its place in the row, from 1.")
    type: str | None = Field(description="The name of the command; null where it names none that there is.")
    outcome: Outcome = Field(
        description="recorded; repeated: an earlier import recorded the same; changed: an earlier import recorded it with"
        " other content; refused and needs_rationale: by `rules`; malformed: by `errors`; conflict; unknown: no such record."
    )
    version: int | None = Field(default=None, description="The version of the record after it.")
    rules: list[RuleBroken] = Field(default_factory=list)
    errors: list[FieldError] = Field(default_factory=list)


class RowOutcome(Schema):
    """What became, or would become, of a row: its commands up to the first that did not pass."""

    dry_run: bool
    outcome: Literal["imported", "repeated", "not_imported"] = Field(
        description="imported: all commands are recorded; repeated: they were, by an earlier import; not_imported: the last"
        " of `commands` says why. Commands before it stand, unless this is a dry run; the corrected row goes on from there."
    )
    position_token: str | None = Field(
        description="That of the last command that is recorded; null in a dry run, and where none is."
    )
    commands: list[CommandOutcome]


def add_import(app: FastAPI, service: Service[Any]) -> None:
    """Add the route to the API of a deciding service."""

    @app.post(
        f"/v1/{service.collection}/{{id}}/import",
        tags=["commands"],
        response_model=RowOutcome,
        **declared((ID, DRY_RUN), 404, 409, 410, 415, body=_body(service)),
    )
    async def import_row(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Record the commands of one row of a register, in order, as events that are marked IMPORT. For supervisors.

        Sent again, it records nothing twice. With `dry_run=true` nothing is recorded but a line in the access log.
        """
        at: Dependencies = request.app.state.deps
        dry_run = read_query(request).get(DRY_RUN.name) == "true"
        stream = read_id(id)
        target, action = service.stream_name(stream), "DRY_RUN_IMPORT" if dry_run else "IMPORT"
        if actor.role not in IMPORTERS:
            await at.log.record(actor, action, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(f"the role {actor.role} may not import; it is for {', '.join(sorted(IMPORTERS))}")
        now = datetime.now(UTC)
        row = await _read_row(request)
        commands, malformed = _parse(service, row.commands, now)
        if malformed:
            return _answer(malformed, None, dry_run=dry_run)
        if denial := next(filter(None, (command_denial(service, actor.role, type(one)) for one in commands)), None):
            await at.log.record(actor, action, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(denial)
        handler = _without_storage(at.handler) if dry_run else at.handler
        outcomes: list[CommandOutcome] = []
        token: str | None = None
        for number, command in enumerate(_requests(service, commands, stream, actor, row, now), start=1):
            result = await handler.handle(command)
            if isinstance(result, Forbidden) and not result.hidden:
                await at.log.record(actor, action, target, outcome="FORBIDDEN", rules=["T2"])
                raise NotAllowed(result.why)
            if isinstance(result, Accepted) and not dry_run:
                token = result.receipt.position_token
            outcomes.append(_outcome(number, command.command.type, result))
            if outcomes[-1].outcome not in GOOD:
                break
        last = outcomes[-1]
        if dry_run or last.outcome not in GOOD:
            logged = "GIVEN" if last.outcome in GOOD else last.outcome.upper()
            await at.log.record(actor, action, target, outcome=logged, rules=[rule.id for rule in last.rules])
        return _answer(outcomes, token, dry_run=dry_run)


def _body(service: Service[Any]) -> dict[str, Any]:
    """Build the request body of OpenAPI: a row, whose commands are the union of those of the service."""
    schema = Row.model_json_schema()
    schema["properties"]["commands"]["items"] = {
        "oneOf": [{"$ref": IN_OPENAPI + command.__name__} for command in service.commands]
    }
    return json_body(schema)


async def _read_row(request: Request) -> Row:
    """Parse the body. Raises `Malformed`."""
    body = await read_body(request, MAX_BYTES)
    check_body(body)
    try:
        return Row.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _parse(
    service: Service[Any], bodies: Iterable[dict[str, Any]], received_at: datetime
) -> tuple[list[Command], list[CommandOutcome]]:
    """Parse the commands of a row as the API parses each; the second list says what is malformed, in all of them."""
    commands: list[Command] = []
    malformed: list[CommandOutcome] = []
    known = {command.__name__ for command in service.commands}
    for number, body in enumerate(bodies, start=1):
        try:
            commands.append(parse_command(service, json.dumps(body).encode(), received_at))
        except Malformed as error:
            name = body.get("type")
            malformed.append(
                CommandOutcome(
                    number=number,
                    type=name if isinstance(name, str) and name in known else None,
                    outcome="malformed",
                    # What is no name of a field may be personal.
                    errors=[
                        FieldError(field=field if _FIELD.fullmatch(field) else "…", message=message)
                        for field, message in error.errors[:MAX_ERRORS]
                    ],
                )
            )
    return commands, malformed


def _requests(
    service: Service[Any], commands: Sequence[Command], stream: UUID, actor: Actor, row: Row, received_at: datetime
) -> Iterable[CommandRequest]:
    """Build the requests of a row. The reference of their origin is a fragment of the file (RFC 7111)."""
    origin = Origin(kind="IMPORT", reference=f"{row.file_sha256}#row={row.row}")
    importer = (actor.organisation, *sorted(actor.labels.items()))
    correlation = derived_uuid("import", service.name, stream, *importer)
    for n, command in enumerate(commands):
        ordinal = sum(earlier.type == command.type for earlier in commands[:n])
        yield CommandRequest(
            command=command,
            stream=stream,
            command_id=derived_uuid("import", service.name, stream, *importer, command.type, ordinal),
            actor=actor,
            received_at=received_at,
            correlation_id=correlation,
            origin=origin,
        )


def _outcome(number: int, type_: str, result: Result) -> CommandOutcome:
    """Translate the result of the handler for a command of the row."""
    outcome, version, rules = _reading(result)
    listed = [RuleBroken(id=rule.id, text=rule.text, source=rule.source) for rule in rules]
    return CommandOutcome(number=number, type=type_, outcome=outcome, version=version, rules=listed)


def _reading(result: Result) -> tuple[Outcome, int | None, Sequence[BrokenRule]]:
    match result:
        case Accepted(receipt, repeated):
            return "repeated" if repeated else "recorded", receipt.version, ()
        case Refused(rules):
            return "refused", None, rules
        case NeedsRationale(rules):
            return "needs_rationale", None, rules
        case IdempotencyKeyReused():
            return "changed", None, ()
        case VersionConflict() | NoChange():
            return "conflict", None, ()
        case StreamNotFound() | Forbidden():
            return "unknown", None, ()


def _answer(outcomes: list[CommandOutcome], position_token: str | None, *, dry_run: bool) -> JSONResponse:
    kinds = {one.outcome for one in outcomes}
    found: Literal["imported", "repeated", "not_imported"] = "imported" if kinds <= GOOD else "not_imported"
    if kinds == {"repeated"}:
        found = "repeated"
    answer = RowOutcome(dry_run=dry_run, outcome=found, position_token=position_token, commands=outcomes)
    return JSONResponse(answer.model_dump(mode="json"))


def _without_storage(handler: CommandHandler) -> CommandHandler:
    """Return a handler that reads what the given one reads, and keeps in memory what it would write."""
    return handler.on(_AppendedInMemory(handler.event_store), _KeysInMemory(handler.keyring))


class _AppendedInMemory:
    """An event store over another one: it reads from it, and keeps what is appended in memory. For one dry run."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._records: list[RecordedEvent] = []
        self._takes: dict[str, str] = {}

    async def load(self, stream: str, command_id: UUID | None = None) -> LoadedStream:
        """Load a stream with what was appended here (see `EventStore.load`)."""
        loaded = await self._store.load(stream, command_id)
        return LoadedStream((*loaded.records, *(one for one in self._records if one.stream == stream)), loaded.kept)

    async def append(self, append: AppendRequest) -> AppendResult:
        """Answer as the store would, and keep the events here (see `EventStore.append`)."""
        before = (await self.load(append.stream)).records
        if append.version != len(before):
            return WrongExpectedVersion(len(before))
        holders = await self.holders(append.takes)
        for key in append.takes:
            if holders.get(key, append.stream) != append.stream:
                return KeyTaken(key)
        self._takes |= dict.fromkeys(append.takes, append.stream)
        at = datetime.now(UTC)
        position = before[-1].position if before else 0
        for n, event in enumerate(append.events, start=1):
            self._records.append(
                RecordedEvent(
                    position + n,
                    at,
                    append.stream,
                    append.version + n,
                    event.event_id,
                    event.type,
                    event.home,
                    event.hash,
                    event.body,
                )
            )
        return Appended(position + len(append.events), at)

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Look up who has a unique key (see `EventStore.holders`)."""
        stored = await self._store.holders(keys) if keys else {}
        return {**stored, **{key: self._takes[key] for key in keys if key in self._takes}}

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Read what is recorded (see `EventStore.read`)."""
        return await self._store.read(after, limit)

    async def head(self) -> Head:
        """Read the end of what is recorded (see `EventStore.head`)."""
        return await self._store.head()


class _KeysInMemory:
    """A keyring over another one: it fetches keys from it, and makes new ones in memory. For one dry run."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._made = MemoryKeyring()
        self._subjects: set[str] = set()

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch the keys of tokens (see `Keyring.open`)."""
        wanted = set(key_ids)
        made = {key_id for key_id in wanted if key_id[0] in self._subjects}
        stored = await self._keyring.open(wanted - made) if wanted - made else {}
        return {**stored, **await self._made.open(made)}

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch or make keys (see `Keyring.keys_for_sealing`)."""
        wanted = list(subjects)
        stored = await self._keyring.existing_keys(wanted)
        missing = [subject for subject in wanted if subject not in stored]
        self._subjects.update(missing)
        return {**stored, **await self._made.keys_for_sealing(missing)}

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch keys, and make none (see `Keyring.existing_keys`)."""
        wanted = list(subjects)
        return {**await self._keyring.existing_keys(wanted), **await self._made.existing_keys(wanted)}

    async def destroy(self, subject: str) -> None:
        """Refuse: a dry run destroys nothing."""
        raise NotImplementedError(f"a dry run does not destroy the key of {subject}")
