"""Reactions: a command of our own for another service's event, parked while it is refused, and done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared import database as connections
from shared.command_handler import Accepted, CommandHandler, StreamNotFound
from shared.database import as_role
from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.domain.waiting import waiting_events
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer import (
    BatchResult,
    ConsumedEvent,
    alarms,
    decode,
    process_batch,
    quarantined_streams,
)
from shared.messaging.faust_consumer import reactor
from shared.messaging.linking import linked_marks
from shared.messaging.reactions import (
    ReactionRunner,
    parked_reactions,
    parked_summary,
    system_actor,
)
from shared.messaging.wait_recorder import recorder_of
from shared.messaging.waiting import keep_waits, waits_of
from shared.privacy.keyring import MemoryKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import databases, service_database
from shared.runtime.service import CommandFor, Reaction, reaction_command_id
from shared.runtime.settings import Settings
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.desk import Answer, Open, Ring, Rung, Staff, bell, desk
from tests.integration.consumers.publishing import Message, publishing
from tests.integration.consumers.worker import QUICK

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLERK = Actor(id=UUID(int=7), role="CLERK", organisation="TEST", labels={"area": "DORSET"})


@dataclass
class House:
    """The desk on a real event store, its reactions, and a bell to ring."""

    owner: str
    pool: Pool
    desk: CommandHandler
    bell: CommandHandler
    reacting: ReactionRunner
    desk_id: UUID
    rings: int = 0

    async def ask(self, handler: CommandHandler, stream: UUID, command: Command) -> None:
        command_id = uuid4()
        result = await handler.handle(CommandRequest(command, stream, command_id, CLERK, NOON, command_id))
        assert isinstance(result, Accepted), result

    async def ring(self, hands: int) -> Message:
        """Ring the bell, and what is published of it."""
        await self.ask(self.bell, uuid4(), Ring(desk_id=self.desk_id, hands=hands))
        record = (await self.bell.event_store.read(self.rings, 1))[0]
        self.rings += 1
        headers = {
            "ce_id": str(record.event_id),
            "ce_type": record.type,
            "ce_subject": record.stream,
            "ooc_version": str(record.version),
            "ooc_position": str(record.position),
            "ooc_recorded_at": record.recorded_at.isoformat(),
            "ooc_hash": record.hash.hex(),
        }
        pairs = [(name, value.encode()) for name, value in headers.items()]
        return Message(record.home, record.body, pairs, record.stream, record.version)

    async def take(self, messages: Sequence[Message], first_offset: int = 0) -> BatchResult:
        records: list[ConsumedEvent] = [
            decode("ooc.bell.events", 0, offset, str(message.home).encode(), message.headers, message.body)
            for offset, message in enumerate(messages, start=first_offset)
        ]
        async with self.pool.acquire() as connection:
            return await process_batch(
                connection, self.reacting.consumer, "ooc.bell.events", 0, records, self.reacting.apply
            )

    async def lose_checkpoints(self) -> None:
        """Lose what the worker knows of how far it has come."""
        owner = await asyncpg.connect(self.owner)
        await owner.execute("delete from checkpoint")
        await owner.execute("delete from seen")
        await owner.close()

    async def answered(self) -> list[int]:
        """Return the hands of each answered ring, in order."""
        facts = await self.desk.open((await self.desk.event_store.load(f"desk/{self.desk_id}")).records)
        return [fact.event.hands for fact in facts if fact.name == "Answered"]  # type: ignore[attr-defined]


@pytest.fixture
async def house(database: str, postgres_url: str, topic_prefix: str) -> AsyncIterator[House]:
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("desk")[1])])
    pool = await connections.create_pool(as_role(database, role_name(RoleKind.WORKER, "desk")))
    keyring = MemoryKeyring()
    service = desk()
    handler = CommandHandler(service, PostgresEventStore(pool), keyring, b"digest")
    yield House(
        database,
        pool,
        handler,
        CommandHandler(bell(), MemoryEventStore(), keyring, b"digest"),
        ReactionRunner(handler, "desk-reactor", lambda: NOON + timedelta(hours=1)),
        uuid4(),
    )
    await asyncio.wait_for(pool.close(), 10)


async def test_a_ring_is_answered_once_however_often_it_comes(house: House) -> None:
    """Given an open desk, when a ring is taken, lost and taken again, then it is answered once, as SYSTEM, and points back."""
    await house.ask(house.desk, house.desk_id, Open())
    await house.ask(house.desk, house.desk_id, Staff(hands=3))
    ring = await house.ring(2)
    assert (await house.take([ring])).applied == 1
    await house.lose_checkpoints()
    assert (await house.take([ring])).applied == 1
    assert await house.answered() == [2]
    records = (await house.desk.event_store.load(f"desk/{house.desk_id}")).records
    envelope = (await house.desk.open(records))[-1].envelope
    source = house.reacting.service.published[0].read(ring.body or b"")
    assert envelope.actor == system_actor(house.desk.service).model_copy(update={"labels": {}})
    assert envelope.causation_id == source.event_id
    assert envelope.correlation_id == source.envelope.correlation_id
    assert (envelope.origin.kind, envelope.origin.reference) == ("REACTION", "ooc.bell.Rung.v1")
    assert envelope.labels == {"area": "DORSET"}


async def test_a_reaction_with_nothing_to_do_records_nothing_and_waits_no_longer(house: House) -> None:
    """Given a ring that needs nobody, when the desk is not open, then it waits; once it is, however often, nothing is recorded."""
    ring = await house.ring(0)
    await house.take([ring])
    assert [one.reason for one in await parked_reactions(house.pool)] == ["the stream that it asks has not begun"]
    await house.ask(house.desk, house.desk_id, Open())
    assert await house.reacting.retry_parked(house.pool) == 1
    await house.lose_checkpoints()
    assert (await house.take([ring])).applied == 1
    assert await parked_reactions(house.pool) == []
    assert len((await house.desk.event_store.load(f"desk/{house.desk_id}")).records) == 1


async def test_the_marks_of_anothers_record_are_kept_by_its_home(house: House) -> None:
    """Given an access table that names the bell's mark, when rings are taken, some twice, then each home has it once."""
    first, second = [await house.ring(1) for _ in range(2)]
    await house.take([first])
    assert await linked_marks(house.pool, [first.home]) == {"bell.RUNG"}
    assert await linked_marks(house.pool, [second.home, uuid4()]) == frozenset()
    await house.lose_checkpoints()
    await house.take([first, second])
    assert await house.pool.fetchval("select count(*) from linked_mark") == 2
    assert house.reacting.topics == ("ooc.bell.events",)


