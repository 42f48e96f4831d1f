"""Delivery of events to an agency's address only: neither a name that leads inside nor a redirect is followed."""

import asyncio
import socket
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import httpx2

from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks.registry import check_url
from shared.servers.http_client import shared_client

SECONDS: Final = 10.0
"""Seconds for a receiver, from the look-up of its address to the head of its answer; the rest is not read."""
_UNICAST: Final = ip_network("2000::/3")
"""Where all public addresses of IPv6 are: beyond it stand those that are translated to IPv4, and reserved ones."""
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Address = IPv4Address | IPv6Address


class NotDelivered(Exception):
    """The receiver did not take an event, which is sent again; the message is a code."""


class ReceiverGone(NotDelivered):
    """The receiver wants nothing more (410)."""


class Courier:
    """Posts messages to agencies' addresses; a connection serves one message, since an address may have many names."""

    def __init__(self, settings: NotificationsSettings, http: httpx2.AsyncClient | None = None) -> None:
        own = _LOOPBACK if settings.mode == "local" else ()
        # One look for a name at a time: each takes a thread, also when nobody waits for it any more, and there are few.
        self._looking: dict[str, asyncio.Future[list[Any]]] = {}
        self._permitted = (*settings.networks, *own)
        self._http = http or shared_client(SECONDS, limits=httpx2.Limits(max_keepalive_connections=0))

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """Post a message. Raises `NotDelivered` unless it is taken (2xx); a redirect is not followed."""
        try:
            async with asyncio.timeout(SECONDS):
                status = await self._status(address, headers, body)
        except (TimeoutError, OSError, httpx2.HTTPError) as error:
            raise NotDelivered("NO_ANSWER") from error
        if status == 410:
            raise ReceiverGone("HTTP_410")
        if not 200 <= status < 300:
            raise NotDelivered(f"HTTP_{status}")

    async def _status(self, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Ask the very address that was checked, so that its name cannot mean another a moment later (DNS rebinding)."""
        url = check_url(address)
        to = await self._resolve(url)
        async with self._http.stream(
            "POST",
            url.copy_with(host=str(to)),
            content=body,
            headers={**headers, "host": url.netloc.decode(), "user-agent": "ooc-webhooks"},
            extensions={"sni_hostname": url.raw_host.decode()},
        ) as answer:
            return answer.status_code

    async def _resolve(self, url: httpx2.URL) -> Address:
        host = url.raw_host.decode()
        if host not in self._looking:
            look = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            self._looking[host] = asyncio.ensure_future(look)
            self._looking[host].add_done_callback(partial(self._end_look, host))
        found = await asyncio.shield(self._looking[host])
        addresses = sorted((ip_address(entry[4][0]) for entry in found), key=lambda ip: ip.version)
        if not addresses or not all(map(self._may_reach, addresses)):
            raise NotDelivered("ADDRESS_REFUSED")
        return addresses[0]

    def _end_look(self, host: str, look: asyncio.Future[list[Any]]) -> None:
        """Forget a look. Nobody may have waited for its error, of which asyncio would complain."""
        del self._looking[host]
        if not look.cancelled():
            look.exception()

    def _may_reach(self, address: Address) -> bool:
        """Whether it is public, and no IPv6 address that holds another, or permitted by the settings."""
        if any(address in network for network in self._permitted):
            return True
        if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo or address not in _UNICAST):
            return False
        return address.is_global and not address.is_multicast
