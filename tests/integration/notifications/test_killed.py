"""Exactly one message under `kill -9`: a process of its own that dies between each two steps."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import asyncpg

from services.notifications import outbox
from services.notifications.times import next_open
from tests.hostile.serving import served
from tests.integration.notifications.conftest import NOW, Told
from tests.integration.notifications.dying_sender import Mail

STEPS: Final = ("claimed", "handed over", "sent", "accepted", "recorded", "finished")
LATER: Final = outbox.LEASE + timedelta(minutes=30)


async def test_a_process_that_is_killed_between_any_two_steps_sends_once(told: Told, tmp_path: Path) -> None:
    """Given messages and a process killed after each step in turn, when another goes on, then each went out and is recorded once."""
    await told.begin()
    sessions = [uuid4() for _ in STEPS]
    for session in sessions:
        await told.plan_session(session)
        await told.book(session)
    taken, settings = tmp_path / "taken", told.partnership.settings
    async with AsyncExitStack() as stack:
        urls = {
            name: f"http://127.0.0.1:{await stack.enter_async_context(served(cast('Any', client)._transport.app, settings))}"
            for name, client in told.partnership.clients.items()
            if name in {"referral", "education"}
        }

        async def run(now: datetime, point: int) -> int:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.notifications.dying_sender"),
                *(settings.worker_database("notifications"), settings.issuer, json.dumps(urls)),
                *(str(taken), now.isoformat(), str(point)),
            )
            return await process.wait()

        for point, (step, session) in enumerate(zip(STEPS, sessions, strict=True), start=1):
            told.sessions = [session]
            await told.follow()
            now = next_open(NOW + timedelta(days=point))
            assert await run(now, point) == -signal.SIGKILL, step
            await told.sender(Mail(taken), now=next_open(now + LATER)).send_due()
            sent = taken.read_text(encoding="utf-8").split()
            assert len(sent) == len(set(sent)) == point, step
            assert await _recorded(told) == point, step


async def _recorded(told: Told) -> int:
    """Return how many messages the referral has recorded, read without a token: those of a long test end."""
    store = await asyncpg.connect(told.partnership.settings.worker_database("referral"))
    try:
        return int(
            await store.fetchval(
                "select count(*) from event where stream = $1 and type like '%.MessageSent.%'",
                f"referral/{told.referral}",
            )
        )
    finally:
        await store.close()