async def test_a_refused_reaction_is_parked_and_goes_through_when_its_target_moves(house: House) -> None:
    """Given a desk not yet open, then open without hands, when it gets them, then the rings go through in their order."""
    rings = [await house.ring(hands) for hands in (2, 9, 1)]
    batch_result = await house.take(rings)
    assert (batch_result.applied, batch_result.quarantined) == (3, ())
    waiting = await parked_reactions(house.pool)
    assert [one.reason for one in waiting] == ["the stream that it asks has not begun"] * 3
    assert {one.target_stream for one in waiting} == {f"desk/{house.desk_id}"}
    assert await house.reacting.retry_parked(house.pool) == 0

    await house.ask(house.desk, house.desk_id, Open())
    assert await house.reacting.retry_parked(house.pool) == 0
    assert [(one.rules, one.reason) for one in await parked_reactions(house.pool)] == [
        (("D1",), "Staff the desk first.")
    ] * 3

    await house.ask(house.desk, house.desk_id, Staff(hands=4))
    assert await house.reacting.retry_parked(house.pool) == 2
    assert await house.answered() == [2, 1]
    (left,) = await parked_reactions(house.pool)
    assert left.view()["reaction"] == "answer-ring"
    many, age = await parked_summary(house.pool)
    assert (many, age > timedelta(0)) == (1, True)

    await house.ask(house.desk, house.desk_id, Staff(hands=9))
    assert await house.reacting.retry_parked(house.pool) == 1
    assert await house.answered() == [2, 1, 9]
    assert await parked_summary(house.pool) == (0, timedelta(0))


