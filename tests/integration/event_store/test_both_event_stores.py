"""What an event store promises, whichever it is."""

import asyncio
from collections.abc import Iterable
from dataclasses import astuple, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.envelope import GENESIS, next_hash
from shared.event_store import (
    EVENT_WEIGHT,
    Appended,
    AppendRequest,
    DuplicateCommand,
    EventStore,
    HashMismatch,
    KeyTaken,
    RecordedEvent,
    StoredReceipt,
    WrongExpectedVersion,
)
from shared.event_store.log_hash import EMPTY_LOG, kept_answer, log_entry, next_log_hash
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import _MARKS, PostgresEventStore
from shared.messaging import linking
from tests.integration.event_store.streams import Stream, note_of


def log_hash_of(records: Iterable[RecordedEvent], appends: Iterable[AppendRequest]) -> bytes:
    """Return the log hash after some records, each append's answer at its last event."""
    answers = {append.events[-1].event_id: kept_answer(append.command_id, append.digest) for append in appends}
    log_hash = EMPTY_LOG
    for record in records:
        entry = log_entry(record.position, record.recorded_at, record.hash)
        log_hash = next_log_hash(log_hash, entry, answers.get(record.event_id, b""))
    return log_hash


async def test_what_is_appended_is_read_byte_for_byte(event_store: EventStore) -> None:
    """Given an append of two events, the event store gives back the same bytes, ids, hashes and versions."""
    stream = Stream()
    append = stream.asks('{"a":"é"}'.encode(), b"\x00\xff")
    await event_store.append(append)
    records = await event_store.read(0, 10)
    assert [(r.event_id, r.type, r.home, r.body, r.hash) for r in records] == [
        (e.event_id, e.type, e.home, e.body, e.hash) for e in append.events
    ]
    assert [(r.stream, r.version) for r in records] == [(stream.name, 1), (stream.name, 2)]


async def test_an_empty_event_store_ends_at_nothing(event_store: EventStore) -> None:
    """Given nothing recorded, the head is at position 0 and there is nothing to read or load."""
    assert (await event_store.head()).position == 0
    assert list(await event_store.read(0, 10)) == []
    loaded = await event_store.load("tests/none", uuid4())
    assert (loaded.records, loaded.receipt) == ((), None)


async def test_positions_are_dense_and_recorded_at_only_grows(event_store: EventStore) -> None:
    """Given many callers at once on many streams, no position is missing and each moment is later than the last."""
    streams = [Stream() for _ in range(30)]

    async def fill(stream: Stream) -> None:
        for n in range(5):
            await stream.write(event_store, b"%d" % n, b"more")

    await asyncio.gather(*(fill(stream) for stream in streams))
    records = await event_store.read(0, 1000)
    assert [r.position for r in records] == list(range(1, 301))
    assert all(a.recorded_at < b.recorded_at for a, b in pairwise(records))
    head = await event_store.head()
    assert (head.position, head.recorded_at) == (300, records[-1].recorded_at)


async def test_an_answer_names_the_place_of_the_last_event(event_store: EventStore) -> None:
    """Given an append of three events, the answer is the position and time of the third."""
    result = await Stream().write(event_store, b"1", b"2", b"3")
    last = (await event_store.read(0, 10))[-1]
    assert result == Appended(3, last.recorded_at)
    assert last.position == 3


async def test_reading_goes_on_after_a_position(event_store: EventStore) -> None:
    """Given five events, reading two after the second gives the third and fourth."""
    await Stream().write(event_store, *(b"%d" % n for n in range(5)))
    assert [r.position for r in await event_store.read(2, 2)] == [3, 4]


async def test_a_stream_is_loaded_whole_and_alone(event_store: EventStore) -> None:
    """Given two streams written in turns, each is loaded in order of version, without the other, its chain whole."""
    one, other = Stream(), Stream()
    for n in range(4):
        await one.write(event_store, b"one %d" % n)
        await other.write(event_store, b"other %d" % n)
    loaded = await event_store.load(one.name)
    assert [(r.version, note_of(r.body)) for r in loaded.records] == [(n + 1, b"one %d" % n) for n in range(4)]
    hash_ = GENESIS
    for record in loaded.records:
        hash_ = next_hash(hash_, record.body)
        assert record.hash == hash_


async def test_a_decision_on_an_old_version_has_moved(event_store: EventStore) -> None:
    """Given two decisions on the same version, the first is recorded; the second is told where the stream is now."""
    stream = Stream()
    early, late = stream.asks(b"early"), stream.asks(b"late")
    assert isinstance(await event_store.append(early), Appended)
    assert await event_store.append(late) == WrongExpectedVersion(1)
    assert (await event_store.head()).position == 1


