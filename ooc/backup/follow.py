"""The write-ahead log between two base backups: received as it is written, and each full segment encrypted."""

from __future__ import annotations

import asyncio
import gzip
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from ooc.backup.base_backup import program_of
from ooc.backup.sealed import SUFFIX, BadBackup, seal
from shared.database import database_dsn, writable_host
from tools.local.child_process import run_program

WAL: Final = "wal"
RECEIVING: Final = "receiving"
"""The folder of the segment that is still being written: what it has of personal data is encrypted by the services."""

SLOT: Final = "ooc_backup"
"""The replication slot: the server keeps what was not received, up to its `max_slot_wal_keep_size`."""

PACKED: Final = f".gz{SUFFIX}"
PAUSE: Final = 0.5
_FULL: Final = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")


@asynccontextmanager
async def receiving(folder: Path, server: str, recipient: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Receive the write-ahead log of a server, whose address is the owner's, while the body runs; yields the task that does.

    Raises `BadBackup`, as the task does if it ends before.
    """
    wal = folder / WAL
    spool = wal / RECEIVING
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    address = await writable_host(database_dsn(server, "postgres"))
    begin = [program_of("pg_receivewal"), "-d", address, "--slot", SLOT]
    async with run_program([*begin, "--create-slot", "--if-not-exists"]) as creating:
        output, _ = await creating.communicate()
    if creating.returncode:
        raise BadBackup(f"the slot {SLOT} cannot be made: {output.decode(errors='replace').strip()}")
    async with run_program([*begin, "-D", str(spool), "--synchronous"]) as program:
        task = asyncio.create_task(_seal_full(spool, wal, recipient, program))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _seal_full(spool: Path, wal: Path, recipient: Any, program: asyncio.subprocess.Process) -> None:
    while program.returncode is None:
        for file in sorted(spool.iterdir()):
            if _FULL.fullmatch(file.name):
                await asyncio.to_thread(_seal_one, file, wal, recipient)
        await asyncio.sleep(PAUSE)
    assert program.stdout is not None
    said = (await program.stdout.read()).decode(errors="replace").strip()
    raise BadBackup(f"pg_receivewal has ended, and the log is received no more: {said}")


def _seal_one(file: Path, wal: Path, recipient: Any) -> None:
    seal(io.BytesIO(gzip.compress(file.read_bytes(), 1)), wal / f"{file.name}{PACKED}", recipient)
    file.unlink()
