"""A whole system on three brokers and a PostgreSQL quorum, people at work on it, and what they have been promised."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil

from shared.messaging.relay import last_position
from shared.servers.database import database_dsn
from tests.acknowledged import STREAMS, Story, Writers
from tests.failover.brokers import Brokers
from tests.failover.quorum import Quorum
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import committed
from tests.position_keys import UNCHECKED
from tests.whole_system import WholeSystem, ooc, status_reasons

START_SECONDS: Final = 900
SETTLE_SECONDS: Final = 600
"""Deadlines for a busy machine; what is measured is told."""

WRITERS: Final = 3

_EVENTS: Final = "select position, stream, type, encode(hash, 'hex') as hash, body from event order by position"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did: receipts and events without their like, and times in seconds."""

    lost: int
    doubled: int
    pause: float
    """The longest time in which nobody was answered."""
    recovery: float
    """From the fault until everything is ready, replicated, caught up and without an alarm."""
    whole: bool = False
    """Whether it was done to a whole system."""


class Rig:
    """The servers, the system and its users."""

    def __init__(self, folder: Path, writers: int = WRITERS) -> None:
        self.quorum = Quorum(folder)
        self.brokers = Brokers(folder)
        self._folder = folder
        self._people = writers
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start everything, and return when people are at work."""
        self._stack.push_async_callback(self.quorum.stop)
        await self.quorum.start()
        self._stack.push_async_callback(self.brokers.stop)
        await self.brokers.start()
        servers = {"OOC_DATABASE_URL": self.quorum.url, "OOC_KAFKA": self.brokers.bootstrap}
        self.system = WholeSystem(self._folder, variables=servers)
        self.system.launch()
        self._stack.push_async_callback(asyncio.to_thread, self.system.stop)
        await eventually(lambda: asyncio.to_thread(self._is_up), START_SECONDS)
        self.writers = Writers(self.system.var, self._people, patience=SETTLE_SECONDS)
        self._stack.push_async_callback(asyncio.to_thread, self.writers.end, 60)
        await self.answered(self._people)

    async def stop(self) -> None:
        """End everything."""
        await self._stack.aclose()

    async def answered(self, commands: int) -> None:
        """Wait until so many more commands are acknowledged."""
        until = len(self.writers.answered) + commands

        def there() -> bool:
            self.writers.require_success()
            return len(self.writers.answered) >= until

        await eventually(there, SETTLE_SECONDS)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of the system whose names begin so: `referral-worker`."""
        return [
            psutil.Process(int(path.read_text(encoding="ascii")))
            for path in sorted((self.system.var / "run").glob(f"{name}*.pid"))
        ]

    async def judge(self, since: float) -> Outcome:
        """Wait until all is well again after a fault, and compare what was acknowledged with stores, topics and verification."""
        await self.answered(WRITERS)
        pause = self.writers.longest_pause(since)
        self.writers.rest()
        try:
            await self._until_well()
            return await self._outcome(pause, time.monotonic() - since)
        finally:
            self.writers.work()

    async def _outcome(self, pause: float, recovery: float) -> Outcome:
        answered, stories = list(self.writers.answered), list(self.writers.stories)
        lost = doubled = 0
        for service in STREAMS:
            receipts = [receipt for _, of, receipt in answered if of == service]
            lost_here, doubled_here = await self._compare(service, receipts, stories)
            lost, doubled = lost + lost_here, doubled + doubled_here
        verified = await asyncio.to_thread(ooc, self.system.var, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert not {status for status in self.writers.statuses if status == 500 or status < 200}, self.writers.statuses
        return Outcome(lost, doubled, pause, recovery, whole=True)

    async def _until_well(self) -> None:
        await eventually(self.quorum.replicates, SETTLE_SECONDS)
        await eventually(self.brokers.in_sync, SETTLE_SECONDS)
        await eventually(lambda: asyncio.to_thread(self._is_up), SETTLE_SECONDS)

    def _is_up(self) -> bool:
        reasons = status_reasons(self.system.var)
        assert not reasons, reasons
        return True

    async def _compare(self, service: str, receipts: list[dict[str, Any]], stories: list[Story]) -> tuple[int, int]:
        """Return how many receipts are not in store and topic, and how many events are there twice. Asserts that nothing forked."""
        head = max((receipt["position"] for receipt in receipts), default=0)
        events, position = f"ooc.{service}.events", f"ooc.{service}.position"

        async def relayed() -> bool:
            reached, _ = await last_position(self.brokers.bootstrap, position, UNCHECKED)
            return reached is not None and reached.position >= head

        await eventually(relayed, SETTLE_SECONDS)
        reached, _ = await last_position(self.brokers.bootstrap, position, UNCHECKED)
        assert reached is not None
        messages = await committed(self.brokers.bootstrap, events, reached.offsets)
        stored: dict[int, asyncpg.Record] = {}

        async def reacted() -> bool:
            """Return whether each finished story has all its events: the last of a referral comes as a reaction."""
            connection = await asyncpg.connect(database_dsn(self.quorum.primary.url, f"ooc_{service}"))
            try:
                stored.update({row["position"]: row for row in await connection.fetch(_EVENTS)})
            finally:
                await connection.close()
            count = Counter(row["stream"].rpartition("/")[2] for row in stored.values())
            return all(count[str(story.stream(service))] >= len(STREAMS[service]) for story in stories)

        await eventually(reacted, SETTLE_SECONDS)
        published = Counter(int(dict(message.headers)["ooc_position"]) for message in messages)
        for message in messages:
            at = int(dict(message.headers)["ooc_position"])
            assert message.value == stored[at]["body"], f"a fork at position {at} of {service}"
        placed = {row["hash"] for at, row in stored.items() if published[at]}
        count = Counter(row["stream"].rpartition("/")[2] for row in stored.values())
        more = sum(count[str(story.stream(service))] - len(STREAMS[service]) for story in stories)
        return sum(receipt["hash"] not in placed for receipt in receipts), more + sum(published.values()) - len(
            published
        )


@contextlib.asynccontextmanager
async def running_rig(folder: Path, writers: int = WRITERS) -> AsyncIterator[Rig]:
    """Run a rig in a folder that PostgreSQL's user may enter."""
    rig = Rig(folder, writers)
    try:
        await rig.start()
        yield rig
    finally:
        await rig.stop()
