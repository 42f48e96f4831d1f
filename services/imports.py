"""Import of a register: the commands of one row, sent in order to one record, whose events are marked IMPORT.

POST /v1/{collection}/import        ?dry_run=   some rows, each of its own record
POST /v1/{collection}/{id}/import   ?dry_run=   one row

The commands are the ordinary ones, and go through the command handler like any other. Only the mark (`Origin`) and the
command ids differ: an id follows from the record, the importing organisation and the place of the command in its row. So a
row that is sent again records nothing twice, whoever sends it; a row that was changed meanwhile is refused, and a row that
was interrupted goes on. A request takes some rows, which are handled side by side, so that a register of thousands of rows
costs its commands and little else.

A dry run calls the same code on a store and a keyring that keep their additions in memory, so later commands of a row are
judged after earlier ones. It records nothing but a line in the access log for each row. The lines of a request are written
together before its answer, and rows that look for keys at the same time ask the keyring once.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar
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
from shared.privacy.keyring import KeyDestroyed, KeyId, Keyring, MemoryKeyring
from shared.privacy.sealing import DataKey
from shared.runtime.service import Service

IMPORTERS: Final = frozenset({Role.SUPERVISOR})
"""The roles that may import: who answers for the register that is brought in."""
MAX_COMMANDS: Final = 20
"""The most commands of a row."""
MAX_BYTES: Final = 262_144
"""The largest body of a request in bytes, of one row or of several."""
MAX_ROWS: Final = 25
"""The most rows of a request: it answers within a second, and its progress shows."""
AT_ONCE: Final = 8
"""The rows of a request that are handled at once: the event store commits them in groups, and others get their turn."""

_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z0-9_]{1,40}){0,5}")

Body = TypeVar("Body", bound=Schema)
Outcome = Literal["recorded", "repeated", "refused", "needs_rationale", "malformed", "changed", "conflict", "unknown"]
GOOD: Final = frozenset({"recorded", "repeated"})


FileHash = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(description="The SHA-256 of the file that it is in.")
]
RowNumber = Annotated[
    int, Field(ge=1, le=1_048_576, description="Its number in the file, from 1: that of the headings.")
]
RowCommands = Annotated[
    list[dict[str, Any]],
    Field(min_length=1, max_length=MAX_COMMANDS, description="Commands of this service, the first to be sent first."),
]


class Row(Schema):
    """The body of a request for one row: where it stands, and its commands in order."""

    file_sha256: FileHash
    row: RowNumber
    commands: RowCommands


class RowOfRecord(Schema):
    """A row among others: the record to which its commands go, where it stands, and its commands in order."""

    id: UUID = Field(description="The id of its record.")
    row: RowNumber
    commands: RowCommands


class Rows(Schema):
    """The body of a request for some rows of a file."""

    file_sha256: FileHash
    rows: list[RowOfRecord] = Field(
        min_length=1, max_length=MAX_ROWS, description="Rows, each of its own record, in any order."
    )


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


class RowResult(Schema):
    """What became, or would become, of a row among others."""

    row: int = Field(description="Its number in the file.")
    forgotten: bool = Field(description="The data of a person in it have been forgotten, so nothing was recorded.")
    result: RowOutcome | None = Field(description="What became of its commands; null where it is forgotten.")


class RowsOutcome(Schema):
    """What became, or would become, of some rows, in their order."""

    rows: list[RowResult]


@dataclass(frozen=True, slots=True)
class _Importer:
    """A supervisor who imports rows, or has them checked."""

    service: Service[Any]
    at: Dependencies
    actor: Actor
    dry_run: bool
    now: datetime
    keyring: _KeysAskedTogether
    """That of all rows of a dry run."""
    _lines: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=lambda: defaultdict(list))
    """The targets of the lines of the access log that are not written yet, by their outcome and rules."""

    @property
    def _action(self) -> str:
        return "DRY_RUN_IMPORT" if self.dry_run else "IMPORT"

    async def check_role(self, target: str) -> None:
        """Raise `NotAllowed`, which the access log records, for a role that may not import."""
        if self.actor.role not in IMPORTERS:
            await self._refuse(
                target, f"the role {self.actor.role} may not import; it is for {', '.join(sorted(IMPORTERS))}"
            )

    async def run(self, stream: UUID, file_sha256: str, row: Row | RowOfRecord) -> RowOutcome:
        """Send the commands of a row of a file in order, to the first that does not pass.

        Raises `NotAllowed`, and what the command handler raises. What is to stand in the access log, `log` writes.
        """
        commands, malformed = _parse(self.service, row.commands, self.now)
        if malformed:
            return self._outcome(malformed, None)
        target = self.service.stream_name(stream)
        denials = (command_denial(self.service, self.actor.role, type(one)) for one in commands)
        if denial := next(filter(None, denials), None):
            await self._refuse(target, denial)
        handler = self._handler
        # The reference is a fragment of the file (RFC 7111).
        origin = Origin(kind="IMPORT", reference=f"{file_sha256}#row={row.row}")
        outcomes: list[CommandOutcome] = []
        token: str | None = None
        for place, command in enumerate(self._requests(commands, stream, origin), start=1):
            result = await handler.handle(command)
            if isinstance(result, Forbidden) and not result.hidden:
                await self._refuse(target, result.why)
            if isinstance(result, Accepted) and not self.dry_run:
                token = result.receipt.position_token
            outcomes.append(_outcome(place, command.command.type, result))
            if outcomes[-1].outcome not in GOOD:
                break
        last = outcomes[-1]
        if self.dry_run or last.outcome not in GOOD:
            logged = "GIVEN" if last.outcome in GOOD else last.outcome.upper()
            self._lines[logged, tuple(rule.id for rule in last.rules)].append(target)
        return self._outcome(outcomes, token)

    @property
    def _handler(self) -> CommandHandler:
        """The handler of one row; of a dry run one that keeps in memory what it would write."""
        if not self.dry_run:
            return self.at.handler
        return self.at.handler.on(_AppendedInMemory(self.at.handler.event_store), _KeysInMemory(self.keyring))

    async def log(self) -> None:
        """Write the lines of the rows that have run, before the answer leaves. Raises `LogUnavailable`."""
        for (outcome, rules), targets in self._lines.items():
            await self.at.log.record(self.actor, self._action, *targets, outcome=outcome, rules=rules)

    async def _refuse(self, target: str, why: str) -> NoReturn:
        await self.at.log.record(self.actor, self._action, target, outcome="FORBIDDEN", rules=["T2"])
        raise NotAllowed(why)

    def _requests(self, commands: Sequence[Command], stream: UUID, origin: Origin) -> Iterable[CommandRequest]:
        """Build the requests of a row."""
        importer = (self.actor.organisation, *sorted(self.actor.labels.items()))
        correlation = derived_uuid("import", self.service.name, stream, *importer)
        for n, command in enumerate(commands):
            ordinal = sum(earlier.type == command.type for earlier in commands[:n])
            yield CommandRequest(
                command=command,
                stream=stream,
                command_id=derived_uuid("import", self.service.name, stream, *importer, command.type, ordinal),
                actor=self.actor,
                received_at=self.now,
                correlation_id=correlation,
                origin=origin,
            )

    def _outcome(self, outcomes: list[CommandOutcome], position_token: str | None) -> RowOutcome:
        kinds = {one.outcome for one in outcomes}
        found: Literal["imported", "repeated", "not_imported"] = "imported" if kinds <= GOOD else "not_imported"
        if kinds == {"repeated"}:
            found = "repeated"
        return RowOutcome(dry_run=self.dry_run, outcome=found, position_token=position_token, commands=outcomes)


def add_import(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes to the API of a deciding service."""

    @app.post(
        f"/v1/{service.collection}/import",
        tags=["commands"],
        response_model=RowsOutcome,
        **declared((DRY_RUN,), 415, body=_body_of_rows(service)),
    )
    async def import_rows(request: Request, actor: Caller) -> JSONResponse:
        """Record the commands of some rows of a register, as events that are marked IMPORT. For supervisors.

        The commands of a row are sent in order, the rows side by side; one that is not imported stops no other. Sent
        again, they record nothing twice. With `dry_run=true` nothing is recorded but a line for each row in the access log.
        """
        importer = _importer(service, request, actor)
        await importer.check_role(f"{service.name}/import")
        rows = await _read(Rows, request)
        turns = asyncio.Semaphore(AT_ONCE)

        async def import_in_turn(row: RowOfRecord) -> RowResult:
            async with turns:
                try:
                    result = await importer.run(row.id, rows.file_sha256, row)
                except KeyDestroyed:
                    return RowResult(row=row.row, forgotten=True, result=None)
                return RowResult(row=row.row, forgotten=False, result=result)

        # All rows end, and are logged, before an error is raised, so that none goes on behind the answer.
        found: list[RowResult] = []
        results = await asyncio.gather(*map(import_in_turn, rows.rows), return_exceptions=True)
        await importer.log()
        for result in results:
            if isinstance(result, BaseException):
                raise result
            found.append(result)
        return JSONResponse(RowsOutcome(rows=found).model_dump(mode="json"))

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
        importer = _importer(service, request, actor)
        stream = read_id(id)
        await importer.check_role(service.stream_name(stream))
        row = await _read(Row, request)
        outcome = await importer.run(stream, row.file_sha256, row)
        await importer.log()
        return JSONResponse(outcome.model_dump(mode="json"))


