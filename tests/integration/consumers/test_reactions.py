"""Reactions: a command of our own for another service's event, parked while it is refused, and done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.domain.service import CommandFor, Reaction, reaction_command_id
from shared.domain.waiting import CloseWaiting, waiting_service
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import Accepted, CommandHandler, StreamNotFound
from shared.messaging import reactions
from shared.messaging.consumer.alarms import alarms
from shared.messaging.consumer.batch import BatchResult
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.quarantine import quarantined_streams
from shared.messaging.faust_consumer import reactor
from shared.messaging.reactions import ReactionRunner, parked_reactions, parked_summary, system_actor
from shared.messaging.waits import StandingWait, closed_wait, standing_waits, waits_for
from shared.privacy.keyring import MemoryKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import service_database
from shared.servers import database as connections
from shared.servers.database import as_role
from shared.servers.settings import Settings
from tests.copied_databases import databases
from tests.integration.consumers.batches import process_batch
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.desk import Answer, Open, Ring, Rung, Staff, bell, desk
from tests.integration.consumers.publishing import Message, publishing
from tests.integration.consumers.worker import QUICK
from tests.integration.local.waiting import PATIENCE
from tests.position_keys import secret_file

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLERK = Actor(id=UUID(int=7), role="CLERK", organisation="TEST", labels={"area": "DORSET"})


@dataclass
class ReactingDesk:
    """The desk on a real event store, its reactions, and a bell to ring."""

    owner: str
    pool: Pool
    desk: CommandHandler
    bell: CommandHandler
    reacting: ReactionRunner
    desk_id: UUID
    rings: int = 0

    async def ask(self, handler: CommandHandler, stream: UUID, command: Command, by: Actor = CLERK) -> None:
        command_id = uuid4()
        result = await handler.handle(
            CommandRequest(command, stream, command_id, by, NOON, command_id, labels=CLERK.labels)
        )
        assert isinstance(result, Accepted), result

    async def ring(self, hands: int, desk: UUID | None = None, by: Actor = CLERK) -> Message:
        """Ring the bell, and what is published of it."""
        await self.ask(self.bell, uuid4(), Ring(desk_id=desk or self.desk_id, hands=hands), by)
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
async def reacting_desk(database: str, postgres_url: str, topic_prefix: str) -> AsyncIterator[ReactingDesk]:
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("desk")[1])])
    pool = await connections.create_pool(as_role(database, role_name(RoleKind.WORKER, "desk")))
    keyring = MemoryKeyring()
    service = desk()
    handler = CommandHandler(service, PostgresEventStore(pool), keyring, b"digest")
    yield ReactingDesk(
        database,
        pool,
        handler,
        CommandHandler(bell(), MemoryEventStore(), keyring, b"digest"),
        ReactionRunner(handler, "desk-reactor", lambda: NOON + timedelta(hours=1)),
        uuid4(),
    )
    await asyncio.wait_for(pool.close(), PATIENCE)


async def test_a_ring_is_answered_once_however_often_it_comes(reacting_desk: ReactingDesk) -> None:
    """Given an open desk, when a ring is taken, lost and taken again, then it is answered once, as SYSTEM, and points back."""
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=3))
    ring = await reacting_desk.ring(2)
    assert (await reacting_desk.take([ring])).applied == 1
    await reacting_desk.lose_checkpoints()
    assert (await reacting_desk.take([ring])).applied == 1
    assert await reacting_desk.answered() == [2]
    records = (await reacting_desk.desk.event_store.load(f"desk/{reacting_desk.desk_id}")).records
    envelope = (await reacting_desk.desk.open(records))[-1].envelope
    source = reacting_desk.reacting.service.published[0].read(ring.body or b"")
    assert envelope.actor == system_actor(reacting_desk.desk.service).model_copy(update={"labels": {}})
    assert envelope.causation_id == source.event_id
    assert envelope.correlation_id == source.envelope.correlation_id
    assert (envelope.origin.kind, envelope.origin.reference) == ("REACTION", "ooc.bell.Rung.v1")
    assert envelope.labels == {"area": "DORSET"}


async def test_a_reaction_with_nothing_to_do_records_nothing_and_waits_no_longer(reacting_desk: ReactingDesk) -> None:
    """Given a ring that needs nobody, when the desk is not open, then it waits; once it is, however often, nothing is recorded."""
    ring = await reacting_desk.ring(0)
    await reacting_desk.take([ring])
    assert [one.reason for one in await parked_reactions(reacting_desk.pool)] == [
        "the stream that it asks has not begun"
    ]
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 1
    await reacting_desk.lose_checkpoints()
    assert (await reacting_desk.take([ring])).applied == 1
    assert await parked_reactions(reacting_desk.pool) == []
    assert len((await reacting_desk.desk.event_store.load(f"desk/{reacting_desk.desk_id}")).records) == 1


async def test_the_marks_of_anothers_record_are_kept_by_its_home(reacting_desk: ReactingDesk) -> None:
    """Given an access table that names the bell's mark, when rings are taken, some twice, then each home has it once."""
    first, second = [await reacting_desk.ring(1) for _ in range(2)]
    await reacting_desk.take([first])
    marks = await reacting_desk.desk.event_store.linked_marks([first.home, second.home, uuid4()])
    assert marks == {first.home: {"bell.RUNG@DORSET"}}
    await reacting_desk.lose_checkpoints()
    await reacting_desk.take([first, second])
    assert await reacting_desk.pool.fetchval("select count(*) from linked_mark where not for_older") == 2
    assert reacting_desk.reacting.topics == ("ooc.bell.events",)


