"""Import of a register: the commands of one row, sent in order to one record, whose events are marked IMPORT.

POST /v1/{collection}/{id}/import   ?dry_run=

The commands are the ordinary ones, and go through the command handler like any other. Only the mark (`Origin`) and the
command ids differ: an id follows from the record, the importing organisation and the place of the command in its row. So a
row that is sent again, by any member of the organisation, records nothing twice; a row that was changed since is refused,
and a row that was interrupted goes on.

A dry run calls the same code on an event store and a keyring that keep their additions in memory, so later commands of a
row are judged after earlier ones. It records nothing but a line in the access log.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from shared.api.authorisation import NotAllowed, command_denial
from shared.api.bodies import read_model
from shared.api.command_schemas import ANY_COMMAND, IN_OPENAPI
from shared.api.dependencies import Dependencies
from shared.api.parameters import DRY_RUN, ID
from shared.api.problems import MAX_ERRORS, FieldError, Malformed, RuleBroken, listed_rules
from shared.api.request import Caller, parse_command, read_id, read_query
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import Origin
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command
from shared.domain.sealing import DataKey
from shared.domain.service import Service
from shared.event_store import AppendRequest, AppendResult, EventStore, LoadedStream, RecordedEvent
from shared.event_store.memory import MemoryEventStore
from shared.handling import command_handler
from shared.privacy.keyring import KeyId, Keyring, MemoryKeyring

MAX_BYTES: Final = 262_144
"""The largest body of a request in bytes."""

_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z0-9_]{1,40}){0,5}")

Outcome = Literal["recorded", "repeated", "refused", "needs_rationale", "malformed", "changed", "conflict", "unknown"]
GOOD: Final = frozenset({"recorded", "repeated"})


class Row(Schema):
    """The body of a request: where the row stands, and its commands in order."""

    file_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="The SHA-256 of the file that it is in."
    )
    row: int = Field(ge=1, le=1_048_576, description="Its number in the file, from 1: that of the headings.")
    commands: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=20,
        description="Commands of this service, the first to be sent first. The one that opens the record may leave out its"
        " case, or other home: then it gets a new one.",
    )


class RowCommand(Schema):
    """What became, or would become, of a command of the row."""

    number: int = Field(description="Its place in the row, from 1.")
    type: str | None = Field(description="The name of the command; null if it names none that there is.")
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
        description="That of the last command that is recorded; null in a dry run, and if none is."
    )
    commands: list[RowCommand]


def add_import(app: FastAPI, service: Service[Any]) -> None:
    @app.post(
        f"/v1/{service.collection}/{{id}}/import",
        tags=["commands"],
        response_model=RowOutcome,
        **declared((ID, DRY_RUN), 404, 409, 410, 415, body=_body()),
    )
    async def import_row(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Record the commands of one row of a register, in order, as events that are marked IMPORT. For the roles that may import.

        Sent again, it records nothing twice. With `dry_run=true` nothing is recorded but a line in the access log.
        """
        at: Dependencies = request.app.state.deps
        dry_run = read_query(request).get(DRY_RUN.name) == "true"
        action = "DRY_RUN_IMPORT" if dry_run else "IMPORT"
        stream = read_id(id)
        target = service.stream_name(stream)
        try:
            outcomes, token = await _import(at, service, request, actor, stream, dry_run=dry_run)
        except NotAllowed:
            await at.log.record(actor, action, target, outcome="FORBIDDEN", rules=["T2"])
            raise
        last, kinds = outcomes[-1], {outcome.outcome for outcome in outcomes}
        if last.outcome != "malformed" and (dry_run or last.outcome not in GOOD):
            logged = "GIVEN" if last.outcome in GOOD else last.outcome.upper()
            await at.log.record(actor, action, target, outcome=logged, rules=[rule.id for rule in last.rules])
        row = RowOutcome(
            dry_run=dry_run,
            outcome="repeated" if kinds == {"repeated"} else "imported" if kinds <= GOOD else "not_imported",
            position_token=token,
            commands=outcomes,
        )
        return JSONResponse(row.model_dump(mode="json"))


async def _import(
    at: Dependencies, service: Service[Any], request: Request, actor: Actor, stream: UUID, *, dry_run: bool
) -> tuple[list[RowCommand], str | None]:
    """Send the commands of a row in order, to the first that does not pass. Returns their outcomes and the last position token.

    Raises `NotAllowed`, `Malformed`, and what the command handler raises.
    """
    actor = actor.with_roles(sorted(service.importers.intersection(actor.roles))[:1])
    if actor.role not in service.importers:
        raise NotAllowed(f"the role {actor.role} may not import; it is for {', '.join(sorted(service.importers))}")
    row = await read_model(request, Row, MAX_BYTES)
    now = datetime.now(UTC)
    commands, malformed = _parse(service, await _at_home(at, service, stream, row.commands), now)
    if malformed:
        return malformed, None
    for denial in filter(None, (command_denial(service, actor.roles, type(command)) for command in commands)):
        raise NotAllowed(denial)
    # The reference is a fragment of the file (RFC 7111).
    origin = Origin(kind="IMPORT", reference=f"{row.file_sha256}#row={row.row}")
    handler = at.handler
    if dry_run:
        handler = handler.on(_DryRunStore(handler.event_store), _DryRunKeyring(handler.keyring))
    outcomes: list[RowCommand] = []
    token: str | None = None
    for number, command_request in enumerate(_requests(service, commands, stream, actor, origin, now), start=1):
        result = await handler.handle(command_request)
        if isinstance(result, command_handler.Forbidden) and not result.hidden:
            raise NotAllowed(result.why)
        if isinstance(result, command_handler.Accepted) and not dry_run:
            token = result.receipt.position_token
        outcomes.append(_outcome(number, command_request.command.type, result))
        if outcomes[-1].outcome not in GOOD:
            break
    return outcomes, token