async def test_parking_twice_is_parking_once_and_later_ones_are_not_blocked(house: House) -> None:
    """Given a parked ring, when it comes again, then one row stands; and a later ring that may go is answered."""
    await house.ask(house.desk, house.desk_id, Open())
    await house.ask(house.desk, house.desk_id, Staff(hands=1))
    much, little = await house.ring(5), await house.ring(1)
    await house.take([much])
    await house.lose_checkpoints()
    await house.take([much, little])
    (row,) = await parked_reactions(house.pool)
    assert (row.attempts, row.rules) == (2, ("D1",))
    assert await house.answered() == [1]


async def test_a_superseded_reaction_waits_no_longer(house: House) -> None:
    """Given a parked ring, when a later one takes its place, then that one alone waits, and goes through when it may."""
    rings: list[UUID] = []

    def answer_instead(fact: Fact) -> Iterable[CommandFor]:
        assert isinstance(fact.event, Rung)
        earlier = tuple(reaction_command_id(one, "answer-ring", fact.event.desk_id) for one in rings)
        rings.append(fact.event_id)
        yield CommandFor(fact.event.desk_id, Answer(hands=fact.event.hands), supersedes=earlier)
        yield CommandFor(UUID(int=9), Answer(hands=1), "elsewhere", if_begun=True)

    service = replace(house.desk.service, reactions=(Reaction("answer-ring", "bell", Rung, answer_instead),))
    house.desk.service = service
    house.reacting = ReactionRunner(house.desk, "desk-reactor", lambda: NOON)
    await house.ask(house.desk, house.desk_id, Open())
    await house.take([await house.ring(7)])
    assert [one.target_stream for one in await parked_reactions(house.pool)] == [f"desk/{house.desk_id}"]
    await house.take([await house.ring(2)], first_offset=1)
    (waiting,) = await parked_reactions(house.pool)
    assert waiting.command_id == reaction_command_id(rings[-1], "answer-ring", house.desk_id)
    await house.ask(house.desk, house.desk_id, Staff(hands=9))
    assert await house.reacting.retry_parked(house.pool) == 1
    assert await house.answered() == [2]


async def recorded_waits(house: House, id_: UUID) -> list[str]:
    """Return the names of the events of a wait, in order."""
    records = (await house.desk.event_store.load(f"desk/{id_}")).records
    return [record.type for record in records]


async def test_what_waits_is_recorded_once_and_told_to_whoever_reads_the_topic(house: House) -> None:
    """Given a parked ring, when it is looked at twice, refused for another reason and answered, then three events tell of it."""
    recorder = recorder_of(house.desk, house.pool, lambda: NOON + timedelta(hours=2))
    ring = await house.ring(2)
    await house.take([ring])
    assert (await recorder.record(), await recorder.record()) == (1, 0)
    (wait,) = await waits_of(house.pool, f"desk/{house.desk_id}")
    assert await waits_of(house.pool, ring.stream) == [wait]
    assert wait.view()["sentence"] == (
        "the ring of 2 March 2026 has not been answered: the stream that it asks has not begun"
    )
    assert await waits_of(house.pool, ring.stream, NOON) == []
    await house.ask(house.desk, house.desk_id, Open())
    await house.reacting.retry_parked(house.pool)
    assert (await recorder.record(), await recorder.record()) == (1, 0)
    (changed,) = await waits_of(house.pool, ring.stream)
    assert (changed.wait.rules, changed.wait.reason) == (("D1",), "Staff the desk first.")
    await house.ask(house.desk, house.desk_id, Staff(hands=4))
    await house.reacting.retry_parked(house.pool)
    assert (await recorder.record(), await recorder.record()) == (1, 0)
    assert await waits_of(house.pool, ring.stream) == []
    assert await recorded_waits(house, wait.id) == [
        f"ooc.desk.{name}.v1" for name in ("WaitingBegan", "WaitingChanged", "WaitingEnded")
    ]


