"""The whole path of a command, in one process: load, fold, decide, seal, append; on real commands of all services."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.command_handler import Accepted, CommandHandler
from shared.database import create_pool
from shared.event_store.postgres import PostgresEventStore
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.figures import milliseconds
from tests.bench.limits import DurableRows
from tests.bench.peer import PEER, Commands
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tools.scenario.synthetic_cases import SyntheticCase

CALLERS: Final = 64
FIRST_RATE: Final = 1_000.0
"""Commands a second that the first round is prepared for, twice; each later one for twice what the one before did."""


@dataclass(frozen=True)
class CommandSide:
    """The four deciding services' handlers, each on an event store of its own, and their event stores' addresses."""

    handlers: Mapping[str, CommandHandler]
    event_stores: Mapping[str, str]


@contextlib.asynccontextmanager
async def command_side(place: Place) -> AsyncIterator[CommandSide]:
    """Yield the services on fresh databases, with the pools that their APIs have."""
    kek = KeyEncryptionKeys.read(base64.b64encode(os.urandom(32)).decode())
    async with contextlib.AsyncExitStack() as stack:
        handlers: dict[str, CommandHandler] = {}
        event_stores = {name: await place.event_store_database(name) for name in SERVICES}
        keys = await create_pool(await place.keyring_database(next(iter(SERVICES))), max_size=6)
        stack.push_async_callback(keys.close)
        for name, service in SERVICES.items():
            database = await create_pool(event_stores[name], max_size=12)
            stack.push_async_callback(database.close)
            handlers[name] = CommandHandler(
                service, PostgresEventStore(database), PostgresKeyring(keys, kek), kek.derived("request-digest")
            )
        yield CommandSide(handlers, event_stores)


class Handling:
    """Callers who each play one case after the other, command by command; what a round leaves, the next goes on with."""

    def __init__(self, command_side: CommandSide, corpus: Corpus) -> None:
        self._command_side = command_side
        self._corpus = corpus
        self._under_way: deque[tuple[SyntheticCase, int]] = deque()
        self._rate = FIRST_RATE

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Measure accepted commands a second, the time of one, and its processor time in this process."""
        synthetic_cases = iter(self._corpus.cases(math.ceil(2 * self._rate * seconds)))
        took: list[float] = []
        start, processor = time.perf_counter(), time.process_time()
        until = start + seconds

        async def call() -> None:
            now = time.perf_counter()
            while (begun := self._next(synthetic_cases)) is not None:
                case, at = begun
                for n, sent in enumerate(case.sent[at:], start=at + 1):
                    result = await self._command_side.handlers[sent.service].handle(sent.request)
                    assert isinstance(result, Accepted), (sent, result)
                    took.append(-now + (now := time.perf_counter()))
                    if now > until:
                        self._under_way.append((case, n))
                        return

        await asyncio.gather(*(call() for _ in range(CALLERS)))
        processor = time.process_time() - processor
        self._rate = len(took) / (time.perf_counter() - start)
        return {
            "commands/s": self._rate,
            "p99 ms": milliseconds(took)["p99 ms"],
            "processor ms": 1000 * processor / len(took),
        }

    def _next(self, synthetic_cases: Iterator[SyntheticCase]) -> tuple[SyntheticCase, int] | None:
        """Return a case that was begun before, or a new one."""
        if self._under_way:
            return self._under_way.popleft()
        case = next(synthetic_cases, None)
        return None if case is None else (case, 0)


@contextlib.asynccontextmanager
async def commands(place: Place) -> AsyncIterator[Sequence[Side]]:
    """64 callers; the limit is 32 connections that commit single rows."""
    corpus = Corpus()
    body = corpus.body()
    empty = await place.empty_database()
    rows = await DurableRows.open(empty, 32, body)

    async def durable(seconds: float) -> Mapping[str, float]:
        found = await rows.round(seconds)
        return {"commands/s": found["events/s"]}

    peer = Commands(empty, CALLERS, body.decode())
    async with command_side(place) as ours:
        try:
            yield [
                Side(OURS, f"{CALLERS} callers, the scenarios' commands", Handling(ours, corpus).round),
                Side("peer", f"{PEER}, safe mode, {CALLERS} threads: get, change, save; nothing sealed", peer.round),
                Side("limit", "asyncpg, 32 connections committing single rows", durable),
            ]
        finally:
            await asyncio.to_thread(peer.close)
            await rows.close()