async def test_the_events_that_a_service_keeps_are_kept_as_they_came(reacting_desk: ReactingDesk) -> None:
    """Given a desk that keeps rings, when one is taken twice, then its bytes are kept once, and opened for those of its area."""
    keeping = replace(
        reacting_desk.desk.service, keeps=(Rung,), home=lambda ring: ring.desk_id if isinstance(ring, Ring) else None
    )
    handler = CommandHandler(keeping, reacting_desk.desk.event_store, MemoryKeyring(), b"digest")
    reacting_desk.reacting = ReactionRunner(handler, "desk-reactor", lambda: NOON + timedelta(hours=1))
    ring = await reacting_desk.ring(1)
    await reacting_desk.take([ring])
    await reacting_desk.lose_checkpoints()
    await reacting_desk.take([ring])
    (kept,) = (await handler.event_store.kept_events([ring.home]))[ring.home]
    assert kept.body == ring.body
    opening = Ring(desk_id=ring.home, hands=1)
    assert [fact.event for fact in await handler.kept_for(CLERK, [], opening)] == [
        Rung(desk_id=reacting_desk.desk_id, hands=1)
    ]
    elsewhere = CLERK.model_copy(update={"labels": {"area": "DEVON"}})
    assert await handler.kept_for(elsewhere, [], opening) == []


async def test_a_refused_reaction_is_parked_and_goes_through_when_its_target_moves(reacting_desk: ReactingDesk) -> None:
    """Given a desk not yet open, then open without hands, when it gets them, then the rings go through in their order."""
    rings = [await reacting_desk.ring(hands) for hands in (2, 9, 1)]
    batch_result = await reacting_desk.take(rings)
    assert (batch_result.applied, batch_result.quarantined) == (3, ())
    waiting = await parked_reactions(reacting_desk.pool)
    assert [one.reason for one in waiting] == ["the stream that it asks has not begun"] * 3
    assert {one.target_stream for one in waiting} == {f"desk/{reacting_desk.desk_id}"}
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 0

    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 0
    assert [(one.rules, one.reason) for one in await parked_reactions(reacting_desk.pool)] == [
        (("D1",), "Staff the desk first.")
    ] * 3

    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=4))
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 2
    assert await reacting_desk.answered() == [2, 1]
    (left,) = await parked_reactions(reacting_desk.pool)
    assert left.reaction == "answer-ring"
    many, age = await parked_summary(reacting_desk.pool)
    assert (many, age > timedelta(0)) == (1, True)

    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=9))
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 1
    assert await reacting_desk.answered() == [2, 1, 9]
    assert await parked_summary(reacting_desk.pool) == (0, timedelta(0))


