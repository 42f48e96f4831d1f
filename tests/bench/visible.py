"""From a command's acceptance to its being visible in reporting, at a modest rate, across all processes between."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from services.reporting.read_models import CONSUMER
from shared.command_handler import Accepted
from shared.database import create_pool
from shared.domain.receipts import Receipt
from tests.bench.command import CommandSide, command_side
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.figures import milliseconds
from tests.bench.place import Place
from tests.bench.processes import SPAWN, feeding, process_running, relaying
from tests.bench.rounds import OURS, Side
from tests.bench.timeline import Notes, NotingProjection, Timed, Timeline
from tools.scenario.synthetic_cases import SyntheticCase

GLANCE: Final = 0.002
"""Seconds between two looks at what has become visible: latencies are right to so much."""

CASES: Final = 100
"""How many cases are under way at once."""

_SEEN: Final = "select stream, version from seen where consumer = $1 and stream = any($2)"


class Watching:
    """Knows when which version of which stream was accepted, and sees in reporting's tables when it has come."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Receipt, float]]] = {}
        self.took: list[float] = []
        self.events: list[Timed] = []

    def accepted(self, receipt: Receipt) -> None:
        """Note that a command has just been accepted."""
        self._waiting.setdefault(receipt.stream, deque()).append((receipt, time.perf_counter()))

    @property
    def streams(self) -> list[str]:
        """The streams of which something is not visible yet."""
        return list(self._waiting)

    def note_visible(self, stream: str, version: int) -> None:
        """Note that reporting has committed this stream to this version."""
        now, moment = time.perf_counter(), time.time()
        waiting = self._waiting[stream]
        while waiting and waiting[0][0].version <= version:
            receipt, accepted = waiting.popleft()
            self.took.append(now - accepted)
            self.events.append(Timed(receipt.service, receipt.position, receipt.recorded_at.timestamp(), moment))
        if not waiting:
            del self._waiting[stream]


class Following:
    """Commands at an even pace, whatever becomes of those before."""

    def __init__(
        self, command_side: CommandSide, corpus: Corpus, reporting: str, rate: int, timeline: Timeline
    ) -> None:
        self._timeline = timeline
        self._rate = rate
        self._command_side = command_side
        self._corpus = corpus
        self._reporting = reporting

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Return the median and the 99th percentile in milliseconds, the median of each step, and the commands a second that
        were really asked.
        """
        count = math.ceil(seconds * self._rate)
        watching = Watching()
        asking = asyncio.create_task(self._ask(count, watching))
        database = await create_pool(self._reporting, max_size=1)
        try:
            async with asyncio.timeout(seconds + 60):
                while not asking.done() or watching.streams:
                    for row in await database.fetch(_SEEN, CONSUMER, watching.streams):
                        watching.note_visible(row["stream"], row["version"])
                    await asyncio.sleep(GLANCE)
            rate = count / await asking
            return {**milliseconds(watching.took), **await self._timeline.medians(watching.events), "commands/s": rate}
        finally:
            asking.cancel()
            await database.close()

    async def _ask(self, count: int, watching: Watching) -> float:
        """Ask so many commands; the seconds that it took."""
        synthetic_cases = iter(self._corpus.cases(2 * count + CASES * 40))
        ready = deque((case, 0) for case, _ in zip(synthetic_cases, range(CASES), strict=False))
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n in range(count):
                await asyncio.sleep(max(0.0, start + n / self._rate - time.perf_counter()))
                case, at = ready.popleft() if ready else (next(synthetic_cases), 0)
                group.create_task(self._next(case, at, ready, watching))
        return time.perf_counter() - start

    async def _next(
        self, case: SyntheticCase, at: int, ready: deque[tuple[SyntheticCase, int]], watching: Watching
    ) -> None:
        sent = case.sent[at]
        result = await self._command_side.handlers[sent.service].handle(sent.request)
        assert isinstance(result, Accepted), (sent, result)
        watching.accepted(result.receipt)
        if at + 1 < len(case.sent):
            ready.append((case, at + 1))


@contextlib.asynccontextmanager
async def visible(place: Place, rate: int) -> AsyncIterator[Sequence[Side]]:
    """So many commands a second here, relays and reporting's feed each in a process of its own; the way has no peer."""
    reporting = await place.reporting_database()
    namespace = await place.topics(list(SERVICES))
    async with command_side(place) as ours:
        notes: Notes = SPAWN.Queue()
        with (
            process_running(relaying, dict(ours.event_stores), place.kafka, namespace, notes),
            process_running(feeding, reporting, place.kafka, namespace, NotingProjection(notes)),
        ):
            following = Following(ours, Corpus(), reporting, rate, Timeline(notes))
            yield [Side(OURS, f"{rate} commands/s of the scenarios, relayed and projected", following.round)]
