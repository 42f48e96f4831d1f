"""From a command's acceptance to its being visible in reporting, at a modest rate, across all processes between."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from shared.handling.command_handler import Accepted
from tests.bench.command import CommandSide, command_side
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.place import Place
from tests.bench.processes import SPAWN, feeding, process_running, relaying
from tests.bench.rounds import OURS, Side
from tests.bench.synthetic_cases import SyntheticCase
from tests.bench.timeline import Notes, NotingProjection, Timed, Timeline, reading

CASES: Final = 100
"""How many cases are under way at once."""


class Following:
    """Commands at an even pace, whatever becomes of those before."""

    def __init__(self, command_side: CommandSide, corpus: Corpus, rate: int, timeline: Timeline) -> None:
        self._command_side = command_side
        self._corpus = corpus
        self._rate = rate
        self._timeline = timeline

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Return the median and the 99th percentile in milliseconds, the median of each step, and the commands a second that
        were really asked.
        """
        count = math.ceil(seconds * self._rate)
        accepted: list[Timed] = []
        rate = count / await self._ask(count, accepted)
        return {**await self._timeline.figures(accepted), "commands/s": rate}

    async def _ask(self, count: int, accepted: list[Timed]) -> float:
        """Ask so many commands; the seconds that it took."""
        synthetic_cases = iter(self._corpus.cases(2 * count + CASES * 40))
        ready = deque((case, 0) for case, _ in zip(synthetic_cases, range(CASES), strict=False))
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n in range(count):
                await asyncio.sleep(max(0.0, start + n / self._rate - time.perf_counter()))
                case, at = ready.popleft() if ready else (next(synthetic_cases), 0)
                group.create_task(self._next(case, at, ready, accepted))
        return time.perf_counter() - start

    async def _next(
        self, case: SyntheticCase, at: int, ready: deque[tuple[SyntheticCase, int]], accepted: list[Timed]
    ) -> None:
        sent = case.sent[at]
        result = await self._command_side.handlers[sent.service].handle(sent.request)
        assert isinstance(result, Accepted), (sent, result)
        receipt = result.receipt
        accepted.append(Timed(receipt.service, receipt.position, receipt.recorded_at.timestamp(), time.time()))
        if at + 1 < len(case.sent):
            ready.append((case, at + 1))


@contextlib.asynccontextmanager
async def visible(place: Place, rate: int) -> AsyncIterator[Sequence[Side]]:
    """So many commands a second here; relays, feed and reader in a process of their own each; the way has no peer."""
    reporting = await place.reporting_database()
    namespace = await place.topics(list(SERVICES))
    async with command_side(place) as ours:
        notes: Notes = SPAWN.Queue()
        with (
            process_running(relaying, dict(ours.event_stores), place.kafka, namespace, notes),
            process_running(feeding, reporting, place.kafka, namespace, NotingProjection(notes)),
            process_running(reading, reporting, notes),
        ):
            following = Following(ours, Corpus.unlinked(), rate, Timeline(notes))
            yield [Side(OURS, f"{rate} commands/s of the scenarios, relayed and projected", following.round)]
