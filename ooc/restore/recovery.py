"""A PostgreSQL that recovers a backup by itself: nobody but the restore reaches it, and it ends when the restore is done."""

import asyncio
import gzip
import hashlib
import os
import pwd
import re
import shlex
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from ooc.backup.base_backup import CLUSTER, program_of
from ooc.backup.follow import PACKED, PARTIAL, RECEIVING, SEGMENT, WAL, signed_file
from ooc.backup.manifest import Manifest
from ooc.backup.sealed import BadBackup, opened, unpack_files
from ooc.databases import fetch
from shared.privacy.signed_note import VerifierKey
from tools.local.child_process import tied_to_parent
from tools.local.postgres_programs import UNPRIVILEGED

PORT: Final = 5432
"""Part of the name of the socket; the server listens on no network."""

SUPERUSER: Final = "postgres"
TRUST: Final = "local all all trust\n"
"""The rule of the socket, in a folder that only the user of the server enters."""

POLL: Final = 0.1
DROP: Final = re.compile(r"tx: +(\d+),.* desc: DROP ")
PLACE: Final = re.compile(r"lsn: ([^,]+),")


def unpack(backup: Path, manifest: Manifest, data: Path, identity: Any) -> None:
    """Decrypt the cluster of a backup into a new folder. Raises `BadBackup`."""
    data.mkdir(mode=0o700, parents=True)
    try:
        with (
            opened(backup / CLUSTER, identity, manifest.digest_of(CLUSTER)) as reader,
            tarfile.open(fileobj=reader, mode="r|gz") as tar,
        ):
            unpack_files(tar, data)
    except tarfile.TarError as error:
        raise BadBackup(f"{backup / CLUSTER} cannot be unpacked: {error}") from error
    require_as_copied(data)
    (data / "recovery.signal").touch()


def require_as_copied(data: Path) -> None:
    """Compare a cluster with the list of files that PostgreSQL made with it, if it did. Raises `BadBackup`."""
    if (data / "backup_manifest").exists():
        argv = [program_of("pg_verifybackup"), "--quiet", str(data)]
        checked = subprocess.run(argv, capture_output=True, text=True, check=False)
        if checked.returncode:
            raise BadBackup(f"the base backup is not what PostgreSQL copied:\n{checked.stderr.strip()}")


def unpack_log(folder: Path, wal: Path, identity: Any, keys: Sequence[VerifierKey], start: str) -> str:
    """Decrypt the write-ahead log from a segment on, with what was signed of the last one; returns the last full one, or nothing.

    Raises `BadBackup` for one that `ooc backup follow` has not signed.
    """
    wal.mkdir(mode=0o700, parents=True)
    archive = folder / WAL
    last = ""
    for file in sorted(archive.glob(f"*{PACKED}")):
        name = file.name.removesuffix(PACKED)
        if name[8:] >= start or name.endswith(".history"):
            signed = signed_file(file, keys)
            with opened(file, identity, signed.sha256) as reader:
                packed = reader.read(signed.size)
            (wal / name).write_bytes(gzip.decompress(packed))
            last = last if name.endswith(".history") else name
    for file in sorted((archive / RECEIVING).glob(f"*{PARTIAL}")):
        place = wal / file.name.removesuffix(PARTIAL)
        if not place.exists():
            signed = signed_file(file, keys)
            with file.open("rb") as partial:
                received = partial.read(signed.size)
            if hashlib.sha256(received).hexdigest() != signed.sha256:
                raise BadBackup(f"{file} is not what was signed: take it away")
            place.write_bytes(received)
            os.truncate(place, file.stat().st_size)
    return last


