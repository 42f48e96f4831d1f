"""A base backup: the whole cluster by pg_basebackup, and what else is lost with the machine, encrypted while it is read."""

import asyncio
import base64
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from ooc.backup.manifest import LogSize, Manifest, require_one_system
from ooc.backup.sealed import BadBackup, SealedFile, seal
from ooc.databases import fetch
from services.system.registry import SERVICES
from shared.evidence.checkpoint import Checkpoint
from shared.privacy.signed_note import SignedNote
from shared.servers.database import database_dsn, without_password, writable_host
from shared.servers.version import version
from tools.local.errors import CannotStart
from tools.local.postgres_programs import program

CLUSTER: Final = "cluster.tar.gz.age"
SECRETS: Final = "secrets.tar.age"

_LAST: Final = "select distinct on (log) note from signed_checkpoint order by log, size desc"
_EPOCHS: Final = "select distinct epoch from data_key order by epoch"
_SYSTEM: Final = "select system_identifier::text as system from pg_control_system()"
_START: Final = re.compile(rb"write-ahead log start point: (\S+) on timeline (\d+)")
_END: Final = re.compile(rb"write-ahead log end point: (\S+)")


def program_of(name: str) -> str:
    """Return the path of a program of PostgreSQL: of a local system's, else of the machine's. Raises `BadBackup`."""
    try:
        return str(program(name))
    except CannotStart:
        found = shutil.which(name)
        if found is None:
            raise BadBackup(f"{name} is not there: install the PostgreSQL client of the server's version") from None
        return found


async def take_base(place: Path, server: str, recipient: Any, secrets: Mapping[str, Path]) -> Manifest:
    """Make a base backup of a server, whose address is the owner's, in a new folder. Raises `BadBackup`."""
    system = await system_of(server)
    require_one_system(place.parent, system)
    place.mkdir(parents=True, mode=0o700)
    try:
        return await _take(place, server, recipient, secrets, system)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)  # a full disk has room again, and no folder that is no backup
        raise


async def _take(place: Path, server: str, recipient: Any, secrets: Mapping[str, Path], system: str) -> Manifest:
    began = datetime.now(UTC)
    logs, epochs = await _state_of(server)
    address = await writable_host(database_dsn(server, "postgres"))
    cluster, said = await asyncio.to_thread(_copy_cluster, place / CLUSTER, address, recipient)
    start, end = _START.search(said), _END.search(said)
    if start is None or end is None:
        raise BadBackup(f"pg_basebackup did not say where the backup begins and ends: {said.decode()}")
    files = [cluster, seal(io.BytesIO(_packed(secrets)), place / SECRETS, recipient)]
    return Manifest(
        version(),
        began.isoformat(),
        datetime.now(UTC).isoformat(),
        int(start[2]),
        start[1].decode(),
        end[1].decode(),
        logs,
        epochs,
        tuple(files),
        system,
    )


async def system_of(server: str) -> str:
    """Return the identifier of a server's cluster, which a cluster that is made anew does not have."""
    (row,) = await _rows(server, "postgres", _SYSTEM)
    return str(row["system"])


def _copy_cluster(path: Path, address: str, recipient: Any) -> tuple[SealedFile, bytes]:
    argv = [program_of("pg_basebackup"), "-D", "-", "-Ft", "-X", "fetch", "-c", "fast", "-v"]
    place, password = without_password(address)
    with subprocess.Popen(
        [*argv, "-Z", "gzip:1", "-d", place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", **password},
    ) as copying:
        assert copying.stdout is not None
        assert copying.stderr is not None
        sealed = seal(copying.stdout, path, recipient)
        said = copying.stderr.read()
    if copying.returncode != 0:
        path.unlink()
        raise BadBackup(f"pg_basebackup failed:\n{said.decode(errors='replace').strip()}")
    return sealed, said


def _packed(secrets: Mapping[str, Path]) -> bytes:
    """Pack files and folders into a tar, each under its name; one that is not there is left out."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for name, path in secrets.items():
            if path.exists():
                tar.add(path, name)
    return packed.getvalue()


async def _state_of(server: str) -> tuple[tuple[LogSize, ...], tuple[str, ...]]:
    """Return the last checkpoint of each log, and the epochs in use: what is restored must hold at least these."""
    logs: list[LogSize] = []
    for entry in SERVICES:
        for row in await _rows(server, f"ooc_{entry.name}", _LAST):
            checkpoint = Checkpoint.parse(SignedNote.parse(row["note"]).text)
            logs.append(LogSize(checkpoint.origin, checkpoint.size, base64.b64encode(checkpoint.root).decode()))
    return tuple(logs), tuple(row["epoch"] for row in await _rows(server, "ooc_keyring", _EPOCHS))


async def _rows(server: str, database: str, query: str) -> list[asyncpg.Record]:
    return await fetch(await writable_host(database_dsn(server, database)), query)
