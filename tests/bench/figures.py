"""Statistics of the rounds: few numbers, and no claim that they do not carry."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """One figure of one side, a value for each round, in the order of the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value, or the mean of the two in the middle."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest value."""
        return max(self.values)

    def over(self, other: Samples) -> Samples:
        """Return the ratio in each round: what slowed both sides down in a round cancels out. Raises ValueError."""
        return Samples(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile of some latencies given in seconds."""
    return {"p50 ms": percentile(seconds, 50) * 1000, "p99 ms": percentile(seconds, 99) * 1000}