async def test_another_service_keeps_what_waits_for_its_streams(house: House) -> None:
    """Given the events of a wait, when a follower's topic brings them, some twice, then the wait stands until it ends."""
    recorder = recorder_of(house.desk, house.pool, lambda: NOON)
    ring = await house.ring(2)
    await house.take([ring])
    await recorder.record()
    (wait,) = await waits_of(house.pool, ring.stream)
    await house.pool.execute("delete from parked")
    await recorder.record()
    records = (await house.desk.event_store.load(f"desk/{wait.id}")).records
    began, ended = [
        waiting_events("desk").read(record.body, position=record.position, recorded_at=record.recorded_at)
        for record in records
    ]
    owner = await asyncpg.connect(house.owner)
    await owner.execute("delete from waiting")
    await keep_waits(owner, [began, began])
    assert await waits_of(owner, ring.stream) == [wait]
    await keep_waits(owner, [ended, ended])
    assert await waits_of(owner, ring.stream) == []
    await owner.close()


async def test_a_stream_in_quarantine_waits_in_sight_until_it_is_released(house: House) -> None:
    """Given a ring that cannot be read, when it is held, then it waits for the desk; once it is released, it does not."""
    recorder = recorder_of(house.desk, house.pool, lambda: NOON)
    ring = await house.ring(1)
    body = (ring.body or b"").replace(b"Rung.v1", b"Rung.v2")
    newer = Message(ring.home, body, ring.headers, ring.stream, ring.version).having("ce_type", b"ooc.bell.Rung.v2")
    await house.take([newer.having("ooc_hash", next_hash(GENESIS, body).hex().encode())])
    assert await recorder.record() == 1
    (wait,) = await waits_of(house.pool, ring.stream)
    assert wait.wait.sentence == (
        "what was recorded in bell from version 1 on has not reached desk:"
        " an event cannot be applied; it and the later events of its stream wait in quarantine."
    )
    async with house.pool.acquire() as connection:
        await connection.execute("delete from quarantine")
    assert await recorder.record() == 1
    assert await waits_of(house.pool, ring.stream) == []


async def test_a_wait_is_no_record_of_the_service(house: House) -> None:
    """Given the stream of a wait, when a command is sent to it as if it were a desk's, then there is no such stream."""
    ring = await house.ring(2)
    await house.take([ring])
    await recorder_of(house.desk, house.pool, lambda: NOON).record()
    (wait,) = await waits_of(house.pool, ring.stream)
    for command in (Open(), Staff(hands=1)):
        command_request = CommandRequest(command, wait.id, uuid4(), CLERK, NOON, uuid4())
        assert await house.desk.handle(command_request) == StreamNotFound()


async def test_a_retry_that_is_asked_for_needs_no_move_of_its_target(house: House) -> None:
    """Given a ring of tomorrow, when it is due and a person asks for it, then it is foreseen to go through, and does."""
    await house.ask(house.desk, house.desk_id, Open())
    await house.ask(house.desk, house.desk_id, Staff(hands=3))
    house.reacting = ReactionRunner(house.desk, "desk-reactor", lambda: NOON - timedelta(days=1))
    await house.take([await house.ring(2)])
    (parked,) = await parked_reactions(house.pool)
    assert parked.rules == ("T1",)
    arguments = (parked.command_id, parked.reaction, parked.body)
    foreseen = await house.reacting.foresee(*arguments)
    assert foreseen is not None
    assert foreseen.rules == ("T1",)
    house.reacting = ReactionRunner(house.desk, "desk-reactor", lambda: NOON + timedelta(hours=1))
    assert await house.reacting.foresee(*arguments) is None
    assert await house.answered() == []
    assert await house.reacting.retry_parked(house.pool) == 0
    await house.pool.execute("update parked set retry = true")
    assert await house.reacting.retry_parked(house.pool) == 1
    assert await house.answered() == [2]


async def test_a_closed_reaction_is_not_done_when_its_event_comes_again(house: House) -> None:
    """Given a parked ring that was closed, when the desk could answer it and the ring comes again, then it is not answered."""
    ring = await house.ring(2)
    await house.take([ring])
    await recorder_of(house.desk, house.pool, lambda: NOON).record()
    await house.pool.execute("delete from parked")
    await house.pool.execute("update waiting set closed = true, ended_at = now()")
    await house.ask(house.desk, house.desk_id, Open())
    await house.ask(house.desk, house.desk_id, Staff(hands=3))
    await house.lose_checkpoints()
    assert (await house.take([ring])).applied == 1
    assert (await house.answered(), await parked_reactions(house.pool)) == ([], [])


