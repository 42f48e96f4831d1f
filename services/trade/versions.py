"""Tables that the partnership loads: a directory with a file DAY.csv or DAY.toml for each version, which is in force from that day on."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from shared.servers.settings import InvalidSetting

T = TypeVar("T")


def read_versions(folder: Path, setting: str, read: Callable[[Path, date], T], kind: str = ".csv") -> dict[date, T]:
    """Read every version in the directory that a setting names, the earliest first. Raises `InvalidSetting`."""
    if not folder.is_dir():
        raise InvalidSetting(f"{folder} is no directory: make it, or name another in {setting}")
    days = [(_day_in(file), file) for file in sorted(folder.glob(f"*{kind}"))]
    return {since: read(file, since) for since, file in days}


def _day_in(file: Path) -> date:
    try:
        return date.fromisoformat(file.stem)
    except ValueError:
        raise InvalidSetting(f"{file}: name it by its first day, such as 2025-09-01{file.suffix}") from None
