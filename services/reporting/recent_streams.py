"""The recent streams of a projecting process, folded in memory, so that an event costs the same in a stream of any length.

The tables stay the truth: what is remembered of a stream counts only if version and hash are those of its row, read in
the transaction of the batch. So a restart, a rebalance, an eviction and a batch that was rolled back cost one reading
of the history, and nothing else. Sealed fields stay closed here too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from services.reporting.fold import FoldedHistory, Stream

MOST_FACTS: Final = 20_000
"""How many facts are remembered at most, some 60 MB; a longer stream is not remembered at all."""


class RecentStreams:
    """The streams that moved last, by service and id. The one that rested longest is forgotten first."""

    def __init__(self, most_facts: int = MOST_FACTS) -> None:
        self._most_facts = most_facts
        self._streams: OrderedDict[Stream, FoldedHistory] = OrderedDict()
        self._facts = 0

    def at(self, stream: Stream, version: int, hash_: bytes) -> FoldedHistory | None:
        """Return what is remembered of a stream; None unless it is at this version, with this hash."""
        known = self._streams.get(stream)
        if known is None or known.last.version != version or known.last.hash != hash_:
            return None
        return known

    def remember(self, stream: Stream, history: FoldedHistory) -> None:
        """Remember a stream as it is now."""
        self._forget(stream)
        self._streams[stream] = history
        self._facts += len(history.facts)
        while self._facts > self._most_facts:
            self._forget(next(iter(self._streams)))

    def _forget(self, stream: Stream) -> None:
        known = self._streams.pop(stream, None)
        if known is not None:
            self._facts -= len(known.facts)
