"""How far back the backups of a folder reach: none older is kept, and none lacks a segment of the log that follows it."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from ooc.backup.follow import PARTIAL, SIGNED, WAL
from ooc.backup.manifest import Manifest, backups_in
from ooc.backup.sealed import SUFFIX, BadBackup

_SEGMENT: Final = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})\.")


def segment_of(position: str, before: int = 0) -> int:
    """Return the number of the segment of the write-ahead log, of 16 MB, with a position, or so many bytes before it."""
    high, _, low = position.partition("/")
    return ((int(high, 16) << 32) + int(low, 16) - before) >> 24


def name_of(segment: int) -> str:
    """Return the last 16 digits of a segment's name, which are the same on each timeline."""
    return f"{segment >> 8:08X}{segment & 0xFF:08X}"


def _log(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield each file of a segment, or of its signature, by the number of the segment."""
    for file in (folder / WAL).rglob("*"):
        if digits := _SEGMENT.match(file.name):
            yield (int(digits[1], 16) << 8) + int(digits[2], 16), file


def expire(folder: Path, moment: datetime) -> list[str]:
    """Remove the base backups and the log without which every moment since can still be restored; returns their names."""
    backups = sorted(backups_in(folder).items(), key=lambda named: named[1].ended)
    old = [name for name, backup in backups if backup.ended <= moment][:-1]
    if old:
        for name in old:
            shutil.rmtree(folder / name)
        needed = min(segment_of(backup.start) for name, backup in backups if name not in old)
        for segment, file in list(_log(folder)):
            if segment < needed:
                file.unlink()
    return old


def require_log(folder: Path, backup: Manifest) -> None:
    """Check that each segment is there that follows a base backup, up to the last that was signed. Raises `BadBackup`.

    PostgreSQL takes one that is missing for the end of the log, and opens.
    """
    there, signed = set[int](), set[int]()
    for segment, file in _log(folder):
        {SUFFIX: there, PARTIAL: there, SIGNED: signed}.get(file.suffix, set[int]()).add(segment)
    for segment in range(segment_of(backup.end, 1) + 1, max(signed, default=0) + 1):
        if segment not in there:
            raise BadBackup(
                f"the write-ahead log goes on to {name_of(max(signed))}, and lacks segment {name_of(segment)}: find its file for"
                f" {folder / WAL}"
            )