async def test_a_decision_on_a_version_to_come_has_moved(event_store: EventStore) -> None:
    """Given a decision on a version that the stream has not reached, nothing is recorded."""
    stream = Stream(version=3)
    assert await event_store.append(stream.asks(b"x")) == WrongExpectedVersion(0)


async def test_a_decision_on_another_history_has_moved(event_store: EventStore) -> None:
    """Given a decision on the right version but another last hash, nothing is recorded."""
    stream = Stream()
    await stream.write(event_store, b"as it was")
    astray = Stream(stream.id, 1, next_hash(GENESIS, b"as it was not"))
    assert await event_store.append(astray.asks(b"next")) == WrongExpectedVersion(1)


async def test_a_hash_that_does_not_follow_is_refused(event_store: EventStore) -> None:
    """Given an event whose hash is not of its bytes, the append is refused and nothing is recorded, nor kept."""
    good = Stream().asks(b"as hashed")
    bad = replace(good, events=(replace(good.events[0], body=b"as altered"),))
    with pytest.raises(HashMismatch):
        await event_store.append(bad)
    assert (await event_store.head()).position == 0
    assert (await event_store.load(bad.stream, bad.command_id)).receipt is None


async def test_the_second_hash_of_an_append_must_follow_from_its_first(event_store: EventStore) -> None:
    """Given two events of which only the first is chained, neither is recorded."""
    stream = Stream()
    good = stream.asks(b"first", b"second")
    bad = replace(good, events=(good.events[0], replace(good.events[1], hash=next_hash(GENESIS, b"second"))))
    with pytest.raises(HashMismatch):
        await event_store.append(bad)
    assert list(await event_store.read(0, 10)) == []


async def test_a_repeated_command_is_recorded_once_and_its_answer_kept(event_store: EventStore) -> None:
    """Given a command sent twice, the second time nothing is recorded and the kept answer names the first's events."""
    stream = Stream()
    await stream.write(event_store, b"before")
    append = stream.asks(b"one", b"two")
    assert isinstance(await event_store.append(append), Appended)
    assert await event_store.append(append) == DuplicateCommand()
    stored = (await event_store.load(stream.name, append.command_id)).receipt
    assert stored is not None
    assert (stored.digest, stored.stream, [note_of(r.body) for r in stored.records]) == (
        append.digest,
        stream.name,
        [b"one", b"two"],
    )
    assert (await event_store.head()).position == 3


async def test_a_kept_answer_is_found_from_another_stream(event_store: EventStore) -> None:
    """Given a key used for one stream, loading another stream with it finds the answer of the first."""
    first = Stream()
    append = first.asks(b"one")
    await event_store.append(append)
    second = Stream()
    await second.write(event_store, b"other")
    loaded = await event_store.load(second.name, append.command_id)
    assert [r.stream for r in loaded.records] == [second.name]
    assert isinstance(loaded.receipt, StoredReceipt)
    assert (loaded.receipt.stream, [note_of(r.body) for r in loaded.receipt.records]) == (first.name, [b"one"])


async def test_a_refusal_is_not_kept(event_store: EventStore) -> None:
    """Given a command that was refused because the stream moved, the same command on the new version is recorded."""
    stream = Stream()
    late = stream.asks(b"late")
    await stream.write(event_store, b"early")
    assert await event_store.append(late) == WrongExpectedVersion(1)
    again = stream.asks(b"late", command_id=late.command_id)
    assert isinstance(await event_store.append(again), Appended)


async def test_a_claim_is_held_by_one_stream(event_store: EventStore) -> None:
    """Given a key taken by a stream, another stream that would take it records nothing and learns which key it is."""
    holder, other = Stream(), Stream()
    await holder.write(event_store, b"mine", takes=["offence:1"])
    assert await event_store.append(other.asks(b"mine too", takes=["offence:2", "offence:1"])) == KeyTaken("offence:1")
    await other.write(event_store, b"another", takes=["offence:2"])


async def test_a_stream_may_take_again_what_it_holds(event_store: EventStore) -> None:
    """Given a key that a stream holds, taking it again is no loss, and it is held once: one release frees it."""
    holder, other = Stream(), Stream()
    await holder.write(event_store, b"1", takes=["k"])
    await holder.write(event_store, b"2", takes=["k"])
    await holder.write(event_store, b"3", releases=["k"])
    await other.write(event_store, b"4", takes=["k"])


async def test_a_released_claim_can_be_taken_by_another(event_store: EventStore) -> None:
    """Given a key taken and released, another stream takes it, and the first cannot take it back."""
    first, second = Stream(), Stream()
    await first.write(event_store, b"1", takes=["k"])
    await first.write(event_store, b"2", releases=["k"])
    await second.write(event_store, b"3", takes=["k"])
    assert await event_store.append(first.asks(b"4", takes=["k"])) == KeyTaken("k")


