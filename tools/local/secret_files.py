"""Secrets of a local system: files that their owner alone may read, made once."""

import base64
import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def secret_in(file: Path, make: Callable[[], str] = lambda: base64.b64encode(os.urandom(32)).decode() + "\n") -> Path:
    """Make a file that its owner alone may read, unless it stands: of 32 random bytes in base64, or of what `make` returns."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        write_private(new, make())
        # A link fails if the file stands, so two starts at once agree on one secret.
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
        new.unlink()
    return file


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(text)
