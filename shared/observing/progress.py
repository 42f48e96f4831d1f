"""The time at which each part of this process last finished a cycle, with or without work: a hanging part finishes none.

A worker's heartbeat rests on it, and every few seconds it is written into the service's database, whose API exports it.
"""

import time
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from shared.servers.database import Pool
from shared.servers.tasks import repeating

FLUSH_SECONDS: Final = 5.0
"""Seconds between two writes."""

HANGING_SECONDS: Final = 120.0
"""The age of the last cycle at which a part counts as hanging."""

_WRITE: Final = """
    insert into progress (part, finished_at)
    select part, clock_timestamp() - make_interval(secs => ago) from unnest($1::text[], $2::float8[]) as p (part, ago)
    on conflict (part) do update set finished_at = greatest(progress.finished_at, excluded.finished_at)
"""
_log = structlog.get_logger("progress")
_finished: dict[str, float] = {}
"""Part -> time of its last finished cycle, in seconds of the monotonic clock."""


def finish_cycle(part: str) -> None:
    _finished[part] = time.monotonic()


def leave_off(part: str) -> None:
    """Stop watching a part that has ended, or waits for its turn."""
    _finished.pop(part, None)


def hanging_parts(seconds: float = HANGING_SECONDS) -> list[str]:
    """Return the parts without a finished cycle for some seconds."""
    now = time.monotonic()
    return sorted(part for part, at in _finished.items() if now - at > seconds)


def recording_progress(pool: Pool) -> AbstractAsyncContextManager[None]:
    """Write the progress of this process into the database of its service."""
    return repeating(lambda: write_progress(pool), FLUSH_SECONDS, _log, "progress_lost")


async def write_progress(pool: Pool) -> None:
    """Write the progress of this process once; a process without such parts writes nothing."""
    now = time.monotonic()
    if parts := sorted(_finished.items()):
        await write_unconfirmed(pool, _WRITE, [part for part, _ in parts], [now - at for _, at in parts])


async def write_unconfirmed(pool: Pool, statement: str, *values: object) -> None:
    """Write a measurement without waiting for a standby, whose absence must not look like a standstill."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local synchronous_commit = off")
        await connection.execute(statement, *values)
