"""The directory that a local system lives in: that it can be written, that there is room, and that it is ours alone."""

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

TAKE_OVER: Final = "Another user, perhaps root, may have made it: take it over (chown -R)"
REMEDIES: Final = {
    errno.ENOSPC: "Free some of its disk",
    errno.EDQUOT: "Free some of your share of its disk",
    errno.EACCES: TAKE_OVER,
    errno.EPERM: TAKE_OVER,
}
"""What to do about an error of the operating system."""


def shortage(var: Path, needed: int = NEEDED_AGAIN) -> str | None:
    """Say why there is no room to start a process (again), and what to do; None if there is."""
    try:
        free = shutil.disk_usage(var).free
    except OSError as error:
        return f"{var} cannot be read ({error.strerror})"
    if free >= needed:
        return None
    return f"the disk that holds {var} is almost full: {free // 2**20} MB free, {needed // 2**20} MB needed. Free some"


def require_disk_space(var: Path, needed: int = NEEDED) -> None:
    """Make `var` if need be; raise `CannotStart` unless files can be written there and the disk has room."""
    probe = var / ".room"
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        problem = shortage(var, needed)
    except OSError as error:
        problem = f"{var} cannot be used: {error.strerror}. {REMEDIES.get(error.errno or 0, 'Mend that')}"
    if problem is not None:
        raise CannotStart(
            f"{problem[0].upper()}{problem[1:]}, or put the data elsewhere: OOC_VAR=/another/path make run."
        )


@contextlib.contextmanager
def lock_data_dir(var: Path) -> Iterator[None]:
    """Lock `var` for this process until it ends, however it ends. Raises `CannotStart` if another process has it."""
    with (var / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(
                f"A local system is already running on {var} (process {holder}).\n"
                f"Use it (`ooc status`), stop it (`kill {holder}`), or run another: OOC_VAR=var2 OOC_PORT_BASE=9100 make run."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def holder(var: Path) -> int | None:
    """Return the process that holds `var`; None if none does, or there is no such directory."""
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
