"""Position records: whether a consumer has passed a position, and whether the end of a topic is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.messaging.consumer import handling, positions
from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.messaging.consumer.consumed_event import decode
from shared.messaging.consumer.position_record import HighWaterMark, Ignored, end_offsets
from shared.messaging.projection_consumer import has_reached, note_positions, progress, reconcile
from shared.runtime.provision import events_topic, position_topic, topics
from shared.servers.kafka import administering
from tests.integration.consumers.batches import process_batch
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.publishing import Author, publishing
from tests.integration.consumers.test_adapters import applied, running
from tests.integration.consumers.worker import CONSUMER, write_down
from tests.local_servers import servers
from tests.ports import free_ports
from tests.position_keys import KEYS

NAME = "reader"
TOPIC = "ooc.note.events"


def high_water_marks(position: int, offsets: dict[int, int]) -> dict[str, HighWaterMark]:
    return {"note": HighWaterMark(position, offsets)}


async def test_a_position_is_passed_when_every_offset_before_it_is(projection: Pool) -> None:
    """Given a record of position 3 in two partitions, when both are taken as far, then 3 is passed, and 4 is not."""
    author = Author("note")
    one, two, three = (author.write(uuid4()) for _ in range(3))
    async with projection.acquire() as connection:
        assert not await has_reached(connection, NAME, "note", 1)
        assert await has_reached(connection, NAME, "note", 0)
        await note_positions(connection, high_water_marks(3, {0: 2, 5: 8, 7: 0}))
        first = [decode(TOPIC, 0, n, None, m.headers, m.body) for n, m in enumerate((one, two))]
        await process_batch(connection, NAME, TOPIC, 0, first, write_down)
        assert not await has_reached(connection, NAME, "note", 2)
        assert await progress(connection, NAME, "note") == (0, 3)
        await process_batch(
            connection, NAME, TOPIC, 5, [decode(TOPIC, 5, 7, None, three.headers, three.body)], write_down
        )
        assert [await has_reached(connection, NAME, "note", n) for n in (1, 3, 4)] == [True, True, False]
        assert await progress(connection, NAME, "note") == (3, 3)


async def test_a_position_is_noted_with_its_events(projection: Pool) -> None:
    """Given a position record before its events, when they come, then it is noted with them; without any it is noted alone."""
    noted = "select position from position_record order by position"
    handler = handling.RecordHandler(
        NAME,
        position_topics=["ooc.note.position"],
        pool=projection,
        bootstrap="",
        keys=KEYS,
        apply=write_down,
        membership=handling.DEFAULT_GROUP,
        pause=lambda _: None,
        resume=lambda _: None,
        note=note_positions,
    )
    handler.follower.believed[TOPIC] = HighWaterMark(1, {0: 1})
    await handler.settle()
    assert await projection.fetch(noted) == []
    message = Author("note").write(uuid4())
    handler.add({(TOPIC, 0): [decode(TOPIC, 0, 0, None, message.headers, message.body)]})
    await handler.settle()
    assert await projection.fetchval("select count(*) from effect") == 1
    assert [row["position"] for row in await projection.fetch(noted)] == [1]
    handler.follower.believed[TOPIC] = HighWaterMark(2, {0: 1, 1: 1})
    await handler.settle(note_alone=True)
    assert [row["position"] for row in await projection.fetch(noted)] == [1, 2]


async def test_only_the_recent_records_are_kept(projection: Pool) -> None:
    """Given more position records than are kept, when they are noted, then the last five hundred stay."""
    async with projection.acquire() as connection, connection.transaction():
        for n in range(1, 601):
            await note_positions(connection, high_water_marks(n, {0: n}))
    row = await projection.fetchrow("select min(position) as first, count(*) as many from position_record")
    assert row is not None
    assert (row["first"], row["many"]) == (101, 500)


async def test_a_lost_tail_is_an_alarm_until_the_count_is_right(projection: Pool) -> None:
    """Given a passed position of 3 and two events taken, when they are counted, then the tail is lost; a third heals it."""
    author = Author("note")
    messages = [author.write(uuid4()) for _ in range(4)]
    records = [decode(TOPIC, 0, n, None, m.headers, m.body) for n, m in enumerate(messages)]
    async with projection.acquire() as connection:
        await note_positions(connection, high_water_marks(3, {0: 2}))
        await process_batch(connection, NAME, TOPIC, 0, records[:2], write_down)
        assert await reconcile(connection, NAME, "note") == 3
        assert [(alarm.name, alarm.place) for alarm in await alarms(connection)] == [("lost_tail", "note")]
        await process_batch(connection, NAME, TOPIC, 0, records[2:3], write_down)
        await reconcile(connection, NAME, "note")
        assert await alarms(connection) == []
        await note_positions(connection, high_water_marks(4, {0: 4}))
        await process_batch(connection, NAME, TOPIC, 0, records[3:], write_down)
        extra = author.write(uuid4())
        await process_batch(
            connection, NAME, TOPIC, 1, [decode(TOPIC, 1, 0, None, extra.headers, extra.body)], write_down
        )
        await reconcile(connection, NAME, "note")
        assert await alarms(connection) == []  # later events may well have been taken


async def test_a_lost_tail_that_is_found_again_ends_its_alarm_though_nothing_new_comes(projection: Pool) -> None:
    """Given an alarm of a count, when the missing event is taken, then the next count ends it without a new position."""
    author = Author("note")
    messages = [author.write(uuid4()) for _ in range(2)]
    records = [decode(TOPIC, 0, n, None, m.headers, m.body) for n, m in enumerate(messages)]
    async with projection.acquire() as connection:
        await note_positions(connection, high_water_marks(2, {0: 1}))
        await process_batch(connection, NAME, TOPIC, 0, records[:1], write_down)
        counted = await reconcile(connection, NAME, "note")
        assert [alarm.name for alarm in await alarms(connection)] == ["lost_tail"]
        await process_batch(connection, NAME, TOPIC, 0, records[1:], write_down)
        assert await reconcile(connection, NAME, "note", counted) == counted
        assert await alarms(connection) == []


async def test_more_events_than_positions_are_an_alarm_too(projection: Pool) -> None:
    """Given a passed position of 1 and exactly its offsets taken, when two events are counted, then one too many is there."""
    author = Author("note")
    messages = [author.write(uuid4()) for _ in range(2)]
    records = [decode(TOPIC, 0, n, None, m.headers, m.body) for n, m in enumerate(messages)]
    async with projection.acquire() as connection:
        await note_positions(connection, high_water_marks(1, {0: 2}))
        await process_batch(connection, NAME, TOPIC, 0, records, write_down)
        await reconcile(connection, NAME, "note")
        assert [alarm.name for alarm in await alarms(connection)] == ["surplus"]


async def test_the_feed_follows_positions_and_finds_a_lost_tail(
    projection: Pool, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given a feed, when events and positions are published, then they are passed; when the last event is missing, an alarm."""
    author, homes = Author("note"), [uuid4() for _ in range(20)]
    async with (
        publishing(kafka_bootstrap, topic_prefix, "note") as publisher,
        running("feed", projection, kafka_bootstrap, topic_prefix),
    ):
        for _ in range(5):
            await publisher.publish([author.write(home) for home in homes], position=author.position)

        async def is_passed() -> bool:
            return await has_reached(projection, CONSUMER, "note", 100, namespace=topic_prefix)

        await until(is_passed, why="position 100 passed")
        assert await projection.fetchval("select count(*) from effect") == 100
        assert await alarms(projection) == []
        written, _lost = author.write(homes[0]), author.write(homes[1])
        await publisher.publish([written], position=author.position)

        async def lost_tail() -> bool:
            return [alarm.name for alarm in await alarms(projection)] == ["lost_tail"]

        await until(lost_tail, why="the lost tail noticed")