async def test_an_event_of_an_unknown_version_is_held_and_one_without_reaction_passes(house: House) -> None:
    """Given a newer shape of an event that is reacted to, when it comes, then it is quarantined; other types pass by."""
    newer = (await house.ring(1)).having("ce_type", b"ooc.bell.Rung.v2")
    body = (newer.body or b"").replace(b"Rung.v1", b"Rung.v2")
    newer = Message(newer.home, body, newer.headers, newer.stream, newer.version).having(
        "ooc_hash", next_hash(GENESIS, body).hex().encode()
    )
    other = (await house.ring(1)).having("ce_type", b"ooc.bell.Cleaned.v1")
    batch_result = await house.take([newer, other])
    assert (batch_result.applied, [quarantined.record.version for quarantined in batch_result.quarantined]) == (1, [1])
    (quarantined,) = await quarantined_streams(house.pool)
    assert quarantined.error.startswith("UnknownEvent")


async def test_a_reaction_that_has_waited_for_long_is_an_alarm_until_it_is_done(house: House) -> None:
    """Given a parked reaction of two days, when the worker looks, then it is an alarm; and none once nothing waits so long."""
    await house.take([await house.ring(2)])
    reacting = house.reacting
    await reacting.report_parked(house.pool)
    assert await alarms(house.pool) == []
    await house.pool.execute("update parked set parked_at = parked_at - interval '2 days'")
    await reacting.report_parked(house.pool)
    (alarm,) = await alarms(house.pool)
    assert (alarm.name, alarm.place, alarm.detail) == (
        "parked_long",
        "desk",
        "1 reactions wait, the oldest for 2 days",
    )
    await house.pool.execute("delete from parked")
    await reacting.report_parked(house.pool)
    assert await alarms(house.pool) == []


async def test_the_reactor_reacts_on_kafka_and_unparks_by_itself(
    house: House, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given a running reactor, when rings are published before the desk has hands, then they are answered when it has."""
    settings = Settings(kafka=kafka_bootstrap)
    service = desk(topic_prefix)
    handler = CommandHandler(service, PostgresEventStore(house.pool), MemoryKeyring(), b"digest")
    source = CommandHandler(bell(topic_prefix), house.bell.event_store, house.bell.keyring, b"digest")
    house.bell, house.desk = source, handler
    async with publishing(kafka_bootstrap, topic_prefix, "bell") as publisher:
        running: Any = reactor(service, handler, house.pool, settings, membership=QUICK)
        await running.start()
        try:
            await until(_true_of(lambda: running.ready), why="ready")
            await publisher.publish([await house.ring(hands) for hands in (3, 1, 2)])
            await until(_many_parked(house.pool, 3), why="three parked")
            await house.ask(handler, house.desk_id, Open())
            await house.ask(handler, house.desk_id, Staff(hands=3))
            await until(_many_parked(house.pool, 0), why="all answered")
            assert sorted(await house.answered()) == [1, 2, 3]
            await publisher.publish([await house.ring(2)])

            async def four() -> bool:
                return len(await house.answered()) == 4

            await until(four, why="the fourth answered")
        finally:
            await asyncio.wait_for(running.stop(), 20)


def _true_of(look: Any) -> Any:
    async def condition() -> bool:
        return bool(look())

    return condition


def _many_parked(pool: asyncpg.Pool[asyncpg.Record], many: int) -> Any:
    async def condition() -> bool:
        return (await parked_summary(pool))[0] == many

    return condition


def test_a_service_reacts_only_to_books_that_it_lists() -> None:
    """Given a reaction to a service whose events are not listed, when the reactor is built, then it says so."""
    service = replace(desk(), published=())
    with pytest.raises(ValueError, match="answer-ring"):
        ReactionRunner(CommandHandler(service, MemoryEventStore(), MemoryKeyring(), b""), "x")
