"""A PostgreSQL primary with a synchronous and an asynchronous standby, a proxy before each, and what promotes them.

The rig promotes by itself, so that a seed repeats a run: it takes the synchronous standby, and never lets a primary commit
without one. That is what a tool such as Patroni decides in its synchronous mode, without its ten seconds of waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from tests.failover.proxy import Proxy
from tests.integration.failover.pair import Server
from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local import child_process
from tools.local.errors import CannotStart
from tools.local.ports import HOST
from tools.local.postgres import SUPERUSER
from tools.local.postgres_programs import UNPRIVILEGED, program

FAKETIME: Final = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
"""Debian's libfaketime; without it no clock goes wrong."""

WAITING: Final = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
_TIMELINE: Final = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
CANCEL: Final = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"


class Member(Server):
    """A PostgreSQL of the cluster: clients reach it by one proxy, its standbys by another."""

    def __init__(self, folder: Path, name: str, ports: list[int]) -> None:
        port, clients, standbys = ports
        super().__init__(folder / name, port)
        self.name = name
        self.clients = Proxy(clients, port)
        self.standbys = Proxy(standbys, port)
        self._clock = folder / f"{name}.clock"
        more = ["-c", f"cluster_name={name}", "-c", "wal_keep_size=512MB"]
        self._process = replace(self._process, argv=[*self._process.argv, *more])

    async def restart(self, *, ahead: int) -> None:
        """Start it again with a clock of its own, so many seconds ahead until it is set."""
        self.set_clock(ahead)
        self.environment = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        await self.destroy()
        await self.start()

    def set_clock(self, seconds: int) -> None:
        """Have its clock go so many seconds ahead."""
        self._clock.write_text(f"{seconds:+d}\n", encoding="ascii")
        self._clock.chmod(0o644)

    def send(self, what: signal.Signals) -> None:
        """Send each of its processes a signal, the postmaster first."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(what)

    async def destroy(self) -> None:
        """Kill every process of it, as a loss of power does, frozen or not."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._running is not None:
            await self._running.wait()
        await eventually(lambda: not any(process.is_running() for process in family))

    def follow(self, upstream: Member, synchronous: str) -> None:
        """Have it start as a standby of another, and wait for `synchronous` when it is promoted."""
        data = self.folder / "data"
        settings = data / "postgresql.auto.conf"
        settings.write_text(
            f"primary_conninfo = '{upstream.source}'\nsynchronous_standby_names = '\"{synchronous}\"'\n",
            encoding="utf-8",
        )
        (data / "standby.signal").touch()

    @property
    def source(self) -> str:
        """Where its standbys find it."""
        return f"host={HOST} port={self.standbys.port} user={SUPERUSER} connect_timeout=3"

    def _family(self) -> list[psutil.Process]:
        if self._running is None or self._running.returncode is not None:
            return []
        try:
            postmaster = psutil.Process(self._running.pid)
            return [postmaster, *postmaster.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


class Quorum:
    """Three members, of which one is the primary, one its synchronous standby, and one follows without being waited for."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(9)
        members = [Member(folder, f"pg{n}", ports[3 * n - 3 : 3 * n]) for n in (1, 2, 3)]
        self.members = tuple(members)
        self.primary, self.synchronous, self.asynchronous = members

    @property
    def url(self) -> str:
        """Where clients find whichever takes writes: three proxies."""
        hosts = ",".join(f"{HOST}:{member.clients.port}" for member in self.members)
        return f"postgresql://{SUPERUSER}@{hosts}/postgres"

    def proxies(self) -> Iterator[Proxy]:
        """Yield the proxies of every member."""
        for member in self.members:
            yield from (member.clients, member.standbys)

    async def start(self) -> None:
        """Make the primary and both standbys, and return when commits wait for one."""
        for proxy in self.proxies():
            await proxy.start()
        await self.primary.start()
        await self._name(self.primary, self.synchronous)
        for standby in (self.synchronous, self.asynchronous):
            await self._copy(standby, self.primary)
            await standby.start()
        await eventually(self.replicates)

    async def stop(self) -> None:
        """End all."""
        for member in self.members:
            await member.destroy()
        for proxy in self.proxies():
            await proxy.stop()

    async def replicates(self) -> bool:
        """Whether both standbys follow, and commits wait for the one."""
        query = (
            "select count(*) = 2 and bool_or(sync_state = 'sync') from pg_stat_replication where state = 'streaming'"
        )
        return bool(await self.primary.ask(query))

    async def promote(self) -> Member:
        """Promote the synchronous standby, have the other follow it, and return who was the primary, in whatever state that is."""
        old, new, other = self.primary, self.synchronous, self.asynchronous
        self.primary, self.synchronous, self.asynchronous = new, other, old
        # From its first moment it waits for the other one, which does not follow it yet: it commits nothing alone.
        await self._name(new, other)
        assert await new.ask("select pg_promote(true, 60)")
        await self._name(other, old)
        await other.do(f"alter system set primary_conninfo = '{new.source}'", "select pg_reload_conf()")
        timeline = await new.ask(_TIMELINE)

        async def follows() -> bool:
            """Return whether it has left the old timeline: one that has more of that connects, streams, and stays."""
            return bool(await other.ask("select received_tli from pg_stat_wal_receiver") == timeline)

        try:
            await eventually(follows, 10)  # how long a standby is given before it is made anew: not a deadline
        except AssertionError:  # it had more of the old timeline than the new primary
            await other.destroy()
            await self._join(other)
        return old

    async def rejoin(self, member: Member) -> None:
        """Fence a member that was the primary, and have it follow the new one."""
        await member.destroy()
        member.clients.mend()
        member.standbys.mend()
        member.environment = {}
        await self._join(member)

    async def _join(self, member: Member) -> None:
        data = member.folder / "data"
        rewind = [str(program("pg_rewind")), "-D", str(data), f"--source-server={self.primary.url}"]
        try:
            (data / "postmaster.pid").unlink(missing_ok=True)
            await child_process.run(rewind, user=UNPRIVILEGED, otherwise="it does not rewind:")
        except CannotStart:
            await asyncio.to_thread(shutil.rmtree, member.folder)
            await self._copy(member, self.primary)
        else:
            self._follow(member)
        await member.start()

    async def _copy(self, member: Member, source: Member) -> None:
        await source.back_up(member.folder)
        self._follow(member)

    def _follow(self, member: Member) -> None:
        other = next(m for m in (self.synchronous, self.asynchronous) if m is not member)
        member.follow(self.primary, other.name)
        if os.geteuid() == 0:
            for file in ("postgresql.auto.conf", "standby.signal"):
                shutil.chown(member.folder / "data" / file, UNPRIVILEGED)

    @staticmethod
    async def _name(member: Member, synchronous: Member) -> None:
        names = f"alter system set synchronous_standby_names = '\"{synchronous.name}\"'"
        await member.do(names, "select pg_reload_conf()")