@pytest.mark.parametrize("adapter", ["feed", "stream"])
async def test_a_topic_that_ends_before_what_was_read_is_an_alarm(
    projection: Pool, kafka_bootstrap: str, topic_prefix: str, adapter: str
) -> None:
    """Given checkpoints beyond a topic's end, as after Kafka was lost, then an alarm stands until the consumer begins anew."""
    author, homes = Author("note"), [uuid4() for _ in range(20)]

    async def effects() -> int:
        return int(await projection.fetchval("select count(*) from effect"))

    async def names() -> list[str]:
        return [alarm.name for alarm in await alarms(projection)]

    async with publishing(kafka_bootstrap, topic_prefix, "note") as publisher:
        async with running(adapter, projection, kafka_bootstrap, topic_prefix):
            await publisher.publish([author.write(home) for home in homes], position=author.position)
            await until(lambda: _is(effects, 20), why="everything read")
            assert await names() == []
        await projection.execute("update checkpoint set next_offset = next_offset + 1000")
        async with running(adapter, projection, kafka_bootstrap, topic_prefix):
            await until(lambda: _is(names, ["topic_behind_consumer"]), why="the alarm")
        await projection.execute("delete from checkpoint")
        async with running(adapter, projection, kafka_bootstrap, topic_prefix):
            await publisher.publish([author.write(home) for home in homes], position=author.position)
            await until(lambda: _is(effects, 40), why="everything read again, and each event taken once")
            await until(lambda: _is(names, []), why="the alarm's end")