async def test_nobody_hides_the_reactions_that_others_wait_for(
    reacting_desk: ReactingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given one clerk's many parked rings, then a later one of another's is listed, and those that a reaction recorded too."""
    monkeypatch.setattr(reactions, "OF_ONE_SENDER", 10)
    rings = [await reacting_desk.ring(hands) for hands in range(1, 13)]
    rings.append(await reacting_desk.ring(13, by=CLERK.model_copy(update={"id": UUID(int=8)})))
    rings += [await reacting_desk.ring(hands, by=system_actor(reacting_desk.bell.service)) for hands in (14, 15)]
    await reacting_desk.take(rings)
    listed = [one.source_stream for one in await parked_reactions(reacting_desk.pool)]
    assert listed == [ring.stream for ring in (*rings[:10], *rings[12:])]
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    of_the_desk = await parked_reactions(reacting_desk.pool, home=reacting_desk.desk_id)
    assert [one.source_stream for one in of_the_desk] == [ring.stream for ring in rings]


async def test_a_target_that_is_tried_often_lets_others_go_first(
    reacting_desk: ReactingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given rings that a desk refuses again and again, when another desk's ring may go, then it is tried before them."""
    other = uuid4()
    refused = [await reacting_desk.ring(9) for _ in range(2)]
    await reacting_desk.take(refused)
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.reacting.retry_parked(reacting_desk.pool)
    late = await reacting_desk.ring(1, desk=other)
    await reacting_desk.take([late], first_offset=2)
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=1))
    await reacting_desk.ask(reacting_desk.desk, other, Open())
    tried: list[UUID] = []
    retry = reacting_desk.reacting.retry

    async def note_try(parked: Any, command_id: UUID) -> bool:
        tried.append(command_id)
        return await retry(parked, command_id)

    monkeypatch.setattr(reacting_desk.reacting, "retry", note_try)
    await reacting_desk.reacting.retry_parked(reacting_desk.pool)
    waits = {one.command_id: one.source_stream for one in await parked_reactions(reacting_desk.pool)}
    assert [waits[id_] for id_ in tried] == [late.stream, *(ring.stream for ring in refused)]


async def test_parking_twice_is_parking_once_and_later_ones_are_not_blocked(reacting_desk: ReactingDesk) -> None:
    """Given a parked ring, when it comes again, then one row stands; and a later ring that may go is answered."""
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=1))
    much, little = await reacting_desk.ring(5), await reacting_desk.ring(1)
    await reacting_desk.take([much])
    await reacting_desk.lose_checkpoints()
    await reacting_desk.take([much, little])
    (row,) = await parked_reactions(reacting_desk.pool)
    assert (row.attempts, row.rules) == (2, ("D1",))
    assert await reacting_desk.answered() == [1]


async def test_a_superseded_reaction_waits_no_longer(reacting_desk: ReactingDesk) -> None:
    """Given a parked ring, when a later one takes its place, then that one alone waits, and goes through when it may."""
    rings: list[UUID] = []

    def answer_instead(fact: Fact) -> Iterable[CommandFor]:
        assert isinstance(fact.event, Rung)
        earlier = tuple(reaction_command_id(one, "answer-ring", fact.event.desk_id) for one in rings)
        rings.append(fact.event_id)
        yield CommandFor(fact.event.desk_id, Answer(hands=fact.event.hands), supersedes=earlier)
        yield CommandFor(UUID(int=9), Answer(hands=1), "elsewhere", if_begun=True)

    service = replace(reacting_desk.desk.service, reactions=(Reaction("answer-ring", "bell", Rung, answer_instead),))
    reacting_desk.desk.service = service
    reacting_desk.reacting = ReactionRunner(reacting_desk.desk, "desk-reactor", lambda: NOON)
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.take([await reacting_desk.ring(7)])
    assert [one.target_stream for one in await parked_reactions(reacting_desk.pool)] == [
        f"desk/{reacting_desk.desk_id}"
    ]
    await reacting_desk.take([await reacting_desk.ring(2)], first_offset=1)
    (waiting,) = await parked_reactions(reacting_desk.pool)
    assert waiting.command_id == reaction_command_id(rings[-1], "answer-ring", reacting_desk.desk_id)
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=9))
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 1
    assert await reacting_desk.answered() == [2]


async def waiting_of(reacting_desk: ReactingDesk, home: UUID | None = None) -> list[StandingWait]:
    owner = await asyncpg.connect(reacting_desk.owner)
    try:
        return await standing_waits(owner, reacting_desk.desk.service, home)
    finally:
        await owner.close()


async def close(reacting_desk: ReactingDesk, standing: StandingWait) -> None:
    """Record that a person has closed a wait, as the API does before it removes the reaction."""
    waits = reacting_desk.desk.for_service(waiting_service(reacting_desk.desk.service))
    command = CloseWaiting(home=standing.home, wait=standing.wait, reason="INC_1")
    result = await waits.handle(CommandRequest(command, standing.id, uuid4(), CLERK, NOON, uuid4()))
    assert isinstance(result, Accepted)


