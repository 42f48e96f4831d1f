"""What the machine can do at all, by the plainest code: the figures that no way of ours can be far above."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.bench.figures import milliseconds

_WAL_PAGE: Final = 8192
_SEGMENT: Final = 16 * 1024 * 1024


class DurableRows:
    """Connections that commit single rows by asyncpg, each durable before the next, as fast as they can."""

    def __init__(self, connections: Sequence[asyncpg.Connection[asyncpg.Record]], body: bytes) -> None:
        self._connections = connections
        self._body = body

    @classmethod
    async def open(cls, dsn: str, count: int, body: bytes) -> DurableRows:
        """Connect, on a database without anything."""
        connections = [await asyncpg.connect(dsn) for _ in range(count)]
        await connections[0].execute(
            "create table if not exists row (id bigint generated always as identity primary key, body bytea not null)"
        )
        return cls(connections, body)

    async def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            await connection.close()

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Rows a second, and how long one takes."""
        took: list[float] = []
        start = time.perf_counter()
        until = start + seconds

        async def commit(connection: asyncpg.Connection[asyncpg.Record]) -> None:
            insert = await connection.prepare("insert into row (body) values ($1)")
            now = time.perf_counter()
            while now < until:
                await insert.fetch(self._body)
                took.append(-now + (now := time.perf_counter()))

        await asyncio.gather(*(commit(connection) for connection in self._connections))
        return {"events/s": len(took) / (time.perf_counter() - start), "p99 ms": milliseconds(took)["p99 ms"]}


class Copied:
    """Rows that asyncpg copies into a table without index, so many in a transaction, each transaction durable."""

    def __init__(self, dsn: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], most: int) -> None:
        self._dsn = dsn
        self._columns = columns
        self._rows = rows
        self._most = most

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Rows a second, for all rows once."""
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute("drop table if exists copied")
            await connection.execute(f"create table copied ({', '.join(map(' '.join, self._columns.items()))})")
            start = time.perf_counter()
            for n in range(0, len(self._rows), self._most):
                await connection.copy_records_to_table(
                    "copied", records=self._rows[n : n + self._most], columns=list(self._columns)
                )
            return {"events/s": len(self._rows) / (time.perf_counter() - start)}
        finally:
            await connection.close()


class Disk:
    """One writer that makes each page of a written file durable, as PostgreSQL does with its log (fdatasync)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "pages"

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Pages of 8 KiB a second."""
        return {"events/s": await asyncio.to_thread(self._pages, seconds)}

    def _pages(self, seconds: float) -> float:
        page, count = os.urandom(_WAL_PAGE), 0
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, bytes(_SEGMENT), 0)
            os.fsync(file)
            start = time.perf_counter()
            while (took := time.perf_counter() - start) < seconds:
                os.pwrite(file, page, count * _WAL_PAGE % _SEGMENT)
                os.fdatasync(file)
                count += 1
            return count / took
        finally:
            os.close(file)
            self._path.unlink()