async def test_a_topic_that_grows_while_a_consumer_connects_is_no_alarm(
    projection: Pool, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given another process that reads on after a topic's ends were asked for, then no alarm stands."""
    author, homes = Author("note"), [uuid4() for _ in range(20)]
    read_on: list[str] = []

    async def then_another_reads_on(consumer: Any, topic: str) -> Mapping[int, int]:
        ends = await end_offsets(consumer, topic)
        read_on.append(await projection.execute("update checkpoint set next_offset = next_offset + 1000"))
        return ends

    async def names() -> list[str]:
        return [alarm.name for alarm in await alarms(projection)]

    async def effects() -> int:
        return int(await projection.fetchval("select count(*) from effect"))

    async with publishing(kafka_bootstrap, topic_prefix, "note") as publisher:
        async with running("feed", projection, kafka_bootstrap, topic_prefix):
            await publisher.publish([author.write(home) for home in homes], position=author.position)
            await until(lambda: _is(effects, 20), why="everything read")
        topic = f"{topic_prefix}.note.events"
        await raise_alarm(projection, CONSUMER, "topic_behind_consumer", topic, "it was replaced, and is whole again")
        monkeypatch.setattr(positions, "end_offsets", then_another_reads_on)
        async with running("feed", projection, kafka_bootstrap, topic_prefix):
            await until(lambda: _is(names, []), why="the alarm's end")
    assert read_on[0] != "UPDATE 0"


@pytest.mark.parametrize("adapter", ["feed", "stream"])
async def test_a_connection_that_stays_silent_is_given_up_for_another(
    projection: Pool, kafka_bootstrap: str, topic_prefix: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a connection to the position topics that waits for ever, then records that wait are taken by a new one, without an alarm left."""
    follow, connections = positions.PositionFollower._follow, list[Any]()

    async def follow_on_the_second(follower: Any, *readers: Any) -> None:
        connections.append(readers)
        if len(connections) == 1:
            await asyncio.Event().wait()
        await follow(follower, *readers)

    monkeypatch.setattr(positions.PositionFollower, "_follow", follow_on_the_second)
    monkeypatch.setattr(positions, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(handling, "UNVOUCHED_SECONDS", 0.5)
    author = Author("note")

    async def names() -> list[str]:
        return [alarm.name for alarm in await alarms(projection)]

    async def is_connected() -> bool:
        return bool(connections)

    async with (
        publishing(kafka_bootstrap, topic_prefix, "note") as publisher,
        running(adapter, projection, kafka_bootstrap, topic_prefix),
    ):
        await until(is_connected, why="the first connection")
        await publisher.publish([author.write(uuid4()) for _ in range(20)], position=author.position)
        await applied(projection, author)
        await until(lambda: _is(names, []), why="the alarm's end")
    assert len(connections) >= 2


async def test_while_the_position_topic_does_not_answer_no_record_is_called_foreign(
    projection: Pool, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given events whose position topic is away, as a lost leader's is, they wait without an alarm, and are taken when it is back."""
    monkeypatch.setattr(handling, "UNVOUCHED_SECONDS", 0.5)
    monkeypatch.setattr(positions, "ASK_SECONDS", 2.0)
    ask, answers = positions.PositionFollower.ask, list[bool]()

    async def noted(follower: positions.PositionFollower, topic: str) -> bool:
        answers.append(await ask(follower, topic))
        return answers[-1]

    monkeypatch.setattr(positions.PositionFollower, "ask", noted)
    author, name = Author("note"), f"{topic_prefix}.note.position"
    async with (
        publishing(kafka_bootstrap, topic_prefix, "note") as publisher,
        running("feed", projection, kafka_bootstrap, topic_prefix),
        administering(kafka_bootstrap) as admin,
    ):
        await publisher.publish([author.write(uuid4())])
        await applied(projection, author)
        await admin.delete_topics([name])
        await publisher.publish_unvouched([author.write(uuid4())])

        async def asked() -> bool:
            return answers[:3] == [False] * 3

        await until(asked, why="three looks without an answer")
        assert await alarms(projection) == []
        await topics(kafka_bootstrap, [position_topic(name, 1)])
        await publisher.publish([author.write(uuid4())])
        await applied(projection, author)
        assert await alarms(projection) == []


async def test_what_was_asked_for_before_it_came_is_no_step_back(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a connection that is late, and the last record asked for on another, then the earlier ones are taken without an alarm."""
    follow, goes_on = positions.PositionFollower._follow, asyncio.Event()

    async def follow_late(follower: Any, *readers: Any) -> None:
        await goes_on.wait()
        await follow(follower, *readers)

    monkeypatch.setattr(positions.PositionFollower, "_follow", follow_late)
    author, events, ignored = Author("note"), f"{topic_prefix}.note.events", list[Ignored]()

    async def alarm(record: Ignored) -> None:
        ignored.append(record)

    async def connected(_topic: str, _read_ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """Nothing is to be done."""

    follower = positions.PositionFollower([f"{topic_prefix}.note.position"], kafka_bootstrap, KEYS, alarm, connected)

    def at(position: int) -> Callable[[], Awaitable[bool]]:
        async def is_believed() -> bool:
            return events in follower.believed and follower.believed[events].position == position

        return is_believed

    async with publishing(kafka_bootstrap, topic_prefix, "note") as publisher:
        await publisher.publish([author.write(uuid4())])
        await follower.start()
        try:
            # nothing follows yet: where the transaction was still open at the start, only asking again hears of it
            await until(partial(follower.ask, events), why="the first record")
            assert follower.believed[events].position == 1
            for _ in range(2):
                await publisher.publish([author.write(uuid4())])
            await until(partial(follower.ask, events), why="the third record")
            assert follower.believed[events].position == 3
            goes_on.set()
            await publisher.publish([author.write(uuid4())])
            await until(at(4), why="the last record")
        finally:
            await follower.stop()
    assert ignored == []


async def test_a_broker_that_answers_as_the_leader_that_it_was_ends_nobodys_trust(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given ends of a topic from before its last records, as a broker gives them that was frozen, then no record is ignored.

    Issue 25: four consumers called a true record impossible, and a relay would have published again what it covers.
    """
    stale = 3

    async def read_late(consumer: Any, topic: str) -> Mapping[int, int]:
        nonlocal stale
        stale -= 1
        return dict.fromkeys(range(12), 0) if stale >= 0 else await end_offsets(consumer, topic)

    ignored, author = list[Ignored](), Author("note")

    async def alarm(record: Ignored) -> None:
        ignored.append(record)

    async def connected(_topic: str, _read_ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """Nothing is to be done."""

    def follower() -> positions.PositionFollower:
        return positions.PositionFollower([f"{topic_prefix}.note.position"], kafka_bootstrap, KEYS, alarm, connected)

    async def believes(one: positions.PositionFollower, position: int) -> bool:
        found = one.believed.get(f"{topic_prefix}.note.events")
        return found is not None and found.position == position

    async with publishing(kafka_bootstrap, topic_prefix, "note") as publisher:
        await publisher.publish([author.write(uuid4())])
        first = follower()
        await first.start()
        try:
            await until(lambda: believes(first, 1), why="the first record")
            monkeypatch.setattr(positions, "end_offsets", read_late)
            await publisher.publish([author.write(uuid4())])
            await until(lambda: believes(first, 2) if stale < 0 else _is_not_yet(), why="the record that came")
        finally:
            await first.stop()
        stale, second = 3, follower()
        async with second:
            await until(lambda: believes(second, 2), why="the record that was there")
    assert ignored == []


async def _is_not_yet() -> bool:
    return False


async def _is(look: Callable[[], Awaitable[object]], expected: object) -> bool:
    return await look() == expected


async def test_a_connection_given_up_while_kafka_is_away_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a broker that is away, when a connection is given up, then a new one is made once the broker is back.

    Stopping the consumer raises the CancelledError of a fetch of its own then, which once ended the follower without a word.
    """
    monkeypatch.setattr(positions, "SILENT_SECONDS", 0)
    port, controller = free_ports(2)
    connections: list[str] = []

    async def connected(topic: str, _read_ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        connections.append(topic)

    async def alarm(_ignored: Ignored) -> None:
        """Leave it alone."""

    def times(count: int) -> Callable[[], Awaitable[bool]]:
        async def connected_so_often() -> bool:
            return len(connections) >= count

        return connected_so_often

    follower = positions.PositionFollower(["ooc.note.position"], f"127.0.0.1:{port}", KEYS, alarm, connected)
    wanted = [events_topic(TOPIC, 1), position_topic("ooc.note.position", 1)]
    async with servers(tmp_path, kafka_ports=(port, controller)):
        await topics(f"127.0.0.1:{port}", wanted)
        await follower.start()
        await until(times(1), why="the first connection")
        await asyncio.sleep(1)  # so that a fetch is under way
    try:
        await asyncio.sleep(1)  # so that the fetch is tried again and again
        follower.follow_again()
        await asyncio.sleep(1)
        async with servers(tmp_path, kafka_ports=(port, controller)):
            await until(times(2), why="the second connection")
    finally:
        await follower.stop()
