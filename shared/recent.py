"""What was opened and folded lately: a command that follows another on its stream begins where that one ended.

Records are loaded from the ledger each time all the same, and only what is the same to the byte is taken from here. A
fact is kept opened for as long as a data key is, a minute, and only for the keys that opened it: when the keyring says
that a key was destroyed, or is another, the bytes are read anew. A state is kept beside the facts that made it, and
serves only where the same facts come first.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from shared.decider import Decider, check_gapless, cut
from shared.keyring import CACHED_SECONDS, Keyring, Wanted
from shared.ledger import Record
from shared.messages import Correction, EventBook, Fact
from shared.sealing import DataKey, subjects_in

S = TypeVar("S")

MOST_FACTS: Final = 20_000
"""How many opened facts are kept: some 60 MB."""

MOST_STATES: Final = 2_000
"""How many states are kept."""

Keys = Mapping[Wanted, DataKey | None]


@dataclass(frozen=True, slots=True)
class _Opened:
    fact: Fact
    keys: Keys
    until: float


@dataclass(frozen=True, slots=True)
class _Folded(Generic[S]):
    history: Sequence[Fact]
    state: S | None
    until: float


class Recent(Generic[S]):
    """The opened facts and the states of a service's streams, for a minute."""

    def __init__(
        self, events: EventBook, decider: Decider[S], keyring: Keyring, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events = events
        self._decider = decider
        self._keyring = keyring
        self._clock = clock
        # The soonest to end come first.
        self._opened: OrderedDict[bytes, _Opened] = OrderedDict()
        self._folded: OrderedDict[str, _Folded[S]] = OrderedDict()

    async def open(self, records: Sequence[Record]) -> list[Fact]:
        """The facts of some records, their sealed fields opened; raises `KeyringUnavailable` or `UnknownEvent`."""
        self._let_go()
        kept = [self._kept(record) for record in records]
        wanted = [
            subjects_in(record.body) if one is None else one.keys for record, one in zip(records, kept, strict=True)
        ]
        every = {want for wants in wanted for want in wants}
        keys = await self._keyring.open(every) if every else {}
        return [
            one.fact
            if one is not None and all(keys[want] == key for want, key in one.keys.items())
            else self._open(record, {want: keys[want] for want in wants})
            for record, wants, one in zip(records, wanted, kept, strict=True)
        ]

    def fold(self, history: Sequence[Fact]) -> S | None:
        """The state after a whole history of `open`'s facts, in order of version; raises `BrokenHistory`."""
        if not history:
            return None
        stream = history[0].envelope.stream
        known = self._folded.pop(stream, None)
        state = self._continued(known, history) if known is not None else self._decider.fold(cut(history))
        self._folded[stream] = _Folded(history, state, self._clock() + CACHED_SECONDS)
        return state

    def _continued(self, known: _Folded[S], history: Sequence[Fact]) -> S | None:
        """The state after a history that may begin with the known one; a correction reaches back, so all is folded."""
        new = history[len(known.history) :]
        begins = len(known.history) <= len(history) and all(
            a is b for a, b in zip(known.history, history, strict=False)
        )
        if not begins or any(isinstance(fact.event, Correction) for fact in new):
            return self._decider.fold(cut(history))
        check_gapless(history)
        return self._decider.fold(new, known.state)

    def _kept(self, record: Record) -> _Opened | None:
        """What was kept of a record, if the record is the same to the byte and the microsecond."""
        one = self._opened.get(record.hash)
        if one is None:
            return None
        fact = one.fact
        same = (fact.body, fact.position, fact.recorded_at) == (record.body, record.position, record.recorded_at)
        return one if same else None

    def _open(self, record: Record, keys: Keys) -> Fact:
        fact = self._events.read(
            record.body, keys=keys, position=record.position, recorded_at=record.recorded_at, hash=record.hash
        )
        self._opened.pop(record.hash, None)
        self._opened[record.hash] = _Opened(fact, keys, self._clock() + CACHED_SECONDS)
        return fact

    def _let_go(self) -> None:
        """Forget what has had its minute, and the oldest of what is too much."""
        now = self._clock()
        both: tuple[tuple[OrderedDict[Any, Any], int], ...] = (
            (self._opened, MOST_FACTS),
            (self._folded, MOST_STATES),
        )
        for kept, most in both:
            while kept and (len(kept) > most or next(iter(kept.values())).until <= now):
                kept.popitem(last=False)