async def test_what_waits_is_seen_at_both_ends_until_it_is_done(reacting_desk: ReactingDesk) -> None:
    """Given a parked ring, when it is refused for another reason and then answered, then its wait says so, and is gone."""
    ring = await reacting_desk.ring(2)
    await reacting_desk.take([ring])
    bell_id = UUID(ring.stream.partition("/")[2])
    (standing,) = await waiting_of(reacting_desk)
    assert standing.view()["sentence"] == (
        "the ring of 2 March 2026 has not been answered: the stream that it asks has not begun"
    )
    assert await waiting_of(reacting_desk, bell_id) == [standing]
    assert await waiting_of(reacting_desk, reacting_desk.desk_id) == []
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.reacting.retry_parked(reacting_desk.pool)
    (changed,) = await waiting_of(reacting_desk)
    assert (changed.wait.rules, changed.wait.reason) == (("D1",), "Staff the desk first.")
    assert changed.homes == {reacting_desk.desk_id}
    for home in (bell_id, reacting_desk.desk_id):
        assert await waiting_of(reacting_desk, home) == [changed]
    service, target = reacting_desk.desk.service, f"desk/{reacting_desk.desk_id}"
    assert await waits_for(reacting_desk.pool, service, target, reacting_desk.desk_id) == [changed]
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=4))
    await reacting_desk.reacting.retry_parked(reacting_desk.pool)
    assert await waiting_of(reacting_desk) == []


async def test_a_stream_in_quarantine_waits_in_sight_until_it_is_released(reacting_desk: ReactingDesk) -> None:
    """Given a ring that cannot be read, when it is held, then it waits for the desk; once it is released, it does not."""
    ring = await reacting_desk.ring(1)
    body = (ring.body or b"").replace(b"Rung.v1", b"Rung.v2")
    newer = Message(ring.home, body, ring.headers, ring.stream, ring.version).having("ce_type", b"ooc.bell.Rung.v2")
    await reacting_desk.take([newer.having("ooc_hash", next_hash(GENESIS, body).hex().encode())])
    (standing,) = await waiting_of(reacting_desk, UUID(ring.stream.partition("/")[2]))
    assert (standing.wait.source, standing.fact) == (ring.stream, None)
    assert standing.wait.sentence == (
        "what was recorded in bell from version 1 on has not reached desk:"
        " an event cannot be applied; it and the later events of its stream wait in quarantine."
    )
    async with reacting_desk.pool.acquire() as connection:
        await connection.execute("delete from quarantine")
    assert await waiting_of(reacting_desk) == []


async def test_a_closure_is_no_record_of_the_service(reacting_desk: ReactingDesk) -> None:
    """Given the stream of a closure, when a command is sent to it as if it were a desk's, then there is no such stream."""
    await reacting_desk.take([await reacting_desk.ring(2)])
    (standing,) = await waiting_of(reacting_desk)
    await close(reacting_desk, standing)
    for command in (Open(), Staff(hands=1)):
        command_request = CommandRequest(command, standing.id, uuid4(), CLERK, NOON, uuid4())
        assert await reacting_desk.desk.handle(command_request) == StreamNotFound()


async def test_a_closed_reaction_is_not_done_though_its_removal_was_lost(reacting_desk: ReactingDesk) -> None:
    """Given a closed ring that is still parked, when the desk could answer it, then it is removed and not answered.

    Somebody opened a desk under the id of the reaction before, which changes nothing.
    """
    await reacting_desk.take([await reacting_desk.ring(2)])
    (standing,) = await waiting_of(reacting_desk)
    await reacting_desk.ask(reacting_desk.desk, standing.id, Open())
    service = reacting_desk.desk.service
    assert await closed_wait(reacting_desk.pool, service, standing.id) is None
    await close(reacting_desk, standing)
    assert await closed_wait(reacting_desk.pool, service, standing.id) == standing.wait
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=3))
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 0
    assert (await reacting_desk.answered(), await parked_reactions(reacting_desk.pool)) == ([], [])


async def test_a_retry_that_is_asked_for_needs_no_move_of_its_target(reacting_desk: ReactingDesk) -> None:
    """Given a ring of tomorrow, when it is due and a person asks for it, then it is foreseen to go through, and does."""
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=3))
    reacting_desk.reacting = ReactionRunner(reacting_desk.desk, "desk-reactor", lambda: NOON - timedelta(days=1))
    await reacting_desk.take([await reacting_desk.ring(2)])
    (parked,) = await parked_reactions(reacting_desk.pool)
    assert parked.rules == ("T1",)
    arguments = (parked.command_id, parked.reaction, parked.body)
    foreseen = await reacting_desk.reacting.foresee(*arguments)
    assert foreseen is not None
    assert foreseen.rules == ("T1",)
    reacting_desk.reacting = ReactionRunner(reacting_desk.desk, "desk-reactor", lambda: NOON + timedelta(hours=1))
    assert await reacting_desk.reacting.foresee(*arguments) is None
    assert await reacting_desk.answered() == []
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 0
    await reacting_desk.pool.execute("update parked set retry = true")
    assert await reacting_desk.reacting.retry_parked(reacting_desk.pool) == 1
    assert await reacting_desk.answered() == [2]


