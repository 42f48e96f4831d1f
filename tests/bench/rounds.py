"""Sides in alternating rounds, so that whatever else the machine does meets all of them alike."""

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from tests.bench.figures import Samples
from tests.bench.place import Place

OURS: Final = "ours"
WARM_UP_SECONDS: Final = 1.0

Round = Callable[[float], Awaitable[Mapping[str, float]]]
"""Does one round of about so many seconds, and tells what it found by figure, such as `events/s`."""


@dataclass(frozen=True)
class Side:
    """Who is measured: `ours`, a `peer`, a `limit` of the machine; what that is, in words; and a round of it."""

    name: str
    what: str
    round: Round


@dataclass(frozen=True)
class Bench:
    """A line of the table: its name on the command line, what it shows, and how to set its sides up."""

    name: str
    title: str
    sides: Callable[[Place], AbstractAsyncContextManager[Sequence[Side]]]


Found = dict[str, dict[str, Samples]]
"""By side and figure."""


async def alternating(sides: Sequence[Side], rounds: int, seconds: float, tell: Callable[[str], None]) -> Found:
    """Warm each side up, then do rounds of all, every second one in the opposite order."""
    for side in sides:
        tell(f"warm-up, {side.name}")
        await side.round(min(WARM_UP_SECONDS, seconds))
    found: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
    for n in range(rounds):
        for side in sides if n % 2 == 0 else reversed(sides):
            tell(f"round {n + 1} of {rounds}, {side.name}")
            gc.collect()  # nobody pays for what another has left
            for figure, value in (await side.round(seconds)).items():
                found[side.name].setdefault(figure, []).append(value)
    return {
        side: {figure: Samples(tuple(values)) for figure, values in figures.items()} for side, figures in found.items()
    }
