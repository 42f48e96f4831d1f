"""A team's history of some years, from the stories of tests/scenarios that end.

Each story is told again and again, with ids of its own and moved by whole weeks, so that working days stay working days.
The stories begin evenly over `YEARS` years, however many events there are, and each event is recorded when it occurs, up to
`LAST_DAY`: work that began lately is open then, and earlier work has ended, as in a real team.
"""

import heapq
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from services.reporting.projection.fold import fold
from services.reporting.projection.projector import read
from shared.domain.dates import end_of_day
from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.waiting import is_of_kernel
from shared.event_store import RecordedEvent
from tests.bench.corpus import Corpus
from tests.bench.synthetic_cases import SyntheticCase

YEARS: Final = 3

LAST_DAY: Final = date(2026, 8, 31)
"""The day at the end of which the history ends."""

_OCCURRED: Final = re.compile(r'"occurred_at":"([^"]+)"')


def _recorded(
    stream: str, body: bytes, position: int, recorded_at: datetime, hash_: bytes, home: UUID
) -> RecordedEvent:
    """Return an event as the projection takes it; what its bytes say is read from them."""
    raw = json.loads(body)
    event_id = UUID(raw["event_id"])
    return RecordedEvent(position, recorded_at, stream, raw["version"], event_id, raw["type"], home, hash_, body)


def history(events: int, corpus: Corpus | None = None) -> Iterator[RecordedEvent]:
    """Yield about so many events, of all stories or of those of `corpus`, in the order of their recording, with the positions of their services."""
    hashes: dict[str, bytes] = defaultdict(lambda: GENESIS)
    positions: dict[str, int] = defaultdict(int)
    recorded_at = datetime(2000, 1, 1, tzinfo=UTC)
    for occurred_at, _, stream, home, body in _under_way(events, Corpus(ends) if corpus is None else corpus):
        service = stream.partition("/")[0]
        recorded_at = max(occurred_at, recorded_at + timedelta(microseconds=1))
        positions[service] += 1
        hashes[stream] = next_hash(hashes[stream], body)
        yield _recorded(stream, body, positions[service], recorded_at, hashes[stream], home)


Occurrence = tuple[datetime, int, str, UUID, bytes]
"""An event: when it occurred, its place among those of one time, its stream, its home and its bytes."""


def _under_way(events: int, corpus: Corpus) -> Iterator[Occurrence]:
    """Yield the events of stories that begin evenly over the years, in order of time, up to the last day."""
    pending: list[Occurrence] = []
    told, first_day = 0, LAST_DAY - timedelta(days=YEARS * 365.25)
    end = end_of_day(LAST_DAY)
    while told < events:
        begins = first_day + (LAST_DAY - first_day) * (told / events)
        weeks = round((_by_time(corpus.upcoming, 0)[0][0].date() - begins).days / 7)
        case = corpus.case(7 * weeks)
        for occurrence in _by_time(case, told):
            heapq.heappush(pending, occurrence)
        told += case.size
        # A later story begins at most half a week before its day.
        sure = min(end, datetime.combine(begins - timedelta(days=4), datetime.min.time(), UTC))
        while pending and pending[0][0] <= sure:
            yield heapq.heappop(pending)
    while pending and pending[0][0] <= end:
        yield heapq.heappop(pending)


def ends(case: SyntheticCase) -> bool:
    """Tell whether a story leaves nothing open and no duty unmet."""
    histories: dict[str, list[Fact]] = defaultdict(list)
    for command in case.accepted:
        for *_, body in command.events:
            fact = read(_recorded(command.stream, body.encode(), 1, end_of_day(LAST_DAY), GENESIS, command.home))
            if not is_of_kernel(fact.envelope.type):
                histories[command.stream].append(fact)
    folded = [fold(history) for history in histories.values()]
    return not any(
        stream is not None and (stream.open or any(duty.is_open(LAST_DAY) for duty in stream.duties))
        for stream in folded
    )


def _by_time(case: SyntheticCase, told: int) -> list[Occurrence]:
    """Return the events of a story after so many others, each not before the one that was recorded before it."""
    found: list[Occurrence] = []
    latest = datetime(2000, 1, 1, tzinfo=UTC)
    for command in case.accepted:
        for *_, body in command.events:
            occurred = _OCCURRED.search(body)
            assert occurred is not None
            latest = max(latest, datetime.fromisoformat(occurred[1]))
            found.append((latest, told + len(found), command.stream, command.home, body.encode()))
    return found
