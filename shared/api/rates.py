"""Rates in one process (backpressure).

A rate is a token bucket for each key, stored as the time of its next full state (GCRA).

Each process counts alone, so several copies of an API allow the sum. The limit bounds the cost of one client in this
process. A limit for all copies belongs in the gateway.
"""

import ipaddress
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

BURST_SECONDS: Final = 5.0
"""The largest burst, in seconds of the rate."""
SMALL_BYTES: Final = 10_000
"""The size of a body up to which a request counts once; with each further part of this size once more. What is stored stays for ever."""
MAX_KEYS: Final = 20_000
"""The most keys in memory; the longest idle are removed first."""


AT_ONCE: Final = 8
"""The most requests of an actor that an API works on at once. The cost of a request is not bounded by a rate."""
UNDER_WAY: Final = "under_way"
"""The key of a request's ASGI scope with an exit stack that ends once it is answered: its actor's turn."""


def network_of(client: Sequence[Any] | None) -> str:
    """Return the address of a client, whose port follows it. For IPv6 return its /64 network, since one client may use all of it.

    A text of a proxy that is no address counts as one client.
    """
    host = "" if client is None else str(client[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 or address.ipv4_mapped else str(address.packed[:8])


class RateLimit:
    """A limit of `per_second` requests for each key, with bursts of some seconds; a large request counts as several."""

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic, burst: float = BURST_SECONDS) -> None:
        self._cost = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, key: str, size: int = 0) -> float:
        """Count a request of a key, with a body of so many bytes. Returns 0 if it is allowed, or else the seconds to wait."""
        now = self._clock()
        cost = min((1 + size // SMALL_BYTES) * self._cost, self._burst)  # more would never be allowed
        full_at = max(self._full_at.get(key, now), now) + cost
        # A tolerance, since sums of fractions are not exact.
        if (too_early := full_at - now - self._burst) > 1e-9:
            return too_early
        if key not in self._full_at and len(self._full_at) >= MAX_KEYS:
            self._remove_idle(now)
        self._full_at[key] = full_at
        return 0.0

    def give_back(self, key: str) -> None:
        """Forget a small request of a key that was counted."""
        if key in self._full_at:
            self._full_at[key] -= self._cost

    def _remove_idle(self, now: float) -> None:
        """Remove keys with a full bucket, and then the oldest above half of the maximum."""
        active = [(key, full_at) for key, full_at in self._full_at.items() if full_at > now]
        self._full_at = dict(active[-(MAX_KEYS // 2) :])
