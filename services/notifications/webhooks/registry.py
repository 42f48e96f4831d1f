"""The webhooks of agencies, with their progress."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2

from shared.servers.database import Connection

LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('webhooks', 0))"
"""The lock for adding events or webhooks, so that neither misses the other's."""

PLACE: Final = """
    insert into webhook_case (webhook, home, head)
    select w.id, e.home, min(e.position) from webhook as w join agency_event as e using (organisation)
    where {} group by w.id, e.home
    on conflict (webhook, home) do update set head = least(webhook_case.head, excluded.head)
"""
"""Places the events of a condition before webhooks: a case continues from the earliest."""
_PLACE: Final = PLACE.format("w.id = $1 and e.position >= $2")
_REVIVE: Final = """
    update webhook_case set due = now(), tries = 0, failing_since = null, dead = false where webhook = $1
"""
_LIST: Final = """
    select w.id, w.organisation, w.url, w.gone, count(*) filter (where c.head is not null) as waiting,
        count(*) filter (where c.dead) as dead, min(c.head) as earliest, max(c.why) as why
    from webhook as w left join webhook_case as c on c.webhook = w.id group by w.id order by w.organisation, w.added_at
"""


def secret_of(key: bytes, webhook: UUID) -> bytes:
    """Return the secret of a webhook: it follows from the key of the deployment, and is stored nowhere."""
    return hmac.digest(key, f"webhook {webhook}".encode(), hashlib.sha256)


def check_url(text: str) -> httpx2.URL:
    """Return an address at which an agency may take events. Raises ValueError, which says what it should be."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ValueError(f"{text} is no address: {error}") from error
    local = url.scheme == "http" and url.host in {"localhost", "127.0.0.1"}
    if not ((url.scheme == "https" and url.host) or local) or url.userinfo or url.fragment:
        raise ValueError(f"{text}: write https://HOST/PATH, without a login; http is for localhost alone")
    return url


async def add_webhook(connection: Connection, organisation: str, url: str, first_position: int) -> UUID:
    """Have an organisation's events sent to an address, from a position on. Raises ValueError for an odd address."""
    id_ = uuid4()
    async with connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(
            "insert into webhook (id, organisation, url, first_position) values ($1, $2, $3, $4)",
            *(id_, organisation, str(check_url(url)), first_position),
        )
        await connection.execute(_PLACE, id_, first_position)
    return id_


async def list_webhooks(connection: Connection) -> Sequence[dict[str, Any]]:
    """List them, with the numbers of waiting and dead cases, and the earliest undelivered position."""
    return [dict(row) for row in await connection.fetch(_LIST)]


async def replay(connection: Connection, id_: UUID, position: int | None = None) -> bool:
    """Send delivered events again, from a position on, and dead ones; without a position only these. False: unknown."""
    async with connection.transaction():
        await connection.execute(LOCK)
        known = await connection.fetchval("update webhook set gone = false where id = $1 returning true", id_)
        await connection.execute(_REVIVE, id_)
        if position is not None:
            await connection.execute(_PLACE, id_, position)
    return bool(known)


async def remove_webhook(connection: Connection, id_: UUID) -> bool:
    """Send nothing more there, and forget the address. False: unknown."""
    return bool(await connection.fetchval("delete from webhook where id = $1 returning true", id_))
