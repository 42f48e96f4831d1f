"""A process that sends what is due, and is killed (kill -9) at one point: `python -m … DSN ISSUER URLS POST NOW POINT`.

`POST` is the file into which the carrier writes each message that it takes; `POINT` is the number of steps (claim, hand
over, send, accept, record, finish) after which the process dies. A point beyond the last lets it live.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.notifications.apis import Apis
from services.notifications.channels import Envelope
from services.notifications.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.system.addresses import Addresses


class Mail:
    """A carrier whose memory outlives the process: a file with one id a line."""

    name: Final = "NOTIFY"
    channels: Final = frozenset({"SMS"})
    most_repeats: Final = 1_000_000

    def __init__(self, file: Path) -> None:
        self._file = file

    async def find(self, envelope: Envelope) -> str | None:
        """Return the reference of what it took."""
        taken = self._file.read_text(encoding="utf-8").split() if self._file.exists() else ()
        return str(envelope.id) if str(envelope.id) in taken else None

    async def send(self, envelope: Envelope) -> str | None:
        """Take a message."""
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(f"{envelope.id}\n")
        return str(envelope.id)

    async def outcome(self, _id: UUID) -> str | None:
        """Return None: no receipt comes."""
        return None


def dying(steps: list[int], wrapped: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a step after which the process is killed when `steps` are used up."""

    async def step(*arguments: Any) -> Any:
        answer = await wrapped(*arguments)
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return step


async def send(dsn: str, issuer: str, urls: str, post: str, now: str, point: str) -> None:
    """Send what is due at a time, once."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    apis = Apis(NotificationsSettings(mode="local", issuer=issuer), Addresses(issuer, json.loads(urls)))
    mail, at = Mail(Path(post)), datetime.fromisoformat(now)
    sender = Sender(pool, apis, [mail], now=lambda: at)
    steps = [int(point)]
    for of, name in ((sender, "_claim"), (sender, "_step"), (mail, "send"), (apis, "command")):
        setattr(of, name, dying(steps, getattr(of, name)))
    await sender.send_due()
    await apis.close()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