async def test_only_the_holder_can_release_a_claim(event_store: EventStore) -> None:
    """Given a key held by one stream, a release by another leaves it held, even beside a take of the same key."""
    holder, other, third = Stream(), Stream(), Stream()
    await holder.write(event_store, b"1", takes=["k"])
    await other.write(event_store, b"2", releases=["k"])
    assert await event_store.append(third.asks(b"3", takes=["k"])) == KeyTaken("k")
    assert await event_store.append(third.asks(b"4", takes=["k"], releases=["k"])) == KeyTaken("k")


async def test_a_claim_taken_and_released_in_one_append_is_free_after_it(event_store: EventStore) -> None:
    """Given one append that takes and releases a key, another stream takes it afterwards."""
    await Stream().write(event_store, b"1", takes=["k"], releases=["k"])
    await Stream().write(event_store, b"2", takes=["k"])


async def test_an_append_that_is_not_recorded_moves_no_claim(event_store: EventStore) -> None:
    """Given a stream that moved, the late append neither takes nor releases its keys."""
    stream, other = Stream(), Stream()
    await stream.write(event_store, b"1", takes=["held"])
    late = Stream(stream.id).asks(b"2", takes=["new"], releases=["held"])
    assert await event_store.append(late) == WrongExpectedVersion(1)
    await other.write(event_store, b"3", takes=["new"])
    assert await event_store.append(other.asks(b"4", takes=["held"])) == KeyTaken("held")


async def test_each_caller_of_a_group_gets_its_own_answer(event_store: EventStore) -> None:
    """Given callers at once of whom one is late, one repeats and one loses a claim, each is answered for itself."""
    moved, repeated, holder, loser, fine = Stream(), Stream(), Stream(), Stream(), Stream()
    await moved.write(event_store, b"first")
    await holder.write(event_store, b"holds", takes=["k"])
    same_digest = repeated.asks(b"once")
    await event_store.append(same_digest)
    appends: list[AppendRequest] = [
        Stream(moved.id).asks(b"late"),
        same_digest,
        loser.asks(b"loses", takes=["k"]),
        fine.asks(b"goes on"),
        holder.asks(b"gives back", releases=["k"]),
    ]
    results = await asyncio.gather(*(event_store.append(append) for append in appends))
    assert results[:3] == [WrongExpectedVersion(1), DuplicateCommand(), KeyTaken("k")]
    assert [type(result) for result in results[3:]] == [Appended, Appended]
    records = await event_store.read(3, 10)
    assert {note_of(r.body): r.position for r in records} == {
        b"goes on": results[3].position,  # type: ignore[union-attr]
        b"gives back": results[4].position,  # type: ignore[union-attr]
    }


async def test_the_wrong_member_of_a_group_fails_alone(event_store: EventStore) -> None:
    """Given fifty callers at once of whom one brings a broken hash, that one is told and all others are recorded."""
    good = [Stream().asks(b"%d" % n) for n in range(49)]
    bad = Stream().asks(b"bad")
    bad = replace(bad, events=(replace(bad.events[0], hash=bytes(32)),))
    results = await asyncio.gather(
        *(event_store.append(append) for append in (*good[:20], bad, *good[20:])), return_exceptions=True
    )
    assert isinstance(results.pop(20), HashMismatch)
    assert all(isinstance(result, Appended) for result in results)
    assert [r.position for r in await event_store.read(0, 100)] == list(range(1, 50))


async def test_one_command_sent_by_two_callers_at_once_is_recorded_once(event_store: EventStore) -> None:
    """Given the same command from two callers at the same moment, one records it and the other is told so."""
    append = Stream().asks(b"once")
    results = await asyncio.gather(event_store.append(append), event_store.append(append))
    assert sorted(type(result).__name__ for result in results) == ["Appended", "DuplicateCommand"]
    assert (await event_store.head()).position == 1


async def test_the_log_hash_covers_places_and_answers_in_order(event_store: EventStore) -> None:
    """Given appends of one and of several events, the head's log hash is that of each entry and each kept answer."""
    streams = [Stream() for _ in range(3)]
    appends = [stream.asks(*(b"%d" % n for n in range(1 + i))) for i, stream in enumerate(streams)]
    assert (await event_store.head()).log_hash == EMPTY_LOG
    for append in appends:
        assert isinstance(await event_store.append(append), Appended)
    assert await event_store.append(appends[0]) == DuplicateCommand()
    assert (await event_store.head()).log_hash == log_hash_of(await event_store.read(0, 100), appends)


