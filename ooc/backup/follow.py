"""The write-ahead log between two base backups: received as it is written, signed, and each full segment encrypted.

The key to which it is encrypted is public, so a writer to the folder of backups could else write into the databases. So it is
received into a private folder, and signed there.
"""

import asyncio
import gzip
import hashlib
import io
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from ooc.backup.base_backup import program_of
from ooc.backup.manifest import write_whole
from ooc.backup.sealed import SUFFIX, BadBackup, SealedFile, seal
from services.reporting.database import BACKUP_SLOT
from shared.privacy.signed_note import BadNote, SignedNote, Signer, VerifierKey, write_note
from shared.servers.database import TRANSIENT, database_dsn, without_password, writable_host
from tools.local.child_process import run, run_program
from tools.local.errors import CannotStart

WAL: Final = "wal"
RECEIVING: Final = "receiving"
"""The folder of the segment that is still being written: what it has of personal data is encrypted by the services."""

PACKED: Final = f".gz{SUFFIX}"
PARTIAL: Final = ".partial"
SIGNED: Final = ".note"
KIND: Final = "wal v1"
"""The second line of the note that signs a segment, which no checkpoint has: its name, size and SHA-256 follow."""

PAUSE: Final = 0.5
AGAIN_SECONDS: Final = 2.0
REFUSALS: Final = 3
"""After how many a server has what comes next no more: it was removed, or a restore or a promotion has left it."""

SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
_FULL: Final = re.compile(rf"{SEGMENT.pattern}|[0-9A-F]{{8}}\.history")

_log = structlog.get_logger("backup")


