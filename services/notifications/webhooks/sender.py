"""The sender: posts the next event of each case to each webhook until it is delivered or given up.

What was taken is noted after the answer. A worker that dies between the two leaves the event to another, which sends it again
with the same `webhook-id`: receivers drop what they have.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from mode import Service as Part

from services.notifications.policy import POLICY
from services.notifications.times import pause_after
from services.notifications.webhooks.courier import Courier, NotDelivered, ReceiverGone
from services.notifications.webhooks.follow import CONSUMER
from services.notifications.webhooks.registry import secret_of
from shared.domain.dates import local_day
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.effects import is_transient, log_transient
from shared.messaging.polling import Poll
from shared.messaging.signed_webhook import signed_headers
from shared.servers.database import Pool

AT_ONCE: Final = 4
"""The most cases of one webhook at once: a slow receiver delays no other."""
LEASE: Final = timedelta(minutes=1)
"""The lease of a worker on an event: longer than a receiver may take."""
DEAD: Final = "webhook_dead"

_DUE: Final = "c.head is not null and not c.dead and not w.gone and c.due <= $1"
_WAITING: Final = f"select distinct w.id from webhook_case as c join webhook as w on w.id = c.webhook where {_DUE}"  # noqa: S608 - the text above
_CLAIM: Final = f"""
    with claimed as (
        update webhook_case set due = $3 where (webhook, home) = (
            select c.webhook, c.home from webhook_case as c join webhook as w on w.id = c.webhook
            where w.id = $2 and {_DUE} order by c.due, c.head limit 1 for update of c skip locked
        ) returning webhook, home, head, due, tries, failing_since
    )
    select c.*, w.url, e.* from claimed as c join webhook as w on w.id = c.webhook
    join agency_event as e on e.organisation = w.organisation and e.position = c.head
"""  # noqa: S608 - the same
# What was claimed, unless a replay or another worker has moved it since.
_MINE: Final = "webhook = $1 and home = $2 and head = $3 and due = $4"
_LOCK_MINE: Final = f"select true from webhook_case where {_MINE} for update"  # noqa: S608 - the same
_ADVANCE: Final = """
    update webhook_case set head = (select min(position) from agency_event where organisation = $3 and home = $2
        and position > $4), due = $5, tries = 0, failing_since = null, why = null
    where webhook = $1 and home = $2
"""
_PAUSE: Final = f"""
    update webhook_case set due = $5, tries = tries + 1, failing_since = coalesce(failing_since, $6), why = $7, dead = $8
    where {_MINE}
"""  # noqa: S608 - the same
_COUNT_DEAD: Final = """
    select (select count(*) from webhook_case where dead) + (select count(*) from webhook where gone)
"""

_log = structlog.get_logger("webhooks")


class WebhookSender(Part):
    """Sends due events while the process runs."""

    def __init__(
        self, pool: Pool, courier: Courier, key: bytes, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__()
        self.poll = Poll(longest=5.0)
        self._pool, self._courier, self._key, self._now = pool, courier, key, now
        self._busy: set[UUID] = set()
        self._dead: int | None = None

    @Part.task
    async def _send_all(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "webhooks_later"):
                async with self._pool.acquire() as connection:
                    waiting = [row["id"] for row in await connection.fetch(_WAITING, self._now())]
                for webhook in waiting:
                    if webhook not in self._busy:
                        self._busy.add(webhook)
                        self.add_future(self._send_to(webhook))
                await self.note_dead()
            await self.poll.pause()

    async def on_stop(self) -> None:
        await self._courier.close()

    async def _send_to(self, webhook: UUID) -> None:
        try:
            with log_transient(_log, "webhook_later", webhook=str(webhook)):
                await asyncio.gather(*(self.send_due(webhook) for _ in range(AT_ONCE)))
        finally:
            self._busy.discard(webhook)

    async def send_due(self, webhook: UUID) -> int:
        """Send what is due to a webhook; return how many events were tried."""
        tried = 0
        while (event := await self._claim(webhook)) is not None:
            tried += 1
            try:
                await self._send(event)
            except ReceiverGone:
                await self._give_up(webhook)
            except NotDelivered as error:
                await self._pause(event, str(error))
            except Exception as error:
                if is_transient(error):
                    raise
                # A defect, or an answer that nobody foresaw: one case waits for it, and not all.
                _log.exception("webhook_defect", webhook=str(webhook))
                await self._pause(event, "DEFECT")
            else:
                await self._advance(event)
        return tried

    async def _claim(self, webhook: UUID) -> Mapping[str, Any] | None:
        now = self._now()
        async with self._pool.acquire() as connection:
            claimed = await connection.fetchrow(_CLAIM, now, webhook, now + LEASE)
            return None if claimed is None else dict(claimed)

    async def _send(self, event: Mapping[str, Any]) -> None:
        headers = signed_headers(secret_of(self._key, event["webhook"]), str(event["event_id"]), event["body"])
        recorded = {
            "ooc-position": str(event["position"]),
            "ooc-recorded-at": event["recorded_at"].isoformat(),
            "ooc-hash": event["hash"].hex(),
        }
        await self._courier.post(event["url"], headers | recorded, event["body"])

    async def _advance(self, event: Mapping[str, Any]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            # The lock first, then a look of its own: what the follower adds is seen, or waits for this.
            if await connection.fetchval(_LOCK_MINE, *_claim_of(event)):
                webhook, home, head, _ = _claim_of(event)
                await connection.execute(_ADVANCE, webhook, home, event["organisation"], head, self._now())

    async def _pause(self, event: Mapping[str, Any], why: str) -> None:
        now = self._now()
        since = event["failing_since"] or now
        hours = POLICY.on(local_day(now)).number("webhook_give_up_hours")
        dead = now - since >= timedelta(hours=hours)
        _log.warning("webhook_paused", webhook=str(event["webhook"]), why=why, tries=event["tries"] + 1, dead=dead)
        async with self._pool.acquire() as connection:
            await connection.execute(_PAUSE, *_claim_of(event), now + pause_after(event["tries"] + 1), since, why, dead)

    async def _give_up(self, webhook: UUID) -> None:
        _log.critical("webhook_gone", webhook=str(webhook))
        async with self._pool.acquire() as connection:
            await connection.execute("update webhook set gone = true where id = $1", webhook)

    async def note_dead(self) -> None:
        """Raise the alarm while something is given up, and clear it when nothing is."""
        async with self._pool.acquire() as connection:
            dead = await connection.fetchval(_COUNT_DEAD)
            if dead and dead != self._dead:
                await raise_alarm(connection, CONSUMER, DEAD, CONSUMER, f"{dead} cases or webhooks were given up")
            elif not dead and self._dead != 0:
                await clear_alarm(connection, CONSUMER, DEAD, CONSUMER)
        self._dead = dead


def _claim_of(event: Mapping[str, Any]) -> tuple[UUID, UUID, int, datetime]:
    return event["webhook"], event["home"], event["head"], event["due"]