def _importer(service: Service[Any], request: Request, actor: Actor) -> _Importer:
    """Build the importer of a request."""
    dry_run = read_query(request).get(DRY_RUN.name) == "true"
    at: Dependencies = request.app.state.deps
    return _Importer(service, at, actor, dry_run, datetime.now(UTC), _KeysAskedTogether(at.handler.keyring))


def _body(service: Service[Any]) -> dict[str, Any]:
    """Build the request body of OpenAPI: a row, whose commands are the union of those of the service."""
    schema = Row.model_json_schema()
    schema["properties"]["commands"]["items"] = _any_command(service)
    return json_body(schema)


def _body_of_rows(service: Service[Any]) -> dict[str, Any]:
    """Build the request body of OpenAPI: some rows, whose commands are the union of those of the service."""
    schema = Rows.model_json_schema()
    row = schema.pop("$defs")[RowOfRecord.__name__]
    row["properties"]["commands"]["items"] = _any_command(service)
    schema["properties"]["rows"]["items"] = row
    return json_body(schema)


def _any_command(service: Service[Any]) -> dict[str, Any]:
    return {"oneOf": [{"$ref": IN_OPENAPI + command.__name__} for command in service.commands]}


async def _read(kind: type[Body], request: Request) -> Body:
    """Parse the body. Raises `Malformed`."""
    body = await read_body(request, MAX_BYTES)
    check_body(body)
    try:
        return kind.model_validate_json(body)
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