async def _at_home(
    at: Dependencies, service: Service[Any], stream: UUID, bodies: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Give the command that opens the record its home if it names none: that which stands, or one that nobody can derive."""
    if not service.home_field:
        return bodies
    recorded = (await at.event_store.load(service.stream_name(stream))).records
    home = {service.home_field: str(recorded[0].home if recorded else uuid4())}
    opening = [command.__name__ for command in service.commands if command.opens]
    return [home | body if body.get("type") in opening else body for body in bodies]


def _body() -> dict[str, Any]:
    """Build the request body of OpenAPI: a row, whose commands are the union of those of the service."""
    schema = Row.model_json_schema()
    schema["properties"]["commands"]["items"] = {"$ref": IN_OPENAPI + ANY_COMMAND}
    return json_body(schema)


def _parse(
    service: Service[Any], bodies: Iterable[dict[str, Any]], received_at: datetime
) -> tuple[list[Command], list[RowCommand]]:
    """Parse the commands of a row as the API parses each; the second list says what is malformed, in all of them."""
    commands: list[Command] = []
    malformed: list[RowCommand] = []
    known = {command.__name__ for command in service.commands}
    for number, body in enumerate(bodies, start=1):
        try:
            commands.append(parse_command(service, json.dumps(body).encode(), received_at))
        except Malformed as error:
            name = body.get("type")
            malformed.append(
                RowCommand(
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
    service: Service[Any], commands: Sequence[Command], stream: UUID, actor: Actor, origin: Origin, now: datetime
) -> Iterable[CommandRequest]:
    """Build the requests of a row. An organisation with other labels has command ids of its own."""
    importer = (actor.organisation, *sorted(actor.labels.items()))
    for n, command in enumerate(commands):
        ordinal = sum(earlier.type == command.type for earlier in commands[:n])
        yield CommandRequest(
            command=command,
            stream=stream,
            command_id=derived_uuid("import", service.name, stream, *importer, command.type, ordinal),
            actor=actor,
            received_at=now,
            correlation_id=derived_uuid("import", service.name, stream, *importer),
            origin=origin,
        )


def _outcome(number: int, type_: str, result: command_handler.Result) -> RowCommand:
    answer = partial(RowCommand, number=number, type=type_)
    match result:
        case command_handler.Accepted(receipt, repeated):
            return answer(outcome="repeated" if repeated else "recorded", version=receipt.version)
        case Refused(rules) | NeedsRationale(rules):
            outcome: Outcome = "refused" if isinstance(result, Refused) else "needs_rationale"
            return answer(outcome=outcome, rules=listed_rules(rules))
        case command_handler.IdempotencyKeyReused():
            return answer(outcome="changed")
        case command_handler.VersionConflict() | command_handler.NoChange():
            return answer(outcome="conflict")
        case command_handler.StreamNotFound() | command_handler.Forbidden():
            return answer(outcome="unknown")


class _DryRunStore(MemoryEventStore):
    """An event store over another one: streams and claims are read from it, and events are appended here."""

    def __init__(self, recorded: EventStore) -> None:
        super().__init__()
        self._recorded = recorded

    async def load(self, stream: str, command_id: UUID | None = None) -> LoadedStream:
        """Load a stream with the events that were appended here (see `EventStore.load`)."""
        loaded = await self._recorded.load(stream, command_id)
        records = self._streams.setdefault(stream, [*loaded.records])
        return LoadedStream(tuple(records), loaded.receipt)

    async def size_of_home(self, home: UUID, labels: Mapping[str, str]) -> tuple[int, int]:
        """Count what a home has in the other store (see `EventStore.size_of_home`)."""
        return await self._recorded.size_of_home(home, labels)

    async def naming(self, home: UUID, ids: Collection[UUID]) -> Sequence[RecordedEvent]:
        """Load events that hold ids from the other store (see `EventStore.naming`)."""
        return await self._recorded.naming(home, ids)

    async def linked_marks(self, homes: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """Look up marks in the other store (see `EventStore.linked_marks`)."""
        return await self._recorded.linked_marks(homes)

    async def kept_events(self, homes: Collection[UUID]) -> Mapping[UUID, Sequence[RecordedEvent]]:
        """Look up other services' events in the other store (see `EventStore.kept_events`)."""
        return await self._recorded.kept_events(homes)

    async def append(self, append: AppendRequest) -> AppendResult:
        """Answer as the other store would, and keep the events here (see `EventStore.append`)."""
        self._claims = {**await self._recorded.holders(append.takes), **self._claims}
        return await super().append(append)


class _DryRunKeyring(MemoryKeyring):
    """A keyring over another one: existing keys are fetched from it, and new ones are created here."""

    def __init__(self, stored: Keyring) -> None:
        super().__init__()
        self._stored = stored

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        wanted = set(key_ids)
        created = {key_id for key_id in wanted if key_id[0] in self._keys}
        return {**await self._stored.open(wanted - created), **await super().open(created)}

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch data keys, and create none (see `Keyring.existing_keys`)."""
        wanted = list(subjects)
        created = await super().existing_keys(wanted)
        return {**await self._stored.existing_keys([name for name in wanted if name not in created]), **created}
