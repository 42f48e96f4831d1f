"""One-minute cache of decrypted events and folded state, for successive commands on one stream.

The handler still loads every record from the event store. A cached fact is used only if its record is identical.
The lifetime of a fact is that of a cached data key. If the keyring reports another or a destroyed key, the bytes are
decrypted again. A state is cached with its facts. It is used only if the new history begins with these facts, and is
removed with the first of them. A timer removes expired entries, also without further commands.

It replaces snapshots (docs/adr/0052): it holds no second copy on disk, and needs no version of its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from shared.domain.decider import Decider, check_gapless, history_at
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Correction
from shared.domain.sealing import DataKey, key_ids_in
from shared.event_store import RecordedEvent
from shared.privacy.keyring import CACHED_SECONDS, ExpiryTimer, KeyId, Keyring

S = TypeVar("S")

MAX_FACTS: Final = 20_000
"""The most cached facts, some 60 MB. There are never more states than facts."""

Keys = Mapping[KeyId, DataKey | None]


@dataclass(frozen=True, slots=True)
class _Opened:
    fact: Fact
    keys: Keys
    until: float


@dataclass(frozen=True, slots=True)
class _Folded(Generic[S]):
    history: Sequence[Fact]
    state: S | None


class StateCache(Generic[S]):
    """A cache of the decrypted facts and states of the streams of one service."""

    def __init__(
        self, events: EventRegistry, decider: Decider[S], keyring: Keyring, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events = events
        self._decider = decider
        self._keyring = keyring
        self._clock = clock
        # In order of expiry.
        self._opened: OrderedDict[bytes, _Opened] = OrderedDict()
        self._folded: dict[str, _Folded[S]] = {}
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
        return [
            self._fact(record, {key_id: keys[key_id] for key_id in ids})
            for record, ids in zip(records, key_ids, strict=True)
        ]

    def fold(self, history: Sequence[Fact]) -> S | None:
        """Fold a whole history, as `open` returned it, in order of version. Raises `BrokenHistory`."""
        if not history:
            return None
        stream = history[0].envelope.stream
        earlier = self._folded.pop(stream, None)
        state = self._fold_from(earlier, history) if earlier is not None else self._decider.fold(history_at(history))
        self._folded[stream] = _Folded(history, state)
        return state

    def _fold_from(self, earlier: _Folded[S], history: Sequence[Fact]) -> S | None:
        """Fold only the new facts, if the history begins with the earlier one. A correction changes old facts, so all are folded."""
        new = history[len(earlier.history) :]
        begins = len(earlier.history) <= len(history) and all(
            a is b for a, b in zip(earlier.history, history, strict=False)
        )
        if not begins or any(isinstance(fact.event, Correction) for fact in new):
            return self._decider.fold(history_at(history))
        check_gapless(history)
        return self._decider.fold(new, earlier.state)

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
        self._timer.set(CACHED_SECONDS)
        return fact

    def _remove(self, hash_: bytes) -> None:
        """Remove a fact, and the state that was folded from it."""
        entry = self._opened.pop(hash_, None)
        if entry is not None:
            self._folded.pop(entry.fact.envelope.stream, None)

    def _expire(self) -> float | None:
        """Remove expired facts, and the oldest above the limit. Returns the seconds to the next expiry, None if empty."""
        now = self._clock()
        while self._opened:
            oldest, entry = next(iter(self._opened.items()))
            if entry.until > now and len(self._opened) <= MAX_FACTS:
                return entry.until - now
            self._remove(oldest)
        return None
