"""HTTP clients of servers on this machine, which speak no TLS.

httpx2 reads every certificate authority for each client that may meet TLS: 20 ms of processor time, which hundreds of
tests would spend on nothing.
"""

from typing import Any

import httpx2

from shared.servers.database import retry_for


def client(**options: Any) -> httpx2.AsyncClient:
    """Return a client without TLS and without the proxy of the environment, with other options of httpx2."""
    return httpx2.AsyncClient(verify=False, trust_env=False, **options)


async def answered(url: str, seconds: float = 180) -> None:
    """Wait until a server answers a question with success; fail as httpx2 does when it does not within so many seconds."""

    async def ask() -> None:
        async with client() as http:
            (await http.get(url)).raise_for_status()

    await retry_for(ask, seconds, on=(httpx2.HTTPError,))


def blocking_client(**options: Any) -> httpx2.Client:
    """Return the same for tests without an event loop."""
    return httpx2.Client(verify=False, trust_env=False, **options)
