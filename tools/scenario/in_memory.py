"""A whole system in this process: the production handlers and reactions on event stores and a keyring in memory.

Only three things are not production's: the token (an officer is whom the scenario names), the broker (each recorded event
goes straight to the reactions and to reporting) and the storage. Reactions have happened when `send` returns.
"""

import asyncio
import json
import os
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from services.notifications.news import READ_MODELS
from services.notifications.plan import told_as_it_happened
from shared.api.authorisation import NotAllowed, command_denial
from shared.api.commands import command_response, in_narrowest_role
from shared.api.problems import Malformed
from shared.api.request import parse_command
from shared.domain.dates import LONDON, local_day
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.service import Service
from shared.domain.waiting import is_of_kernel
from shared.event_store import RecordedEvent
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import CommandHandler, DryRun
from shared.handling.command_handler import Result as HandlerResult
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.linking import copies_in, marks_in
from shared.messaging.reactions import ReactionRunner
from shared.privacy.keyring import MemoryKeyring
from tools.client.http import Reply
from tools.client.tokens import officer_id
from tools.scenario.backend import BackendError, Request, Response
from tools.scenario.over_http import response_from
from tools.scenario.parked_in_memory import MemoryParkedReactions
from tools.scenario.story import Officer, Result

T = TypeVar("T")

AREA: Final = {"area": "DORSET"}
READER: Final = "AUDITOR"


class Reporting(Protocol):
    """A reporting service in memory. It receives every fact with its sealed fields closed, and computes measures."""

    def record(self, service: str, fact: Fact) -> None:
        """Take a fact into account."""

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a measure, as the reporting API answers with it."""


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

    @property
    def memory(self) -> MemoryEventStore:
        """The event store, where other services' marks and events are kept, as `shared.messaging.linking` does."""
        assert isinstance(self.handler.event_store, MemoryEventStore)
        return self.handler.event_store

    def keep_marks(self, event: ConsumedEvent) -> None:
        """Keep the marks that an event of another service's record gives."""
        for home, mark in marks_in(self.service, [event]):
            self.memory.keep_marks(home, [mark])


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
        return CommandHandler(service, MemoryEventStore(self.now), self.keyring, os.urandom(32))

    # --- the backend's side -----------------------------------------------------------------------

    def officer(self, officer: Officer) -> UUID:
        """Return the same id for a role and number every time."""
        return officer_id(officer.role, officer.number)

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
        history = self._history(running, stream)
        known = self._run(running.handler.known_for(stream, history, opened=False))
        view = running.service.read_model.view_of(history, as_of=as_of, known_at=known_at, known=known)
        if view is None:
            return None
        as_sent: Mapping[str, Any] = json.loads(json.dumps(view))
        return as_sent

    def history(self, service: str, stream: UUID) -> Sequence[Mapping[str, Any]]:
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
        running = self._readable(service, "duties")
        day = as_of or local_day(self._clock())
        facts = self._history(running, stream)
        known = self._run(running.handler.known_for(stream, facts, opened=False))
        return [duty.as_json(day) for duty in duties_on(running.service.read_model, facts, day, known_at, known)]

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return a measure of reporting; None without reporting."""
        return None if self._reporting is None else self._reporting.measure(name, params)

    def messages(self, person: UUID, *, as_of: datetime | None) -> Sequence[Mapping[str, Any]]:
        """Return what notifications plans by the events as published, each sent when it was due."""
        until = as_of or datetime.max.replace(tzinfo=UTC)
        return [
            {
                "template": str(message.template),
                "at": message.not_before.astimezone(LONDON).isoformat(),
                "record": message.record.partition("/")[2],
            }
            for message in told_as_it_happened(person, self._run(self._published()), until)
            if message.not_before <= until
        ]

    def send(self, request: Request) -> Response:
        """Answer a command in the order of the API: a role without commands, shape, role, then the handler's order."""
        answer = self._answer(request, self._handle)
        assert isinstance(answer, Response)
        return answer

    def dry_run(self, request: Request) -> Response | DryRun:
        """Answer what a command would do now, and record nothing (see `CommandHandler.dry_run`)."""
        return self._answer(request, lambda running, asked: running.handler.dry_run(asked))

    def _answer(
        self,
        request: Request,
        ask: Callable[[_RunningService, CommandRequest], Coroutine[Any, Any, HandlerResult | DryRun]],
    ) -> Response | DryRun:
        """Return what the API would answer, read as over HTTP; the whole of a dry run that came to the rules."""
        running = self._services[request.service]
        try:
            asked = self._parse(running, request)
            _, result = self._run(in_narrowest_role(running.service, asked, partial(ask, running)))
            if isinstance(result, DryRun):
                return result
            answer = command_response(asked.command.type, running.service.stream_name(request.stream), result)
        except NotAllowed as error:
            return Response(Result.FORBIDDEN, why=str(error))
        except Malformed as error:
            return Response(Result.INVALID, why=str(error))
        return response_from(Reply(answer.status_code, json.loads(bytes(answer.body)), answer.headers))

    def _parse(self, running: _RunningService, request: Request) -> CommandRequest:
        """Parse a command as the API does. Raises `NotAllowed` or `Malformed`."""
        service, (role, *also) = running.service, request.by.role.split(" ")
        if why := command_denial(service, [role, *also]):
            raise NotAllowed(why)
        command = parse_command(service, json.dumps(request.body).encode(), received_at := self._clock())
        if why := command_denial(service, [role, *also], type(command)):
            raise NotAllowed(why)
        actor = Actor(
            id=self.officer(request.by),
            role=role,
            also=frozenset(also),
            organisation="SCENARIO",
            labels=self.area,
            conflicts=self.conflicts,
        )
        command_id = running.handler.command_id(actor.id, request.key)
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

    async def _published(self) -> Sequence[Fact]:
        """Return the events that notifications follows, with what is sealed in them closed."""
        facts: list[Fact] = []
        for name, read_model in READ_MODELS.items():
            running = self._services[name]
            store, book = running.handler.event_store, read_model.events
            events = await store.read(0, (await store.head()).position)
            facts += [
                _consumed(running.service.topic, event).fact(book) for event in events if not is_of_kernel(event.type)
            ]
        return facts

    async def _deliver(self, source: _RunningService, event: RecordedEvent) -> None:
        """Deliver an event to reporting, and to the reactions of the services that consume its topic."""
        consumed = _consumed(source.service.topic, event)
        if self._reporting is not None:
            self._reporting.record(source.service.name, consumed.fact(source.service.events))
        for running in self._services.values():
            running.keep_marks(consumed)
            for home, *_ in copies_in(running.service, [consumed]):
                running.memory.keep_event(event, home)
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
