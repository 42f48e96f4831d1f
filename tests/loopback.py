"""HTTP clients of servers on this machine, which speak no TLS.

httpx reads every certificate authority for each client that may meet TLS: 20 ms of processor time, which hundreds of
tests would spend on nothing.
"""

from __future__ import annotations

from typing import Any

import httpx


def client(**options: Any) -> httpx.AsyncClient:
    """Return a client without TLS and without the proxy of the environment, with other options of httpx."""
    return httpx.AsyncClient(verify=False, trust_env=False, **options)  # noqa: S501 - loopback, no TLS


def blocking_client(**options: Any) -> httpx.Client:
    """Return the same for tests without an event loop."""
    return httpx.Client(verify=False, trust_env=False, **options)  # noqa: S501 - loopback, no TLS
