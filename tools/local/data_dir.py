"""The directory that a local system lives in: that it can be written, that there is room, and that it is ours alone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.local.errors import CannotStart

NEEDED: Final = 512 * 1024 * 1024
"""Free bytes below which nothing is started: PostgreSQL and Kafka take some 150 MB before the first event."""

NEEDED_AGAIN: Final = 64 * 1024 * 1024
"""Free bytes below which no process is started again: PostgreSQL and Kafka open with files of 10 to 16 MB."""


def shortage(var: Path) -> str | None:
    """Say why there is no room to start a process again, and what to do; None where there is."""
    try:
        free = shutil.disk_usage(var).free
    except OSError as error:
        return f"{var} cannot be read ({error.strerror})"
    if free >= NEEDED_AGAIN:
        return None
    return (
        f"the disk that holds {var} has {free // 2**20} MB free. Free some:"
        f" it is started again as soon as there are {NEEDED_AGAIN // 2**20} MB"
    )


def require_disk_space(var: Path, needed: int = NEEDED) -> None:
    """Make `var` if need be, and check that files can be written there and that the disk is not full.

    Raises:
        CannotStart: saying what is wrong and what to do.

    """
    probe = var / ".room"
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        free = shutil.disk_usage(var).free
    except OSError as error:
        raise _unusable(var, error) from error
    if free < needed:
        raise CannotStart(
            f"The disk that holds {var} is almost full: {free // 2**20} MB are free and {needed // 2**20} MB are needed.\n"
            "Free some, or put the data elsewhere: OOC_VAR=/path/with/room make run.",
        )


def _unusable(var: Path, error: OSError) -> CannotStart:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return CannotStart(
                f"The disk that holds {var} is full.\nFree some, or put the data elsewhere: OOC_VAR=/path/with/room make run.",
            )
        case errno.EACCES | errno.EPERM:
            return CannotStart(
                f"{var} cannot be written by this user ({error.strerror}); perhaps another user, or root, made it.\n"
                "Take it over (chown -R), or put the data elsewhere: OOC_VAR=/another/path make run.",
            )
        case _:
            return CannotStart(
                f"{var} cannot be used: {error.strerror}.\nPut the data elsewhere: OOC_VAR=/another/path make run.",
            )


@contextlib.contextmanager
def lock_data_dir(var: Path) -> Iterator[None]:
    """Hold `var` for this process; the kernel lets go when the process ends, however it ends.

    Raises:
        CannotStart: another process holds it.

    """
    with (var / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(
                f"A local system is already running on {var} (process {holder}).\n"
                f"Use it (`ooc status`), stop it (`kill {holder}`), or run another: OOC_VAR=var2 OOC_PORT_BASE=9100 make run.",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def holder(var: Path) -> int | None:
    """Return the process that holds `var`; None where none does, or there is no such directory."""
    try:
        with (var / "lock").open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0)
    except (OSError, ValueError):
        return None
    return None


def main(var: str) -> None:
    """Exit with 1, saying who, if a system runs on the directory; for the Makefile."""
    try:
        with lock_data_dir(Path(var)):
            pass
    except CannotStart as error:
        sys.exit(str(error))
