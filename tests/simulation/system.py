"""The whole system of a run: two services with their programs, reporting, four clusters, Kafka, officers, and who starts it all.

Everything that decides is the product's: `CommandHandler`, `PostgresEventStore`, `Relay`, `Lease`, `ProjectionConsumer` with
`RecordHandler` and quarantine, `ReactionRunner` with parked reactions, `PostgresKeyring`. Only Faust's consumer is not here,
since it has a thread of its own: the reactions are fed by aiokafka's, through the same `RecordHandler`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiokafka
import asyncpg
import httpx2
import structlog
from mode import Service as Part

from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command
from shared.domain.receipts import Receipt
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from shared.event_store import EventStoreUnavailable
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.log import EVENTS
from shared.evidence.signer import CheckpointSigner
from shared.evidence.witnessed import compare_at_start
from shared.handling.command_handler import Accepted, CommandHandler
from shared.messaging import projection_consumer
from shared.messaging.consumer import position_record
from shared.messaging.consumer.handling import GroupSettings
from shared.messaging.consumer.position_signature import PositionKeys, position_signers
from shared.messaging.polling import waking
from shared.messaging.projection_consumer import ProjectionConsumer
from shared.messaging.reactions import ParkedReactionRetrier, ReactionRunner
from shared.messaging.relay import Relay
from shared.privacy.keyring import KeyEncryptionKeys, KeyringUnavailable, PostgresKeyring
from shared.servers import database
from shared.servers.kafka import PARTITIONS
from tests.simulation.kafka import Broker, FakeConsumer, FakeProducer
from tests.simulation.loop import START, Loop, Process
from tests.simulation.network import Network
from tests.simulation.postgres import Cluster, Servers
from tests.simulation.services import BELL, DESK, Open, Ring
from tests.simulation.statements import ANSWERS, PROJECT, empty_tables
from tests.simulation.witness import AUTHORITY, KEYS, Witness

KEK: Final = KeyEncryptionKeys.read("1:" + "A" * 43 + "=")
SERVICES: Final = {service.name: service for service in (BELL, DESK)}
MEMBERSHIP: Final = GroupSettings(session_seconds=6.0, heartbeat_seconds=1.0)
POSITION_KEYS: Final = PositionKeys(
    cache(lambda service: [signer.key for signer in position_signers(KEYS, AUTHORITY, service)])
)
BEFORE: Final = START - timedelta(days=1)
"""When everything happened that is told, whatever a clock shows."""

DESKS: Final = 4
OFFICERS: Final = 4


class Broken(AssertionError):
    """A law that does not hold."""


@dataclass(frozen=True)
class Said:
    """A command that was acknowledged."""

    service: str
    key: str
    command: Command
    receipt: Receipt


@dataclass
class Program:
    """A program of ours, which is started again when it ends."""

    name: str
    main: Callable[[Process], Awaitable[None]]
    process: Process | None = None
    down: bool = False
    """Whether it stays down until somebody starts it."""


@dataclass
class System:
    """The system; see the module."""

    loop: Loop
    folder: Path
    """Where the witness remembers."""
    synchronous: bool = True
    network: Network = field(init=False)
    said: dict[str, Said] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    handlers: dict[str, tuple[Process, CommandHandler]] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    officers: list[asyncio.Task[None]] = field(default_factory=list)
    overwritten: dict[str, dict[int, Any]] = field(default_factory=dict)
    """What stood in the event stores before they were restored, by position."""
    closing: bool = False
    """Whether officers begin nothing new."""

    def __post_init__(self) -> None:
        self.chance = self.loop.chance
        self.network = Network(self.chance)
        self.servers = Servers(self.loop, self.network, ANSWERS)
        self.broker = Broker(self.loop, self.network)
        self.witness = Witness(self.folder, [*SERVICES], self.network)
        for name in (*SERVICES, "reporting", "keyring"):
            # A key that was used is kept by a synchronous copy of the log (ADR 29).
            cluster = self.servers.add(name, synchronous=self.synchronous or name == "keyring")
            cluster.fill(empty_tables(name, cluster.timeline))
        for name in SERVICES:
            self.broker.add(f"ooc.{name}.events", PARTITIONS)
            self.broker.add(f"ooc.{name}.position", 1)
            self.broker.add(f"ooc.{name}.checkpoints", 1)
        self.desks = [UUID(int=0xD000 + n) for n in range(DESKS)]
        self.bells = [UUID(int=0xB000)]
        self._numbers = 0
        for n in (1, 2):
            for service in SERVICES.values():
                self._add(f"{service.name}-api-{n}", self._api, service)
                self._add(f"{service.name}-relay-{n}", self._relay, service)
                self._add(f"{service.name}-signer-{n}", self._signer, service)
            self._add(f"desk-reactor-{n}", self._reactor)
            self._add(f"projector-{n}", self._projector)

    @property
    def clusters(self) -> list[Cluster]:
        """Every cluster of PostgreSQL."""
        return list(self.servers.clusters.values())

    @property
    def deciding(self) -> dict[str, Cluster]:
        """The clusters of the event stores."""
        return {name: self.servers.clusters[name] for name in SERVICES}

    def now(self) -> Any:
        """The true time."""
        return Process(self.loop, "nobody").now()

    # --- programs ---------------------------------------------------------------------------------

    def _add(self, name: str, main: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self.programs[name] = Program(name, lambda process: main(process, *arguments))

    def start(self, program: Program) -> None:
        """Start a program."""
        process = program.process = Process(self.loop, program.name)
        program.down = False
        self.loop.note(f"{program.name} starts")
        process.start(self._run(program, process))

    async def _run(self, program: Program, process: Process) -> None:
        try:
            await program.main(process)
        except Exception as error:  # noqa: BLE001 - its supervisor starts it again
            self.loop.note(f"{program.name} ends: {error!r}")
        process.kill()
        self.loop.create_task(self.start_later(program))

    async def start_later(self, program: Program) -> None:
        """Start a program again after a while, as its supervisor does."""
        await asyncio.sleep(self.chance.uniform(0.2, 2.0))
        if not program.down and (program.process is None or not program.process.alive):
            self.start(program)

    def kill(self, program: Program, *, down: bool = False) -> None:
        """Kill a program, as kill -9 does; its supervisor starts it again, unless it is to stay down."""
        program.down = down
        if program.process is not None and program.process.alive:
            program.process.kill()
            if not down:
                self._outside(self.start_later(program))

    def _outside(self, work: Any) -> None:
        """Run something in no process."""
        Process(self.loop, "supervisor").start(work)

    async def _pool(self, name: str, role: str) -> Any:
        return await database.create_pool(f"postgresql://{role}@sim/{name}")

    async def _handler(self, process: Process, service: Service[Any], role: str) -> tuple[CommandHandler, Any]:
        pool = await self._pool(service.name, role)
        keyring = PostgresKeyring(await self._pool("keyring", role), KEK, self.loop.time, calendar=process.now)
        return CommandHandler(service, PostgresEventStore(pool, process.now), keyring, b"digest"), pool

    async def _api(self, process: Process, service: Service[Any]) -> None:
        handler, pool = await self._handler(process, service, f"{service.name}_api")
        await compare_at_start(pool, service.name, (EVENTS,), self.witness.settings)
        self.handlers[process.name] = (process, handler)
        await asyncio.Event().wait()

    async def _relay(self, _process: Process, service: Service[Any]) -> None:
        relay = Relay(
            service.name,
            events_topic=service.topic,
            position_topic=service.position_topic,
            dsn=f"postgresql://{service.name}_relay@sim/{service.name}",
            bootstrap="kafka",
            signers=position_signers(KEYS, AUTHORITY, service.name),
        )
        await _run_parts(relay)

    async def _signer(self, _process: Process, service: Service[Any]) -> None:
        signer = CheckpointSigner(
            service.name,
            authority=AUTHORITY,
            logs=(EVENTS,),
            topic=service.checkpoints_topic,
            dsn=f"postgresql://{service.name}_signer@sim/{service.name}",
            bootstrap="kafka",
            keys=KEYS,
            witness=self.witness.client(),
        )
        await _run_parts(signer)

    async def _reactor(self, process: Process) -> None:
        handler, pool = await self._handler(process, DESK, "desk_worker")
        runner = ReactionRunner(handler, "desk-reactor", process.now)
        parked = ParkedReactionRetrier(runner, pool)
        consumer = ProjectionConsumer(
            runner.consumer,
            services=[BELL.name],
            pool=pool,
            bootstrap="kafka",
            keys=POSITION_KEYS,
            apply=waking(runner.apply, parked.poll),
            membership=MEMBERSHIP,
            reconcile_seconds=1e9,  # it keeps no position records
        )
        consumer._handler._note = None
        await _run_parts(consumer, parked)

    async def _projector(self, _process: Process) -> None:
        pool = await self._pool("reporting", "reporting_worker")

        async def apply(connection: Any, records: Any) -> None:
            for record in records:
                await connection.execute(PROJECT, record.stream, record.version, record.position, record.hash)

        consumer = ProjectionConsumer(
            "projector",
            services=[*SERVICES],
            pool=pool,
            bootstrap="kafka",
            keys=POSITION_KEYS,
            apply=apply,
            membership=MEMBERSHIP,
        )
        await _run_parts(consumer)

    # --- officers ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start every program, and let the officers work."""
        for program in self.programs.values():
            self.start(program)
        self.officers = [self.loop.create_task(self.work(n)) for n in range(OFFICERS)]

    async def work(self, number: int, rings: float = inf) -> None:
        """Do the work of an officer: the first one opens the desks, and each rings bells, old and new."""
        if number == 0:
            for desk in self.desks:
                await asyncio.sleep(self.chance.uniform(0, 4))
                await self.say(DESK, desk, Open(occurred_at=BEFORE))
        while (rings < inf or not self.closing) and rings > 0:
            rings -= 1
            self._numbers += 1
            if self.chance.random() < 0.2:
                self.bells.append(UUID(int=0xB000 + self._numbers))
            desk, bell = self.chance.choice(self.desks), self.chance.choice(self.bells)
            note = Sealed("somebody is at the door")
            await self.say(BELL, bell, Ring(desk_id=desk, number=self._numbers, note=note, occurred_at=BEFORE))
            await asyncio.sleep(self.chance.expovariate(2.0))

    async def say(self, service: Service[Any], stream: UUID, command: Command) -> None:
        """Send a command again and again with the same key, until it is acknowledged."""
        key = f"{service.name}-{len(self.sent)}"
        self.sent.add(key)
        while True:
            try:
                async with asyncio.timeout(30):
                    result = await self._ask(service, stream, command, key)
            except (OSError, TimeoutError, EventStoreUnavailable, KeyringUnavailable) as error:
                self.loop.note(f"{key}: {type(error).__name__}")
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))
                continue
            if not isinstance(result, Accepted):
                raise Broken(f"{key} was answered {result}")
            self._note_receipt(Said(service.name, key, command, result.receipt))
            if self.chance.random() > 0.05:  # an officer who has not seen the answer asks again
                return

    def _note_receipt(self, said: Said) -> None:
        self.loop.note(f"{said.key} has position {said.receipt.position}")
        first = self.said.setdefault(said.key, said)
        if first.receipt.events != said.receipt.events:
            raise Broken(f"{said.key} has two receipts: {first.receipt.events} and {said.receipt.events}")

    async def _ask(self, service: Service[Any], stream: UUID, command: Command, key: str) -> Any:
        """Send a command to one of the service's APIs."""
        await asyncio.sleep(self.network.delay())
        process, handler = self.handlers.get(f"{service.name}-api-{self.chance.choice((1, 2))}", (None, None))
        if process is None or handler is None or not process.alive:
            raise ConnectionRefusedError
        answered: asyncio.Future[Any] = self.loop.create_future()

        async def serve() -> None:
            actor = Actor(id=derived_uuid("officer", key), role="CLERK", organisation="HOUSE", labels={"area": "HERE"})
            command_id = handler.command_id(actor.id, key)
            request = CommandRequest(command, stream, command_id, actor, process.now(), correlation_id=command_id)
            try:
                result = await handler.handle(request)
            except Exception as error:  # noqa: BLE001 - the officer gets it
                await asyncio.sleep(self.network.delay())
                if not answered.done():
                    answered.set_exception(error)
            else:
                await asyncio.sleep(self.network.delay())
                if not answered.done():
                    if self.network.loses():
                        answered.set_exception(ConnectionResetError())
                    else:
                        answered.set_result(result)

        process.start(serve())
        return await answered