async def test_a_closed_reaction_is_not_done_when_its_event_comes_again(reacting_desk: ReactingDesk) -> None:
    """Given a parked ring that was closed, when the desk could answer it and the ring comes again, then it is not answered."""
    ring = await reacting_desk.ring(2)
    await reacting_desk.take([ring])
    (standing,) = await waiting_of(reacting_desk)
    await close(reacting_desk, standing)
    await reacting_desk.pool.execute("delete from parked")
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Open())
    await reacting_desk.ask(reacting_desk.desk, reacting_desk.desk_id, Staff(hands=3))
    await reacting_desk.lose_checkpoints()
    assert (await reacting_desk.take([ring])).applied == 1
    assert (await reacting_desk.answered(), await parked_reactions(reacting_desk.pool)) == ([], [])


async def test_an_event_of_an_unknown_version_is_held_and_one_without_reaction_passes(
    reacting_desk: ReactingDesk,
) -> None:
    """Given a newer shape of an event that is reacted to, when it comes, then it is quarantined; other types pass by."""
    newer = (await reacting_desk.ring(1)).having("ce_type", b"ooc.bell.Rung.v2")
    body = (newer.body or b"").replace(b"Rung.v1", b"Rung.v2")
    newer = Message(newer.home, body, newer.headers, newer.stream, newer.version).having(
        "ooc_hash", next_hash(GENESIS, body).hex().encode()
    )
    other = (await reacting_desk.ring(1)).having("ce_type", b"ooc.bell.Cleaned.v1")
    batch_result = await reacting_desk.take([newer, other])
    assert (batch_result.applied, [quarantined.record.version for quarantined in batch_result.quarantined]) == (1, [1])
    (quarantined,) = await quarantined_streams(reacting_desk.pool)
    assert quarantined.error.startswith("UnknownEvent")


async def test_a_reaction_that_has_waited_for_long_is_an_alarm_until_it_is_done(reacting_desk: ReactingDesk) -> None:
    """Given a parked reaction of two days, when the worker looks, then it is an alarm; and none once nothing waits so long."""
    await reacting_desk.take([await reacting_desk.ring(2)])
    reacting = reacting_desk.reacting
    await reacting.report_parked(reacting_desk.pool)
    assert await alarms(reacting_desk.pool) == []
    await reacting_desk.pool.execute("update parked set parked_at = parked_at - interval '2 days'")
    await reacting.report_parked(reacting_desk.pool)
    (alarm,) = await alarms(reacting_desk.pool)
    assert (alarm.name, alarm.place, alarm.detail) == ("parked_long", "desk", "1 reactions wait, the oldest for 2 days")
    await reacting_desk.pool.execute("delete from parked")
    await reacting.report_parked(reacting_desk.pool)
    assert await alarms(reacting_desk.pool) == []


async def test_the_reactor_reacts_on_kafka_and_unparks_by_itself(
    reacting_desk: ReactingDesk, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Given a running reactor, when rings are published before the desk has hands, then they are answered when it has."""
    settings = Settings(kafka=kafka_bootstrap, signing_key_file=secret_file(tmp_path))
    service = desk(topic_prefix)
    handler = CommandHandler(service, PostgresEventStore(reacting_desk.pool), MemoryKeyring(), b"digest")
    source = CommandHandler(bell(topic_prefix), reacting_desk.bell.event_store, reacting_desk.bell.keyring, b"digest")
    reacting_desk.bell, reacting_desk.desk = source, handler
    async with publishing(kafka_bootstrap, topic_prefix, "bell") as publisher:
        running: Any = reactor(service, handler, reacting_desk.pool, settings, membership=QUICK)
        await running.start()
        try:
            await until(_true_of(lambda: running.ready), why="ready")
            await publisher.publish([await reacting_desk.ring(hands) for hands in (3, 1, 2)])
            await until(_many_parked(reacting_desk.pool, 3), why="three parked")
            await reacting_desk.ask(handler, reacting_desk.desk_id, Open())
            await reacting_desk.ask(handler, reacting_desk.desk_id, Staff(hands=3))
            await until(_many_parked(reacting_desk.pool, 0), why="all answered")
            assert sorted(await reacting_desk.answered()) == [1, 2, 3]
            await publisher.publish([await reacting_desk.ring(2)])

            async def four() -> bool:
                return len(await reacting_desk.answered()) == 4

            await until(four, why="the fourth answered")
        finally:
            await asyncio.wait_for(running.stop(), PATIENCE)


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
