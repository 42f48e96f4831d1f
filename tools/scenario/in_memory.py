"""A whole system in this process: the production handlers and reactions on event stores and a keyring in memory.

Only three things are not production's: the token (an officer is whom the scenario names), the broker (each recorded event
goes straight to the reactions and to reporting) and the storage. Reactions have happened when `send` returns.
"""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from shared.api.authorisation import command_denial
from shared.api.problems import Malformed
from shared.api.request import parse_command
from shared.command_handler import (
    Accepted,
    CommandHandler,
    DryRun,
    Forbidden,
    IdempotencyKeyReused,
    NoChange,
    StreamNotFound,
    VersionConflict,
)
from shared.command_handler import Result as HandlerResult
from shared.domain.dates import local_day
from shared.domain.decisions import BrokenRule, NeedsRationale, Refused
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.domain.service import Service
from shared.event_store import RecordedEvent
from shared.event_store.memory import MemoryEventStore
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.reactions import ReactionRunner
from shared.privacy.keyring import MemoryKeyring
from tools.scenario.backend import BackendError, Request, Response
from tools.scenario.parked_in_memory import MemoryParkedReactions
from tools.scenario.story import Officer, Result

T = TypeVar("T")

AREA: Final = {"area": "DORSET"}
READER: Final = "AUDITOR"


class Reporting(Protocol):
    """A reporting service in memory. It receives every fact with its sealed fields closed, and computes measures."""

    def record(self, service: str, fact: Fact) -> None:
        """Take a fact into account."""
        ...

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a measure, as the reporting API answers with it."""
        ...


@dataclass
class _RunningService:
    """One service: its handler, its reactions, and the position up to which its events have been delivered."""

    handler: CommandHandler
    reactions: ReactionRunner
    parked: MemoryParkedReactions
    delivered: int = 0

    @property
    def service(self) -> Service[Any]:
        return self.handler.service


class Memory:
    """A backend in memory over the services given. Officers act in `area`, and declare `conflicts` of interest."""

    patience = 0.0

    def __init__(
        self,
        services: Iterable[Service[Any]],
        reporting: Reporting | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.area = AREA
        self.conflicts: frozenset[UUID] = frozenset()
        self.keyring = MemoryKeyring()
        self._reporting = reporting
        self._clock = clock
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._services = {service.name: self._start(service) for service in services}
        self._loop = asyncio.new_event_loop()
        # A thread of its own, so that the system can also be used if an event loop runs already.
        self._thread = ThreadPoolExecutor(1)
        weakref.finalize(self, self._loop.close)

    @property
    def parked(self) -> Sequence[str]:
        """The parked reactions, with the reason for each."""
        return [
            f"{reaction} in {name}: {reason}"
            for name, running in self._services.items()
            for reaction, reason in running.parked
        ]

    @property
    def histories(self) -> Sequence[tuple[str, Sequence[Fact]]]:
        """Every stream's facts, opened, with the service that owns it."""
        return [
            (name, facts) for name, running in self._services.items() for facts in self._run(_read_streams(running))
        ]

    def handler(self, service: Service[Any]) -> CommandHandler:
        """Build the handler of a service."""
        return CommandHandler(service, MemoryEventStore(self.now), self.keyring, os.urandom(32))

    # --- the backend's side -----------------------------------------------------------------------

    def officer(self, officer: Officer) -> UUID:
        """Return the same id for a role and number every time."""
        return derived_uuid("officer", officer.role, officer.number)

    def settle(self) -> None:
        """Return at once: reactions have happened when `send` returns."""

    def now(self) -> datetime:
        """Return a time that lies after everything recorded, and before everything to come."""
        self._latest = max(self._clock(), self._latest + timedelta(microseconds=1))
        return self._latest

    def state(
        self, service: str, stream: UUID, *, as_of: datetime | None, known_at: datetime | None
    ) -> Mapping[str, Any] | None:
        """Return the view of a stream, as JSON would carry it."""
        running = self._readable(service, "state")
        view = running.service.read_model.view_of(self._history(running, stream), as_of=as_of, known_at=known_at)
        if view is None:
            return None
        as_sent: Mapping[str, Any] = json.loads(json.dumps(view))
        return as_sent

    def history(self, service: str, stream: UUID) -> Sequence[Mapping[str, Any]]:
        """Return the events of a stream, in order."""
        return [
            {
                "type": fact.name,
                "event_id": fact.event_id,
                "occurred_at": fact.occurred_at,
                "recorded_at": fact.recorded_at,
            }
            for fact in self._history(self._readable(service, "history"), stream)
        ]

    def duties(
        self, service: str, stream: UUID, *, as_of: date | None, known_at: datetime | None
    ) -> Sequence[Mapping[str, Any]]:
        """Return the duties of a stream on a day, in the form of the API."""
        running = self._readable(service, "duties")
        day = as_of or local_day(self._clock())
        facts = self._history(running, stream)
        return [duty.as_json(day) for duty in duties_on(running.service.read_model, facts, day, known_at)]

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return a measure of reporting; None without reporting."""
        return None if self._reporting is None else self._reporting.measure(name, params)

    def send(self, request: Request) -> Response:
        """Answer a command in the order of the API: a role without commands, shape, role, then the handler's order."""
        command_request = self._command_request(request)
        if isinstance(command_request, Response):
            return command_request
        return _response(self._run(self._handle(self._services[request.service], command_request)))

    def dry_run(self, request: Request) -> Response | DryRun:
        """Answer what a command would do now, and record nothing (see `CommandHandler.dry_run`)."""
        command_request = self._command_request(request)
        if isinstance(command_request, Response):
            return command_request
        result = self._run(self._services[request.service].handler.dry_run(command_request))
        return result if isinstance(result, DryRun) else _response(result)

    def _command_request(self, request: Request) -> CommandRequest | Response:
        """Parse a command as the API does, or answer why its role may not send it or what is malformed."""
        service, role = self._services[request.service].service, request.by.role
        if why := command_denial(service, role):
            return Response(Result.FORBIDDEN, why=why)
        try:
            command = parse_command(service, json.dumps(request.body).encode(), received_at := self._clock())
        except Malformed as error:
            return Response(Result.INVALID, why=str(error))
        if why := command_denial(service, role, type(command)):
            return Response(Result.FORBIDDEN, why=why)
        actor = Actor(
            id=self.officer(request.by),
            role=role,
            organisation="SCENARIO",
            labels=self.area,
            conflicts=self.conflicts,
        )
        command_id = self._services[request.service].handler.command_id(actor.id, request.key)
        return CommandRequest(command, request.stream, command_id, actor, received_at, correlation_id=command_id)

    # --- the system's side ------------------------------------------------------------------------

    def _start(self, service: Service[Any]) -> _RunningService:
        handler = self.handler(service)
        reactions = ReactionRunner(handler, f"{service.name}-reactor", self._clock)
        return _RunningService(handler, reactions, MemoryParkedReactions(handler.event_store))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._loop.run_until_complete, work).result()

    def _readable(self, service: str, part: str) -> _RunningService:
        running = self._services[service]
        permission = running.service.permissions.get(READER)
        if permission is None or part not in permission.parts:
            raise BackendError(f"{service} lets no {READER} read its {part}: add it to the service's access.py.")
        return running

    def _history(self, running: _RunningService, stream: UUID) -> Sequence[Fact]:
        return self._run(_read_stream(running, running.service.stream_name(stream)))

    async def _handle(self, running: _RunningService, command_request: CommandRequest) -> HandlerResult:
        result = await running.handler.handle(command_request)
        while events := await self._undelivered():
            for source, event in events:
                await self._deliver(source, event)
            for each in self._services.values():
                for command_id in await each.parked.due_for_retry():
                    await each.reactions.retry(each.parked, command_id)
        return result

    async def _undelivered(self) -> list[tuple[_RunningService, RecordedEvent]]:
        """Return the events of all services that have not been delivered yet, in the order of recording."""
        events: list[tuple[_RunningService, RecordedEvent]] = []
        for running in self._services.values():
            store = running.handler.event_store
            head = (await store.head()).position
            new = await store.read(running.delivered, head - running.delivered)
            running.delivered = head
            events += [(running, event) for event in new]
        return sorted(events, key=lambda item: item[1].recorded_at)

    async def _deliver(self, source: _RunningService, event: RecordedEvent) -> None:
        """Deliver an event to reporting, and to the reactions of the services that consume its topic."""
        consumed = _consumed(source.service.topic, event)
        if self._reporting is not None:
            self._reporting.record(source.service.name, consumed.fact(source.service.events))
        for running in self._services.values():
            if source.service.topic in running.reactions.topics:
                await running.reactions.react(running.parked, [consumed])


