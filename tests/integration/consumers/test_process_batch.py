"""`process_batch`: what every consumer does with a batch, whatever reads the topics."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer.alarms import alarms
from shared.messaging.consumer.batch import OffsetGap, load_checkpoints, process_batches
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.quarantine import gaps, quarantined_streams, retry_quarantine
from tests.integration.consumers.batches import process_batch
from tests.integration.consumers.conftest import Pool
from tests.integration.consumers.publishing import Author, Message
from tests.integration.consumers.worker import write_down

NAME = "reader"
TOPIC = "ooc.note.events"


def arriving(messages: Sequence[Message], first_offset: int = 0, partition: int = 0) -> list[ConsumedEvent]:
    return [
        decode(TOPIC, partition, offset, str(message.home).encode(), message.headers, message.body)
        for offset, message in enumerate(messages, start=first_offset)
    ]


async def process(pool: Pool, records: Sequence[ConsumedEvent], apply: Any = write_down) -> Any:
    async with pool.acquire() as connection:
        return await process_batch(connection, NAME, TOPIC, 0, records, apply)


async def effects(pool: Pool) -> list[tuple[str, int]]:
    return [tuple(row) for row in await pool.fetch("select stream, version from effect order by nth")]


async def test_a_batch_is_applied_with_its_checkpoint_and_a_repeat_does_nothing(projection: Pool) -> None:
    """Given events of three streams, when they are taken twice, then each is applied once and the checkpoint stands."""
    author, homes = Author("note"), [uuid4() for _ in range(3)]
    records = arriving([author.write(home) for _ in range(4) for home in homes])
    assert (await process(projection, records)).applied == 12
    again = await process(projection, records)
    assert (again.applied, again.next_offset) == (0, 12)
    assert await effects(projection) == [(record.stream, record.version) for record in records]
    assert await load_checkpoints(projection, NAME, [(TOPIC, 0), (TOPIC, 1)]) == {(TOPIC, 0): 12, (TOPIC, 1): 0}


async def test_an_event_published_twice_is_taken_once(projection: Pool) -> None:
    """Given a version that comes again at a later offset, when it is taken, then it is skipped as a repetition."""
    author, home = Author("note"), uuid4()
    first, second = author.write(home), author.write(home)
    batch_result = await process(projection, arriving([first, second, first, second]))
    assert (batch_result.applied, batch_result.repeated, batch_result.next_offset) == (2, 2, 4)


async def test_a_gap_holds_back_its_stream_until_the_missing_version_comes(projection: Pool) -> None:
    """Given missing versions, when others come, then only their stream waits, and it follows in order once they are there."""
    author, home, other = Author("note"), uuid4(), uuid4()
    first, second, third, fourth, fifth = (author.write(home) for _ in range(5))
    batch_result = await process(projection, arriving([first, fifth, author.write(other)]))
    (gap,) = batch_result.gaps
    assert (gap.stream, gap.held, gap.found, gap.offset, batch_result.next_offset) == (first.stream, 1, 5, 1, 3)
    assert [(alarm.name, alarm.place) for alarm in await alarms(projection)] == [("gap", f"{TOPIC}/0")]
    (waiting,) = await gaps(projection)
    assert (waiting.stream, waiting.held, waiting.found, waiting.offset, waiting.waiting) == (first.stream, 1, 5, 1, 1)
    late = await process(projection, arriving([third, second, author.write(other)], 3))
    assert (late.applied, late.followed) == (2, 1)
    assert await quarantined_streams(projection) != []
    await process(projection, arriving([author.write(home), fourth], 6))
    assert [version for stream, version in await effects(projection) if stream == first.stream] == [1, 2, 3, 4, 5, 6]
    assert (await alarms(projection), await quarantined_streams(projection), await gaps(projection)) == ([], [], [])


async def test_poison_takes_its_own_stream_into_quarantine_and_no_other(projection: Pool) -> None:
    """Given one event in a hundred that cannot be applied, when they are taken, then it and the later ones of its stream are held."""
    author, homes = Author("note"), [uuid4() for _ in range(10)]
    messages = [author.write(home, poison=(n == 4 and home == homes[3])) for n in range(10) for home in homes]
    batch_result = await process(projection, arriving(messages))
    assert (batch_result.applied, len(batch_result.quarantined), batch_result.next_offset) == (94, 6, 100)
    later = await process(projection, arriving([author.write(home) for home in homes], 100))
    assert (later.applied, len(later.quarantined)) == (9, 1)
    (quarantined,) = await quarantined_streams(projection)
    assert (quarantined.stream, quarantined.records) == (f"note/{homes[3]}", 7)
    assert quarantined.error.startswith("Poison")


async def test_partitions_that_are_taken_together_become_what_each_would_alone(projection: Pool) -> None:
    """Given three partitions with the same offsets, of which one has poison, a gap and what ends it, and one nothing new,
    when they are taken in one batch, then the poison holds its stream alone, and each partition comes to its own offset."""
    author, (poisoned, gapped, fine, other, known) = Author("note"), [uuid4() for _ in range(5)]
    await process(projection, arriving([author.write(known)]))
    first, second, third = (author.write(gapped) for _ in range(3))
    batch = {
        (TOPIC, 2): arriving([author.write(fine), author.write(other), author.write(fine)], 0, 2),
        (TOPIC, 0): [],
        (TOPIC, 1): arriving(
            [author.write(uuid4()), author.write(poisoned, poison=True), first, third, author.write(poisoned), second],
            0,
            1,
        ),
    }
    async with projection.acquire() as connection:
        results = {result.next_offset: result for result in await process_batches(connection, NAME, batch, write_down)}
    assert set(results) == {1, 3, 6}
    assert (results[1].applied, results[3].applied, results[3].quarantined) == (0, 3, ())
    assert (results[6].applied, results[6].followed, len(results[6].gaps)) == (3, 1, 1)
    assert {one.record.stream for one in results[6].quarantined} == {f"note/{poisoned}", f"note/{gapped}"}
    places = [(TOPIC, partition) for partition in range(3)]
    assert await load_checkpoints(projection, NAME, places) == {(TOPIC, 0): 1, (TOPIC, 1): 6, (TOPIC, 2): 3}
    taken = await effects(projection)
    assert [version for stream, version in taken if stream == f"note/{gapped}"] == [1, 2, 3]
    assert [quarantined.stream for quarantined in await quarantined_streams(projection)] == [f"note/{poisoned}"]
    again = {
        place: [replace(record, follows=None) for record in records] for place, records in batch.items() if records
    }
    async with projection.acquire() as connection:
        repeated = await process_batches(connection, NAME, again, write_down)
    assert [result.applied for result in repeated] == [0, 0]
    assert await effects(projection) == taken


async def test_a_gap_of_offsets_in_one_partition_takes_nothing_of_any(projection: Pool) -> None:
    """Given a reader that has passed over an offset of one partition, when two are taken together, then neither moves."""
    author = Author("note")
    ahead = [replace(record, follows=3) for record in arriving([author.write(uuid4())], 4, 1)]
    batch = {(TOPIC, 0): arriving([author.write(uuid4())]), (TOPIC, 1): ahead}
    async with projection.acquire() as connection:
        with pytest.raises(OffsetGap, match=f"{TOPIC}/1 was taken to offset 0"):
            await process_batches(connection, NAME, batch, write_down)
    assert await effects(projection) == []
    assert set((await load_checkpoints(projection, NAME, list(batch))).values()) == {0}


async def test_a_version_in_quarantine_counts_as_held(projection: Pool) -> None:
    """Given a stream in quarantine, when its versions come again or one is missing, then they repeat, or it is a gap."""
    author, home = Author("note"), uuid4()
    messages = [author.write(home, poison=True), *[author.write(home) for _ in range(3)]]
    await process(projection, arriving(messages[:2]))
    assert (await process(projection, arriving(messages[:2], 2))).repeated == 2
    (gap,) = (await process(projection, arriving(messages[3:], 4))).gaps
    assert (gap.held, gap.found) == (2, 4)


async def test_a_version_that_comes_again_with_other_bytes_is_an_alarm(projection: Pool) -> None:
    """Given versions taken in earlier batches and in this one, when each comes with other bytes, then none passes as a repeat."""
    author, home = Author("note"), uuid4()
    messages = [author.write(home) for _ in range(4)]
    await process(projection, arriving(messages[:3]))
    forged = [replace(m, body=b"{}").having("ooc_hash", b"%064x" % n) for n, m in enumerate(messages)]
    batch_result = await process(projection, arriving([*forged[:3], messages[3], forged[3], messages[1]], 3))
    assert (batch_result.applied, batch_result.repeated) == (1, 1)
    assert [quarantined.cause for quarantined in batch_result.quarantined] == ["forked"] * 4
    assert {alarm.name for alarm in await alarms(projection)} == {"forked"}
    assert (await process(projection, arriving([author.write(home)], 9))).applied == 1


async def test_the_chain_is_checked_across_batches(projection: Pool) -> None:
    """Given a stream taken to a version, when the next comes with a hash of another history, then it is held."""
    author, home = Author("note"), uuid4()
    await process(projection, arriving([author.write(home)]))
    author.hashes[f"note/{home}"] = b"\x01" * 32
    batch_result = await process(projection, arriving([author.write(home)], 1))
    assert [quarantined.cause for quarantined in batch_result.quarantined] == ["broken_chain"]
    assert [alarm.name for alarm in await alarms(projection)] == ["broken_chain"]


async def test_a_stream_whose_hash_was_never_kept_goes_on(projection: Pool) -> None:
    """Given a stream taken before hashes were kept, when events come, then the next is believed and chained to from then on."""
    author, home = Author("note"), uuid4()
    await process(projection, arriving([author.write(home)]))
    await projection.execute("update seen set hash = null, digests = null")
    assert (await process(projection, arriving([author.write(home)], 1))).applied == 1
    broken = author.write(home).having("ooc_hash", b"00" * 32)
    assert [quarantined.cause for quarantined in (await process(projection, arriving([broken], 2))).quarantined] == [
        "broken_chain"
    ]


@pytest.mark.parametrize("header", ["ooc_version", "ce_subject", "ce_id", "ooc_hash", "ooc_recorded_at"])
async def test_a_record_whose_headers_cannot_be_read_is_kept_whole(projection: Pool, header: str) -> None:
    """Given a header lost, when the record is taken, then it is in quarantine under its stream, byte for byte."""
    author, home, other = Author("note"), uuid4(), uuid4()
    broken, behind, fine = author.write(home).without(header), author.write(home), author.write(other)
    batch_result = await process(projection, arriving([broken, behind, fine]))
    assert (batch_result.applied, len(batch_result.quarantined), batch_result.gaps) == (1, 2, ())
    row = await projection.fetchrow('select stream, body, headers from quarantine where "offset" = 0')
    assert row is not None
    assert (row["stream"], row["body"]) == (broken.stream, broken.body)


@pytest.mark.parametrize("body", [None, b"", b"\xff\x00not json"])
async def test_a_record_that_tells_nothing_is_held_and_stops_nothing(projection: Pool, body: bytes | None) -> None:
    """Given a record without readable headers or body, when it is taken, then it is held and the others flow."""
    lost = decode(TOPIC, 0, 0, None, [("zero", b"\x00\xff")], body)
    author = Author("note")
    batch_result = await process(projection, [lost, *arriving([author.write(uuid4())], 1)])
    assert (batch_result.applied, len(batch_result.quarantined)) == (1, 1)


async def test_an_altered_event_is_poison(projection: Pool) -> None:
    """Given bytes that do not give the hash in the headers, when they are taken, then the event is held."""
    author, home = Author("note"), uuid4()
    first, second = author.write(home), author.write(home).having("ooc_hash", b"00" * 32)
    batch_result = await process(projection, arriving([first, second]))
    assert [quarantined.record.version for quarantined in batch_result.quarantined] == [2]
    assert "hash" in batch_result.quarantined[0].error


async def test_a_quarantined_stream_is_released_in_order_to_the_first_event_that_fails(projection: Pool) -> None:
    """Given a stream in quarantine, when it is tried again with what can apply it, then it is applied in order and goes on."""
    author, home = Author("note"), uuid4()
    await process(projection, arriving([author.write(home), author.write(home, poison=True), author.write(home)]))
    stream = f"note/{home}"

    async def mended(connection: Any, records: Sequence[ConsumedEvent]) -> None:
        for record in records:
            await connection.execute(
                "insert into effect (stream, version, event_id) values ($1, $2, $3)",
                *(record.stream, record.version, record.event_id),
            )

    async with projection.acquire() as connection:
        still = await retry_quarantine(connection, NAME, stream, write_down)
        assert (still.released, still.left) == (0, 2)
        free = await retry_quarantine(connection, NAME, stream, mended)
        assert (free.released, free.left) == (2, 0)
    assert (await process(projection, arriving([author.write(home)], 3))).applied == 1
    assert await effects(projection) == [(stream, version) for version in (1, 2, 3, 4)]


async def test_a_zombie_waits_and_finds_its_events_taken(projection: Pool) -> None:
    """Given two consumers that both believe to hold a partition, when both take a batch, then each event is applied once."""
    author, homes = Author("note"), [uuid4() for _ in range(5)]
    records = arriving([author.write(home) for _ in range(20) for home in homes])
    results = await asyncio.gather(*(process(projection, records) for _ in range(4)))
    assert sorted(result.applied for result in results) == [0, 0, 0, 100]
    assert len(await effects(projection)) == 100


async def test_a_reader_that_passed_over_records_is_found_out(projection: Pool) -> None:
    """Given a record whose reader had come further than what was taken, when it is taken, then nothing is, and it says so."""
    author = Author("note")
    message = author.write(uuid4())
    record = decode(TOPIC, 0, 7, None, message.headers, message.body, follows=5)
    with pytest.raises(OffsetGap):
        await process(projection, [record])
    assert await effects(projection) == []


async def test_trouble_of_a_server_is_blamed_on_no_event(projection: Pool) -> None:
    """Given an event store that does not answer, or a table that is not there, when a batch is taken, then nothing is and none is held."""
    author = Author("note")
    records = arriving([author.write(uuid4())])

    async def unavailable(_connection: Any, _records: Sequence[ConsumedEvent]) -> None:
        raise EventStoreUnavailable("down")

    async def not_migrated(connection: Any, _records: Sequence[ConsumedEvent]) -> None:
        await connection.execute("insert into not_there values (1)")

    with pytest.raises(EventStoreUnavailable):
        await process(projection, records, unavailable)
    with pytest.raises(asyncpg.UndefinedTableError):
        await process(projection, records, not_migrated)
    assert await quarantined_streams(projection) == []
    assert (await process(projection, records)).applied == 1
