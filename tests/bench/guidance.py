"""How long guidance takes: what may be done next in each record of a case. One process, no server, no waiting."""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from uuid import UUID

from services.trade.vocabulary import Role
from shared.domain.envelope import Fact
from shared.domain.guidance import guidance_at
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from tests.bench.corpus import SERVICES
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tools.reference.moves import play_stories

STORIES = Path(__file__).parents[1] / "scenarios"
SOMEBODY = Actor(id=derived_uuid("bench", "supervisor"), role=Role.SUPERVISOR, organisation="BENCH")

Case = Sequence[tuple[str, Sequence[Fact]]]
"""The streams of one case, each with its service."""


def _cases() -> list[Case]:
    """Play the scenarios; return the cases that they tell, without sessions, which belong to none."""
    played = play_stories(SERVICES.values(), STORIES)
    cases: dict[UUID, list[tuple[str, Sequence[Fact]]]] = defaultdict(list)
    for service, history in played.histories:
        cases[history[0].envelope.home].append((service, history))
    return [streams for home, streams in cases.items() if all(history[0].stream_id != home for _, history in streams)]


def _ask(case: Case) -> None:
    """Ask what may be done next in every record of a case, an hour after its last event."""
    at = max(fact.occurred_at for _, history in case for fact in history) + timedelta(hours=1)
    for service, history in case:
        guidance_at(SERVICES[service], SOMEBODY, history[0].stream_id, history, at)


class _Asking:
    """All cases, one after another, over and over; the processor's time is what counts, since nothing waits."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Milliseconds of processor time for a case, at the median and for all but one in a hundred."""
        took: list[float] = []
        start = time.process_time()
        while time.process_time() - start < seconds or not took:
            for case in self._cases:
                before = time.process_time()
                _ask(case)
                took.append((time.process_time() - before) * 1_000)
        return {"p50 ms": median(took), "p99 ms": sorted(took)[int(len(took) * 0.99)]}


@contextlib.asynccontextmanager
async def guidance(_place: Place) -> AsyncIterator[Sequence[Side]]:
    """Guidance for a case: fold and every rule of every command of a supervisor, for now and for later days."""
    cases = _cases()
    streams = sum(map(len, cases))
    yield [Side(OURS, f"{len(cases):,} cases of the scenarios, {streams:,} streams", _Asking(cases).round)]