def _consumed(topic: str, event: RecordedEvent) -> ConsumedEvent:
    """Return an event as a consumer receives it from its topic."""
    return ConsumedEvent(
        topic=topic,
        partition=0,
        offset=event.position - 1,
        key=str(event.home).encode(),
        headers=(),
        body=event.body,
        stream=event.stream,
        version=event.version,
        type=event.type,
        event_id=event.event_id,
        position=event.position,
        recorded_at=event.recorded_at,
        hash=event.hash,
    )


async def _read_stream(running: _RunningService, stream: str) -> Sequence[Fact]:
    return await running.handler.open((await running.handler.event_store.load(stream)).records)


async def _read_streams(running: _RunningService) -> Sequence[Sequence[Fact]]:
    store = running.handler.event_store
    events = await store.read(0, (await store.head()).position)
    return [await _read_stream(running, stream) for stream in dict.fromkeys(event.stream for event in events)]


def _response(result: HandlerResult) -> Response:
    """Return what the scenario sees of the handler's result, as `over_http` reads it from the API's answer."""
    match result:
        case Accepted(receipt, repeated):
            events = tuple(line.type.split(".")[-2] for line in receipt.events)
            word = Result.REPEATED if repeated else Result.ACCEPTED
            return Response(word, events=events, receipt=receipt.model_dump(mode="json"))
        case Refused(rules):
            return _broken(Result.REFUSED, rules)
        case NeedsRationale(rules):
            return _broken(Result.NEEDS_RATIONALE, rules)
        case _:
            return _rejected(result)


def _rejected(
    result: StreamNotFound | Forbidden | IdempotencyKeyReused | NoChange | VersionConflict,
) -> Response:
    match result:
        case StreamNotFound() | Forbidden(hidden=True):
            return Response(Result.UNKNOWN, why="there is no such record")
        case Forbidden(why):
            return Response(Result.FORBIDDEN, why=why)
        case IdempotencyKeyReused():
            return Response(Result.INVALID, why="the key was used with another body")
        case NoChange():
            return Response(Result.CONFLICT, why="there is nothing to be done")
        case VersionConflict(expected, actual):
            return Response(Result.CONFLICT, why=f"version {expected} was expected, and it is at {actual}")


def _broken(word: Result, rules: Sequence[BrokenRule]) -> Response:
    return Response(word, rules=tuple(rule.id for rule in rules), why="; ".join(rule.text for rule in rules))
