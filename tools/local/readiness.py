"""Ways to ask whether a process does its work yet."""

from collections.abc import Awaitable, Callable

import httpx2


def http_ok(url: str) -> Callable[[], Awaitable[bool]]:
    """Ready when a GET of the address is answered with 200."""

    async def ready() -> bool:
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=3) as client:
            return (await client.get(url)).status_code == 200

    return ready
