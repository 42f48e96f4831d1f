"""Ways to ask whether a process does its work yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx


def http_ok(url: str) -> Callable[[], Awaitable[bool]]:
    """Ready when a GET of the address is answered with 200."""

    async def ready() -> bool:
        async with httpx.AsyncClient(verify=False, trust_env=False, timeout=3) as client:  # noqa: S501 - loopback, no TLS
            return (await client.get(url)).status_code == 200

    return ready
