"""Rate limits in one process: a token bucket for each key, kept as the one time at which it will be full again (GCRA).

Each process counts for itself: behind several copies of an API, a client has the sum. It bounds what one client costs
this process; a limit for all copies together belongs into the gateway before them.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

BURST_SECONDS: Final = 5.0
"""How many seconds' worth of requests may come at once."""
MAX_KEYS: Final = 20_000
"""How many keys are kept; those that have been idle longest are let go first."""


class RateLimit:
    """Allows each key `per_second` requests, and as many at once as come in `BURST_SECONDS`."""

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self._cost = 1 / per_second
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, key: str) -> float:
        """Count a request of this key: 0 if it may go ahead, else the seconds after which the next one may."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + self._cost
        # A tolerance, since sums of fractions are not exact.
        if (too_early := full_at - now - BURST_SECONDS) > 1e-9:
            return too_early
        if key not in self._full_at and len(self._full_at) >= MAX_KEYS:
            self._let_go(now)
        self._full_at[key] = full_at
        return 0.0

    def _let_go(self, now: float) -> None:
        """Drop the keys whose buckets are full, and if that is not half of them, those that came first."""
        kept = [(key, full_at) for key, full_at in self._full_at.items() if full_at > now]
        self._full_at = dict(kept[-(MAX_KEYS // 2) :])
