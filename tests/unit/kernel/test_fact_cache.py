"""What was opened lately serves again only where it is the same, and only for a minute."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.messages import Event
from shared.domain.sealing import Sealed, sealed_fields
from shared.event_store import RecordedEvent
from shared.handling.fact_cache import MAX_BYTES, FactCache
from shared.privacy.keyring import CACHED_SECONDS, MemoryKeyring
from tests.unit.kernel.lamps import (
    EVENTS,
    HOME,
    NOON,
    OWNER,
    LampHung,
    LampLit,
    LampOut,
    fact,
    sealed_bytes,
)

PERSON = f"person/{OWNER}"


class Shelf:
    """Records of lamps, a keyring, and a `FactCache` whose clock stands until it is moved."""

    def __init__(self) -> None:
        self.keyring = MemoryKeyring()
        self.now = 1_000.0
        self.event_store: list[RecordedEvent] = []
        self.recent: FactCache = FactCache(EVENTS, self.keyring, lambda: self.now)

    async def records(self, *events: Event) -> list[RecordedEvent]:
        """Return the event store's records after these events more."""
        for event in events:
            await self._record(fact(event, len(self.event_store) + 1, NOON + timedelta(hours=len(self.event_store))))
        return list(self.event_store)

    async def _record(self, one: Fact) -> None:
        subjects = {subject for _, subject, _ in sealed_fields(one.event, HOME)}
        body = sealed_bytes(one, await self.keyring.keys_for_sealing(sorted(subjects)))
        hash_ = next_hash(self.event_store[-1].hash if self.event_store else GENESIS, body)
        assert one.position is not None
        assert one.recorded_at is not None
        stream, type_ = one.envelope.stream, one.envelope.type
        self.event_store.append(
            RecordedEvent(one.position, one.recorded_at, stream, one.version, one.event_id, type_, HOME, hash_, body)
        )


def hung(note: str = "from Ann") -> LampHung:
    return LampHung(room="hall", owner=OWNER, note=Sealed(note))


def note_of(fact: Fact) -> Sealed[str] | None:
    assert isinstance(fact.event, LampHung)
    return fact.event.note


async def test_what_was_opened_is_not_opened_again() -> None:
    """Given a stream that was opened, when it comes again with one event more, then the facts before are the same objects."""
    shelf = Shelf()
    records = await shelf.records(hung(), LampLit(), LampOut())
    first = await shelf.recent.open(records[:2])
    again = await shelf.recent.open(records)
    assert all(a is b for a, b in zip(first, again, strict=False))
    assert [fact.name for fact in again] == ["LampHung", "LampLit", "LampOut"]


async def test_a_destroyed_key_closes_what_was_opened_with_it() -> None:
    """Given an opened fact, when its owner's key is destroyed, then the next look says that it is forgotten."""
    shelf = Shelf()
    records = await shelf.records(hung())
    (before,) = await shelf.recent.open(records)
    assert note_of(before) == Sealed("from Ann")
    await shelf.keyring.destroy(PERSON)
    (after,) = await shelf.recent.open(records)
    note_after = note_of(after)
    assert note_after is not None
    assert note_after.is_forgotten


async def test_nothing_serves_longer_than_a_minute() -> None:
    """Given an opened fact, when its minute is over, then it is read anew; so no opened text serves beyond the keys' own minute."""
    shelf = Shelf()
    records = await shelf.records(hung())
    (first,) = await shelf.recent.open(records)
    shelf.now += CACHED_SECONDS - 1
    (second,) = await shelf.recent.open(records)
    shelf.now += 1
    (third,) = await shelf.recent.open(records)
    assert first is second
    assert third is not first


async def test_nothing_stays_in_memory_where_nobody_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given opened facts, when their time is over and no command comes, then they are gone all the same."""
    shelf = Shelf()
    records = await shelf.records(hung(), LampLit())
    monkeypatch.setattr("shared.handling.fact_cache.CACHED_SECONDS", 0.02)
    recent: FactCache = FactCache(EVENTS, shelf.keyring)
    facts = await recent.open(records)
    collected = [asyncio.Event() for _ in facts]
    for thing, event in zip(facts, collected, strict=True):
        weakref.finalize(thing, event.set)
    del facts, thing
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in collected))


async def test_callers_at_once_get_the_same_fact() -> None:
    """Given two callers who wait for the same keys, then the second takes what the first has opened meanwhile."""
    shelf = Shelf()
    records = await shelf.records(hung(), LampLit())
    both = asyncio.Barrier(2)
    fetch = shelf.keyring.open

    async def together(key_ids: Any) -> Any:
        await both.wait()
        return await fetch(key_ids)

    shelf.keyring.open = together  # type: ignore[method-assign]
    one, other = await asyncio.gather(shelf.recent.open(records), shelf.recent.open(records))
    assert all(a is b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: replace(record, body=record.body.replace(b"hall", b"loft")),
        lambda record: replace(record, position=record.position + 1),
        lambda record: replace(record, recorded_at=record.recorded_at + timedelta(microseconds=1)),
    ],
    ids=["bytes", "position", "recorded_at"],
)
async def test_a_record_that_is_another_is_read(change: Any) -> None:
    """Given an opened fact, when a record of the same hash differs in anything, then it is read as it stands."""
    shelf = Shelf()
    (record,) = await shelf.records(hung())
    await shelf.recent.open([record])
    changed = change(record)
    (read,) = await shelf.recent.open([changed])
    assert (read.body, read.position, read.recorded_at) == (changed.body, changed.position, changed.recorded_at)


async def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given facts of more bytes than are kept, then the oldest are let go, and opened anew when they are wanted."""
    assert MAX_BYTES > 1_000_000
    shelf = Shelf()
    records = await shelf.records(hung("a" * 3_000), LampLit(), LampOut())
    monkeypatch.setattr("shared.handling.fact_cache.MAX_BYTES", 3_000)
    first = await shelf.recent.open(records)
    second = await shelf.recent.open(records)
    assert [a is b for a, b in zip(first, second, strict=True)] == [False, True, True]
