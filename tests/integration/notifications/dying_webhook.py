"""A process that sends to a webhook, and is killed (kill -9) before it notes what was taken: `python -m … DSN WEBHOOK NOW`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks.courier import Courier
from services.notifications.webhooks.sender import WebhookSender
from tests.integration.notifications.webhook_world import KEY


class Dying(WebhookSender):
    """A worker that does not live to note anything."""

    async def _advance(self, event: Any) -> None:  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGKILL)


async def send(dsn: str, webhook: str, now: str) -> None:
    """Send what is due at a time."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    courier, at = Courier(NotificationsSettings(mode="local")), datetime.fromisoformat(now)
    await Dying(pool, courier, KEY, now=lambda: at).send_due(UUID(webhook))


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
