"""Cache of decrypted events for less than half a minute, for successive commands on one stream.

The handler still loads every record from the event store. A cached fact is used only if its record is identical.
The lifetime of a fact is that of a cached data key. If the keyring reports another or a destroyed key, the bytes are
decrypted again. A timer removes expired entries, also without further commands.

Streams are short, so the state is folded anew for each command, and there are no snapshots (docs/adr/0052).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.domain.envelope import EventRegistry, Fact
from shared.domain.sealing import DataKey, key_ids_in
from shared.event_store import RecordedEvent
from shared.privacy.keyring import CACHED_SECONDS, ExpiryTimer, KeyId, Keyring

MAX_BYTES: Final = 20_000_000
"""The most bytes of all records whose facts are cached: some 60 MB with the facts, however large each is."""

Keys = Mapping[KeyId, DataKey | None]


@dataclass(frozen=True, slots=True)
class _Opened:
    fact: Fact
    keys: Keys
    until: float


class FactCache:
    """A cache of the decrypted facts of the streams of one service."""

    def __init__(self, events: EventRegistry, keyring: Keyring, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._keyring = keyring
        self._clock = clock
        # In order of expiry.
        self._opened: dict[bytes, _Opened] = {}
        self._bytes = 0
        self._timer = ExpiryTimer(self._expire)

    async def open(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        """Parse and decrypt recorded events. Raises `KeyringUnavailable`, `UnusableKey` or `UnknownEvent`."""
        self._expire()
        cached = [self._cached(record) for record in records]
        key_ids = [
            key_ids_in(record.body) if entry is None else entry.keys
            for record, entry in zip(records, cached, strict=True)
        ]
        all_key_ids = set[KeyId]().union(*key_ids)
        keys = await self._keyring.open(all_key_ids) if all_key_ids else {}
        facts = [
            self._fact(record, {key_id: keys[key_id] for key_id in ids})
            for record, ids in zip(records, key_ids, strict=True)
        ]
        self._expire()
        return facts

    def _cached(self, record: RecordedEvent) -> _Opened | None:
        """Find the cached fact of a record, if its bytes, position and recording time are the same."""
        entry = self._opened.get(record.hash)
        if entry is None:
            return None
        fact = entry.fact
        same = (fact.body, fact.position, fact.recorded_at) == (record.body, record.position, record.recorded_at)
        return entry if same else None

    def _fact(self, record: RecordedEvent, keys: Keys) -> Fact:
        """Return the fact of a record, decrypted with these keys: from the cache, or else from its bytes.

        The cache may have changed while the keys were fetched, so it is read again here.
        """
        entry = self._cached(record)
        if entry is not None and entry.keys == keys:
            return entry.fact
        fact = self._events.read(
            record.body, keys=keys, position=record.position, recorded_at=record.recorded_at, hash=record.hash
        )
        self._remove(record.hash)
        self._opened[record.hash] = _Opened(fact, keys, self._clock() + CACHED_SECONDS)
        self._bytes += len(record.body)
        self._timer.set(CACHED_SECONDS)
        return fact

    def _expire(self) -> float | None:
        """Remove expired facts, and the oldest above the limit. Returns the seconds to the next expiry, None if empty."""
        now = self._clock()
        while self._opened:
            oldest, entry = next(iter(self._opened.items()))
            if entry.until > now and self._bytes <= MAX_BYTES:
                return entry.until - now
            self._remove(oldest)
        return None

    def _remove(self, hash_: bytes) -> None:
        if (entry := self._opened.pop(hash_, None)) is not None:
            self._bytes -= len(entry.fact.body or b"")