class _AppendedInMemory:
    """An event store over another one: it reads from it, and keeps what is appended in memory. For one dry run."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._new: set[str] = set()
        self._records: list[RecordedEvent] = []
        self._takes: dict[str, str] = {}

    async def load(self, stream: str, command_id: UUID | None = None) -> LoadedStream:
        """Load a stream with what was appended here (see `EventStore.load`).

        A stream that has no records has no receipts either, so it is read once, and begins here.
        """
        added = [one for one in self._records if one.stream == stream]
        if stream in self._new:
            return LoadedStream(tuple(added), None)
        loaded = await self._store.load(stream, command_id)
        if not loaded.records:
            self._new.add(stream)
        return LoadedStream((*loaded.records, *added), loaded.kept)

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


class _KeysAskedTogether:
    """The stored keys for the rows of a dry run: those who ask while the keyring is asked go into the next question together."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._turn = asyncio.Lock()
        self._waiting: set[str] = set()
        self._asked: asyncio.Task[Mapping[str, DataKey]] | None = None

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch the keys of tokens (see `Keyring.open`)."""
        return await self._keyring.open(key_ids)

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch keys, and make none (see `Keyring.existing_keys`)."""
        wanted = list(subjects)
        self._waiting.update(wanted)
        if self._asked is None:
            self._asked = asyncio.create_task(self._ask())
        try:
            found = await asyncio.shield(self._asked)
        except KeyDestroyed:
            # That may be another row's: each row hears of its own.
            return await self._keyring.existing_keys(wanted)
        return {subject: found[subject] for subject in wanted if subject in found}

    async def _ask(self) -> Mapping[str, DataKey]:
        """Wait for the question that is under way, then ask for all who wait by then."""
        async with self._turn:
            wanted, self._waiting, self._asked = list(self._waiting), set(), None
            return await self._keyring.existing_keys(wanted)


class _KeysInMemory:
    """A keyring over another one: it fetches keys from it, and makes new ones in memory. For one dry run."""

    def __init__(self, keyring: _KeysAskedTogether) -> None:
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
        stored = await self._stored(wanted)
        missing = [subject for subject in wanted if subject not in stored]
        self._subjects.update(missing)
        return {**stored, **await self._made.keys_for_sealing(missing)}

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch keys, and make none (see `Keyring.existing_keys`)."""
        wanted = list(subjects)
        return {**await self._stored(wanted), **await self._made.existing_keys(wanted)}

    async def _stored(self, subjects: Sequence[str]) -> Mapping[str, DataKey]:
        """Fetch existing keys of those for whom none was made here."""
        asked = [subject for subject in subjects if subject not in self._subjects]
        return await self._keyring.existing_keys(asked) if asked else {}

    async def destroy(self, subject: str) -> None:
        """Refuse: a dry run destroys nothing."""
        raise NotImplementedError(f"a dry run does not destroy the key of {subject}")