async def test_a_group_is_under_the_log_hash_as_single_appends_are(event_store: EventStore) -> None:
    """Given callers of a group, one of them refused, the log hash follows from what was recorded, in its order."""
    appends = [Stream().asks(b"one", b"two") for _ in range(20)]
    appends[7] = replace(appends[7], version=3)
    results = await asyncio.gather(*(event_store.append(append) for append in appends))
    assert results[7] == WrongExpectedVersion(0)
    records = await event_store.read(0, 100)
    assert len(records) == 38
    assert (await event_store.head()).log_hash == log_hash_of(records, appends)


async def test_marks_of_others_records_are_looked_up_by_home(event_store: EventStore, worker: Any) -> None:
    """Given marks that a worker kept for two homes, when one of them and an unknown home are asked for, then each has its own or none."""
    first, second = uuid4(), uuid4()
    kept = {first: ["desk.OPENED", "desk.LED"], second: ["desk.OPENED"]}
    if isinstance(event_store, MemoryEventStore):
        for home, marks in kept.items():
            event_store.keep_marks(home, marks)
    else:
        pairs = [(home, mark) for home, marks in kept.items() for mark in marks]
        await worker.execute(linking._MARK, *zip(*pairs, strict=True))
    assert await event_store.linked_marks([first, uuid4()]) == {first: {"desk.OPENED", "desk.LED"}}
    assert await event_store.linked_marks([]) == {}


@pytest.mark.parametrize("event_store", ["postgres"], indirect=True)
async def test_the_release_before_reads_the_marks_of_this_one(event_store: EventStore, worker: Any) -> None:
    """Given marks with labels, then the release before, which knows none, reads them without, and this one does not."""
    home = uuid4()
    await worker.execute(linking._MARK, [home, home], ["desk.OPENED@DORSET", "desk.LED"])
    before = await worker.fetch("select mark from linked_mark where home = $1", home)
    assert {row["mark"] for row in before} >= {"desk.OPENED", "desk.LED"}
    assert await event_store.linked_marks([home]) == {home: {"desk.OPENED@DORSET", "desk.LED"}}


async def test_a_claim_that_begins_with_a_home_marks_it(event_store: EventStore, worker: Any) -> None:
    """Given claims that begin with a home, one with a colon after it, then that is a mark of the home, for API and worker."""
    home, stream = uuid4(), Stream()
    key = f"{home}:DORSET:{uuid4()}"
    await event_store.append(replace(stream.asks(b"one"), takes=(key, f"{home}/LOUD", f"{uuid4()}:DORSET")))
    assert await event_store.linked_marks([home, uuid4()]) == {home: {key}}
    if isinstance(event_store, PostgresEventStore):
        assert len(await worker.fetch(_MARKS, [home])) == 1


async def test_what_a_home_has_is_counted(event_store: EventStore) -> None:
    """Given two events of a stream, when its home is asked for, then a stream and their weight are counted; with other labels, or of an unknown home, none."""
    stream = Stream()
    await stream.write(event_store, b"one", b"two")
    await Stream().write(event_store, b"three")
    records = (await event_store.load(stream.name)).records
    assert await event_store.size_of_home(stream.id, {}) == (
        1,
        sum(len(record.body) + EVENT_WEIGHT for record in records),
    )
    assert await event_store.size_of_home(stream.id, {"area": "POOLE"}) == (0, 0)
    assert await event_store.size_of_home(uuid4(), {}) == (0, 0)


async def test_the_events_of_a_home_that_hold_an_id_are_found(event_store: EventStore) -> None:
    """Given two events of a home of which one holds an id, then that one alone is loaded, and none of another home or for another id."""
    stream, other = Stream(), Stream()
    await stream.write(event_store, b"one", b"two")
    await other.write(event_store, b"three")
    named = (await event_store.load(stream.name)).records[1].event_id
    found = await event_store.naming(stream.id, [uuid4(), named])
    assert [(record.stream, record.version) for record in found] == [(stream.name, 2)]
    assert await event_store.naming(other.id, [named]) == []
    assert await event_store.naming(stream.id, [uuid4()]) == []


async def test_kept_events_of_others_are_looked_up_by_home(event_store: EventStore, worker: Any) -> None:
    """Given two events that a worker kept for a home, when it and an unknown home are asked for, then they come in order."""
    home, at = uuid4(), datetime(2026, 6, 1, tzinfo=UTC)
    kept = [RecordedEvent(n, at, "desk/one", n, uuid4(), "ooc.desk.Opened.v1", home, bytes(32), b"{}") for n in (1, 2)]
    if isinstance(event_store, MemoryEventStore):
        for record in kept:
            event_store.keep_event(record, record.home)
    else:
        for record in reversed(kept):
            position, *before, _, hash_, body = astuple(record)
            await worker.execute(linking._KEEP, home, "desk", position, *before, hash_, body)
    assert await event_store.kept_events([home, uuid4()]) == {home: kept}
