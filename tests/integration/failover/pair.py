"""A primary and its standby, to be cut from each other, killed and promoted."""

import asyncio
import os
import pwd
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local import child_process, postgres
from tools.local.postgres_programs import UNPRIVILEGED, program

START_SECONDS: Final = 300
"""A deadline for a busy machine."""


def private(folder: Path) -> Path:
    """Make a folder for the user as whom PostgreSQL runs."""
    folder.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


class Server:
    """A PostgreSQL that nobody starts again when it ends."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = postgres.dsn(port)
        self.folder = folder
        self.environment: dict[str, str] = {}
        """More of its environment."""
        self._process = postgres.process(folder, port)
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return when it takes queries."""
        assert self._process.before is not None
        await self._process.before()
        with (self.folder / "log").open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *child_process.tied_to_parent(
                    self._process.argv, signal_of_death=signal.SIGQUIT, user=self._process.user
                ),
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        await eventually(lambda: postgres.answers(self.url), START_SECONDS)

    async def back_up(self, folder: Path, *options: str) -> None:
        """Make a base backup, from which another server starts in a folder."""
        data = private(folder / "data")
        backup = [str(program("pg_basebackup")), "-D", str(data), "-c", "fast", "-d", self.url, *options]
        await child_process.run(backup, user=UNPRIVILEGED, otherwise="the backup could not be made:")

    async def kill(self) -> None:
        """End it as a loss of power does: nothing is sent, flushed or said. It may be dead already."""
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(signal.SIGQUIT)
            await self._running.wait()

    async def do(self, *statements: str) -> None:
        """Run statements as a superuser, each on its own."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def ask(self, query: str) -> Any:
        """Return the value of a query as a superuser."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


class Pair:
    """A primary, and a standby that follows it."""

    def __init__(self, folder: Path) -> None:
        first, second = free_ports(2)
        self.primary = Server(folder / "primary", first)
        self.standby = Server(folder / "standby", second)

    @property
    def url(self) -> str:
        """Where both are: an address of two hosts."""
        hosts = ",".join(urlsplit(server.url).netloc.rpartition("@")[2] for server in (self.primary, self.standby))
        parts = urlsplit(self.primary.url)
        return urlunsplit(parts._replace(netloc=f"{parts.username}@{hosts}"))

    async def start(self) -> None:
        """Start both."""
        await self.primary.start()
        await self.primary.back_up(self.standby.folder, "-R")
        await self.standby.start()
        self._source = await self.standby.ask("show primary_conninfo")
        await self.caught_up()

    async def caught_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        end = await self.primary.ask("select pg_current_wal_lsn()::text")

        async def there() -> bool:
            return bool(await self.standby.ask(f"select pg_last_wal_replay_lsn() >= '{end}'::pg_lsn"))

        await eventually(there)

    async def cut(self) -> None:
        """End replication: the standby keeps what it has."""
        await self._follow("")
        await eventually(lambda: self._followers(0))

    async def mend(self) -> None:
        """Let the standby follow again."""
        await self._follow(self._source)

    async def synchronous(self) -> None:
        """Have each commit wait for the standby."""
        await self.primary.do("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")

        async def waits() -> bool:
            return bool(await self.primary.ask("select sync_state = 'sync' from pg_stat_replication"))

        await eventually(waits)

    async def fail_over(self) -> None:
        """Lose the primary, and promote the standby."""
        await self.primary.kill()
        assert await self.standby.ask("select pg_promote(true, 60)")

    async def _follow(self, source: str) -> None:
        await self.standby.do(f"alter system set primary_conninfo = '{source.replace(chr(39), chr(39) * 2)}'")
        await self.standby.do("select pg_reload_conf()")

    async def _followers(self, count: int) -> bool:
        return bool(await self.primary.ask("select count(*) from pg_stat_replication") == count)


@asynccontextmanager
async def pair_in(folder: Path) -> AsyncIterator[Pair]:
    """Yield a running pair, with its data in a folder."""
    pair = Pair(folder)
    try:
        await pair.start()
        yield pair
    finally:
        await pair.standby.kill()
        await pair.primary.kill()