def before_last_drop(wal: Path) -> str:
    """Return the place in a decrypted log (LSN) before which no database was being dropped. Raises `BadBackup` if none was."""
    segments = sorted(path.name for path in wal.iterdir() if SEGMENT.fullmatch(path.name))

    def show(which: str) -> str:
        argv = [program_of("pg_waldump"), which, f"--path={wal}", segments[0], segments[-1]]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout  # fails where the log ends

    dropped = DROP.findall(show("--rmgr=Database"))
    if not dropped:
        raise BadBackup("no database was dropped since the last backup: name a moment at which it was there (--to)")
    begun = PLACE.search(show(f"--xid={dropped[-1]}"))
    assert begun is not None, "the transaction has a record, by which it was found"
    return begun[1]


@asynccontextmanager
async def recovered(data: Path, wal: Path, last: str, to: datetime | str | None = None) -> AsyncIterator[str]:
    """Recover a cluster to a moment, to before a place in its log, or to its end; yields its address while it runs.

    Raises `BadBackup`, also for a recovery to the end that has not come to the last full segment.
    """
    data, wal = data.absolute(), wal.absolute()  # PostgreSQL works in its own folder
    with tempfile.TemporaryDirectory(prefix="ooc-restore-", ignore_cleanup_errors=True) as name:
        run = Path(name)
        (run / "hba").write_text(TRUST, encoding="ascii")
        for empty in ("conf", "ident"):
            (run / empty).touch()
        for folder in (run, data, wal):
            give_to_server(folder)
        log = run / "log"
        with log.open("wb") as output:
            server = await asyncio.create_subprocess_exec(
                *tied_to_parent(_argv(run, data, wal, to), signal_of_death=signal.SIGQUIT, user=UNPRIVILEGED),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            address = f"postgresql://{SUPERUSER}@/postgres?host={run}&port={PORT}"
            await _until_recovered(address, server, log)
            if to is None:
                await _require_replayed(address, last)
            yield address
        finally:
            with suppress(ProcessLookupError):
                server.send_signal(signal.SIGINT)
            await server.wait()


def _argv(run: Path, data: Path, wal: Path, to: datetime | str | None) -> list[str]:
    settings = {
        "config_file": run / "conf",
        "hba_file": run / "hba",
        "ident_file": run / "ident",
        "listen_addresses": "",
        "unix_socket_directories": run,
        "port": PORT,
        "ssl": "off",
        "hot_standby": "off",
        "archive_mode": "off",
        "synchronous_standby_names": "",
        "max_connections": 100,
        "timezone": "UTC",
        "restore_command": f"cp {shlex.quote(str(wal))}/%f %p",
        "recovery_target_timeline": "latest",
        "recovery_target_action": "promote",
        "recovery_target_inclusive": str(isinstance(to, datetime)),
    }
    if to is not None:
        place = {"recovery_target_time": to.isoformat()} if isinstance(to, datetime) else {"recovery_target_lsn": to}
        settings.update(place)
    return [
        program_of("postgres"),
        "-D",
        str(data),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]


async def _until_recovered(address: str, server: asyncio.subprocess.Process, log: Path) -> None:
    while server.returncode is None:
        with suppress(OSError, asyncpg.PostgresError):
            ((recovering,),) = await fetch(address, "select pg_is_in_recovery()")
            if not recovering:
                return
        await asyncio.sleep(POLL)
    end = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
    raise BadBackup("PostgreSQL did not recover the backup:\n" + "\n".join(end))


async def _require_replayed(address: str, last: str) -> None:
    """Compare where a recovery ended with the last full segment: one that lacks a segment ends there, and PostgreSQL opens."""
    ((replayed,),) = await fetch(address, "select pg_walfile_name(pg_last_wal_replay_lsn())")
    if last and (replayed or "")[8:] < last[8:]:
        raise BadBackup(
            f"the recovery ended in segment {replayed} of the write-ahead log, which goes on to {last}: find the segment"
            " between them that is missing or unreadable"
        )


def give_to_server(folder: Path) -> None:
    """Give a folder to the user as whom PostgreSQL runs if we are root."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(UNPRIVILEGED)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