async def _run_parts(*parts: Part) -> None:
    """Run parts of a worker until one of them breaks; raises its error."""
    for part in parts:
        await part.start()
    crashed = [asyncio.ensure_future(part._crashed.wait()) for part in parts]
    await asyncio.wait(crashed, return_when=asyncio.FIRST_COMPLETED)
    for part in parts:
        if part.crash_reason is not None:
            raise part.crash_reason


@contextlib.contextmanager
def installed(system: System) -> Iterator[None]:
    """Put the servers of a run where the product looks for asyncpg and aiokafka; what it logs goes into the trace."""

    def trace(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
        system.loop.note(" ".join(f"{key}={value}" for key, value in event.items()))
        raise structlog.DropEvent

    kind = {"broker": system.broker}
    parts = Part._get_tasks  # of a set of names

    producer, consumer = type("Producer", (FakeProducer,), kind), type("Consumer", (FakeConsumer,), kind)
    places = [
        (asyncpg, "connect", system.servers.connect),
        (asyncpg, "create_pool", system.servers.create_pool),
        (aiokafka, "AIOKafkaProducer", producer),
        (httpx2, "AsyncClient", system.witness.http),
        (position_record, "AIOKafkaConsumer", consumer),
        (projection_consumer, "AIOKafkaConsumer", consumer),
        (Part, "_get_tasks", lambda part: sorted(parts(part), key=lambda task: task.fun.__name__)),
    ]
    originals = [(place, name, getattr(place, name)) for place, name, _ in places]
    logged = structlog.get_config()
    logging.disable(logging.CRITICAL)
    for place, name, stand_in in places:
        setattr(place, name, stand_in)
    structlog.configure(processors=[trace])
    try:
        yield
    finally:
        structlog.configure(**logged)
        logging.disable(logging.NOTSET)
        for place, name, original in originals:
            setattr(place, name, original)
