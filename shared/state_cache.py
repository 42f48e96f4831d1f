"""What was opened and folded lately: a command that follows another on its stream begins where that one ended.

Records are loaded from the event store each time all the same, and only what is the same to the byte is taken from here. A
fact is kept opened for as long as a data key is, a minute, and only for the keys that opened it: when the keyring says
that a key was destroyed, or is another, the bytes are read anew. A state is kept beside the facts that made it, serves
only where the same facts come first, and goes with the first of them that goes. Nothing waits for another command: what
has had its minute is let go by the clock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from shared.domain.decider import Decider, check_gapless, history_at
from shared.domain.messages import Correction, EventRegistry, Fact
from shared.event_store import RecordedEvent
from shared.privacy.keyring import (
    CACHED_SECONDS,
    ExpiryTimer,
    KeyId,
    Keyring,
)
from shared.privacy.sealing import DataKey, key_ids_in

S = TypeVar("S")

MOST_FACTS: Final = 20_000
"""How many opened facts are kept: some 60 MB. There are no more states than facts."""

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
    """The opened facts and the states of a service's streams, for a minute."""

    def __init__(
        self, events: EventRegistry, decider: Decider[S], keyring: Keyring, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events = events
        self._decider = decider
        self._keyring = keyring
        self._clock = clock
        # The soonest to end come first.
        self._opened: OrderedDict[bytes, _Opened] = OrderedDict()
        self._folded: dict[str, _Folded[S]] = {}
        self._reminder = ExpiryTimer(self._let_go)

    async def open(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        """The facts of some records, their sealed fields opened; raises `KeyringUnavailable` or `UnknownEvent`."""
        self._let_go()
        kept = [self._kept(record) for record in records]
        wanted = [
            key_ids_in(record.body) if one is None else one.keys for record, one in zip(records, kept, strict=True)
        ]
        every = {want for wants in wanted for want in wants}
        keys = await self._keyring.open(every) if every else {}
        return [
            self._fact(record, {want: keys[want] for want in wants})
            for record, wants in zip(records, wanted, strict=True)
        ]

    def fold(self, history: Sequence[Fact]) -> S | None:
        """The state after a whole history as `open` just gave it, in order of version; raises `BrokenHistory`."""
        if not history:
            return None
        stream = history[0].envelope.stream
        known = self._folded.pop(stream, None)
        state = self._continued(known, history) if known is not None else self._decider.fold(history_at(history))
        self._folded[stream] = _Folded(history, state)
        return state

    def _continued(self, known: _Folded[S], history: Sequence[Fact]) -> S | None:
        """The state after a history that may begin with the known one; a correction reaches back, so all is folded."""
        new = history[len(known.history) :]
        begins = len(known.history) <= len(history) and all(
            a is b for a, b in zip(known.history, history, strict=False)
        )
        if not begins or any(isinstance(fact.event, Correction) for fact in new):
            return self._decider.fold(history_at(history))
        check_gapless(history)
        return self._decider.fold(new, known.state)

    def _kept(self, record: RecordedEvent) -> _Opened | None:
        """What was kept of a record, if the record is the same to the byte and the microsecond."""
        one = self._opened.get(record.hash)
        if one is None:
            return None
        fact = one.fact
        same = (fact.body, fact.position, fact.recorded_at) == (record.body, record.position, record.recorded_at)
        return one if same else None

    def _fact(self, record: RecordedEvent, keys: Keys) -> Fact:
        """The fact of a record by these keys; while they were asked for, it may have gone, or another may have opened it."""
        one = self._kept(record)
        if one is not None and one.keys == keys:
            return one.fact
        fact = self._events.read(
            record.body, keys=keys, position=record.position, recorded_at=record.recorded_at, hash=record.hash
        )
        self._forget(record.hash)
        self._opened[record.hash] = _Opened(fact, keys, self._clock() + CACHED_SECONDS)
        self._reminder.set(CACHED_SECONDS)
        return fact

    def _forget(self, hash_: bytes) -> None:
        """Let go of a fact, and of the state that was made of it."""
        one = self._opened.pop(hash_, None)
        if one is not None:
            self._folded.pop(one.fact.envelope.stream, None)

    def _let_go(self) -> float | None:
        """Forget what has had its minute, and the oldest of what is too much; how many seconds the next has left."""
        now = self._clock()
        while self._opened:
            oldest, one = next(iter(self._opened.items()))
            if one.until > now and len(self._opened) <= MOST_FACTS:
                return one.until - now
            self._forget(oldest)
        return None