@asynccontextmanager
async def receiving(
    folder: Path, spool: Path, server: str, recipient: Any, signers: Sequence[Signer], heartbeat: Path | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Receive the write-ahead log of a server, whose address is the owner's, while the body runs; yields the task that does.

    It comes into a private folder, the `spool`, and signed into that of the backups. A `heartbeat` file is touched while it runs.

    Raises `BadBackup`, as the task does if it ends before.
    """
    wal = folder / WAL
    (wal / RECEIVING).mkdir(parents=True, exist_ok=True, mode=0o700)
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    begin = await _with_slot(server)
    task = asyncio.create_task(_receive(begin, server, spool, wal, recipient, signers, heartbeat))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Receiver:
    """How pg_receivewal begins: its first arguments, and the variable with the password."""

    argv: Sequence[str]
    env: Mapping[str, str]


async def _with_slot(server: str) -> _Receiver:
    """Return how pg_receivewal begins, at the host that takes writes, which has the slot from now on: a promoted one had none."""
    address, env = without_password(await writable_host(database_dsn(server, "postgres")))
    begin = _Receiver([program_of("pg_receivewal"), "-d", address, "--slot", BACKUP_SLOT], env)
    otherwise = f"the slot {BACKUP_SLOT} cannot be made:"
    try:
        await run([*begin.argv, "--create-slot", "--if-not-exists"], otherwise=otherwise, env=begin.env)
    except CannotStart as error:
        raise BadBackup(str(error)) from None
    return begin


async def _receive(
    begin: _Receiver,
    server: str,
    spool: Path,
    wal: Path,
    recipient: Any,
    signers: Sequence[Signer],
    heartbeat: Path | None,
) -> None:
    """Receive until the log between is gone, which raises `BadBackup`; whatever else ends, is begun again."""
    refused, said = 0, ""
    while refused < REFUSALS:
        before = _received(spool)
        try:
            argv = [*begin.argv, "-D", str(spool), "--synchronous", "--no-loop"]
            async with run_program(argv, env=begin.env) as program:
                while program.returncode is None:
                    await _to_its_end(keep_received, spool, wal, recipient, signers)
                    if heartbeat is not None:
                        heartbeat.touch()
                    await asyncio.sleep(PAUSE)
                assert program.stdout is not None
                said = (await program.stdout.read()).decode(errors="replace").strip()
        finally:
            # A commit is answered once it is received: nothing of it stays out of the backups, however this ends.
            await _to_its_end(keep_received, spool, wal, recipient, signers)
        refused = refused + 1 if _received(spool) == before else 0
        begin = await _with_slot_again(server, said)
    with suppress(CannotStart):  # somebody still receives by it
        await run([*begin.argv, "--drop-slot"], otherwise=f"the slot {BACKUP_SLOT} cannot be dropped:", env=begin.env)
    for file in spool.iterdir():
        file.unlink()
    raise BadBackup(f"the log between is in no backup, so begin anew with a base backup: {said}")


async def _to_its_end(work: Callable[..., None], *arguments: object) -> None:
    """Call something in a thread; a cancelled caller waits for it first, so that it never runs twice at once."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


async def _with_slot_again(server: str, said: str) -> _Receiver:
    while True:
        _log.warning("not_received", error=said)
        await asyncio.sleep(AGAIN_SECONDS)
        try:
            return await _with_slot(server)
        except (*TRANSIENT, BadBackup) as error:
            said = repr(error)


def _received(spool: Path) -> Mapping[str, int]:
    """Return what is in the spool, and when something came last."""
    return {file.name: file.stat().st_mtime_ns for file in spool.iterdir()}


def keep_received(spool: Path, wal: Path, recipient: Any, signers: Sequence[Signer]) -> None:
    """Encrypt and sign each full segment, and copy and sign what has been received of the last one.

    The newest stays in the spool: a server without our slot is asked for what comes after it.
    """
    files = sorted(spool.iterdir())
    newest = max((file.stem for file in files if SEGMENT.fullmatch(file.stem)), default="")
    keys = [signer.key for signer in signers]
    for file in files:
        if _FULL.fullmatch(file.name):
            if not _is_signed(wal / f"{file.name}{PACKED}", keys):
                packed = io.BytesIO(gzip.compress(file.read_bytes(), 1))
                _sign(wal, seal(packed, wal / f"{file.name}{PACKED}", recipient), signers)
            for left in (f"{file.name}{PARTIAL}", f"{file.name}{PARTIAL}{SIGNED}"):
                (wal / RECEIVING / left).unlink(missing_ok=True)
            if file.name != newest:
                file.unlink()
        elif file.suffix == PARTIAL:
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                continue  # it is full by now
            received, place = content.rstrip(b"\0"), wal / RECEIVING / file.name
            if _copy(received, len(content), place, keys):
                sealed = SealedFile(file.name, hashlib.sha256(received).hexdigest(), len(received))
                _sign(place.parent, sealed, signers)


def _copy(received: bytes, size: int, place: Path, keys: Sequence[VerifierKey]) -> bool:
    """Write what the copy of a segment of this size lacks; return False if more is signed of it, and it is received anew."""
    try:
        signed = signed_file(place, keys)
    except BadBackup:
        signed = SealedFile(place.name, "", 0)
    if len(received) < signed.size:
        return False
    if place.is_symlink():
        place.unlink()
    begun = place.is_file() and hashlib.sha256(received[: signed.size]).hexdigest() == signed.sha256
    # A link that others put there since is not followed.
    with os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as copy:
        if not begun:
            copy.truncate(0)
        copy.seek(start := signed.size if begun else 0)
        copy.write(received[start:])
        copy.truncate(size)
        os.fsync(copy.fileno())
    return True


def _sign(folder: Path, file: SealedFile, signers: Sequence[Signer]) -> None:
    text = f"{signers[0].name}\n{KIND}\n{file.name} {file.size} {file.sha256}\n"
    note = folder / f"{file.name}{SIGNED}"
    said = note.read_text(encoding="utf-8", errors="replace") if note.exists() else ""
    if not said.startswith(f"{text}\n"):
        write_whole(note, write_note(text, [signer.sign(text) for signer in signers]))


def _is_signed(path: Path, keys: Sequence[VerifierKey]) -> bool:
    try:
        signed_file(path, keys)
    except BadBackup:
        return False
    return path.is_file()


def signed_file(path: Path, keys: Sequence[VerifierKey]) -> SealedFile:
    """Read what was signed of a received segment. Raises `BadBackup`."""
    try:
        note = SignedNote.parse(path.with_name(f"{path.name}{SIGNED}").read_text(encoding="utf-8"))
        origin, kind, line = note.text.splitlines()
        name, size, digest = line.split(" ")
        if not note.signers_among(keys) or (origin, kind, name) != (keys[0].name, KIND, path.name):
            raise BadNote("no key of the system has signed it under this name")
        return SealedFile(name, digest, int(size))
    except (OSError, ValueError, BadNote) as error:
        raise BadBackup(
            f"{path} is not signed: take away what `ooc backup follow` has not received ({error})"
        ) from error
