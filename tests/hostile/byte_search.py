"""A search of every byte of files, for a text in each form in which it could lie there."""

import base64
import contextlib
import json
import mmap
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

_ISO_DAY: Final = re.compile(rb"(?:19|20)\d\d-[01]\d-[0-3]\d")
_ISO_DAY_UTF16: Final = re.compile(rb"(?:1\x009|2\x000)\x00\d\x00\d\x00-\x00[01]\x00\d\x00-\x00[0-3]\x00\d")


def forms(text: str) -> dict[str, bytes]:
    """Return the forms in which a text could lie somewhere: plain, UTF-16, hexadecimal, escaped, base64 at each offset."""
    plain = text.encode()
    return {
        "plain": plain,
        "plain, in capitals": text.upper().encode(),
        "UTF-16, little-endian": text.encode("utf-16-le"),
        "UTF-16, big-endian": text.encode("utf-16-be"),
        "hexadecimal": plain.hex().encode(),
        "JSON": json.dumps(text)[1:-1].encode(),
        "JSON, each character": "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
        "URL": quote(text).encode(),
        "URL, each byte": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "form": quote(text).replace("%20", "+").encode(),
        "HTML": "".join(f"&#{ord(letter)};" for letter in text).encode(),
        "backslashes": text.encode("unicode_escape"),
        **base64_forms(plain),
    }


def base64_forms(plain: bytes) -> dict[str, bytes]:
    """Return a text in base64 at each offset, without the characters at both ends, which depend on its neighbours."""
    return {f"base64, offset {n}": base64.b64encode(b"\0" * n + plain)[4:-4].rstrip(b"=") for n in range(3)}


def holding(files: Iterable[Path], wanted: Mapping[tuple[str, str], bytes]) -> list[str]:
    """Name each file that holds one of the byte strings, with its form. `wanted` has them by text and form."""
    return [
        f"{path.name}: {form}"
        for path in files
        for content in _contents(path)
        for (_, form), value in wanted.items()
        if content.find(value) >= 0
    ]


def days_in(files: Iterable[Path], days: Collection[str]) -> list[str]:
    """Name each file that holds one of the days (ISO 8601), plain or in UTF-16, with the day."""
    found = []
    for path in files:
        for content in _contents(path):
            there = {match.decode() for match in set(_ISO_DAY.findall(content))}
            there |= {match.replace(b"\0", b"").decode() for match in set(_ISO_DAY_UTF16.findall(content))}
            found += [f"{path.name}: {day}" for day in sorted(there & set(days))]
    return found


def files_under(*folders: Path) -> list[Path]:
    """Return every file below some folders."""
    return [Path(where) / name for folder in folders for where, _, names in os.walk(folder) for name in names]


def written_files(pids: Iterable[int], beside: Path) -> list[Path]:
    """Return each file that a process or a child of it holds open to write, by its descriptor: deleted ones too.

    Files below the folder `beside` that are still there are left out.
    """
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            process = psutil.Process(pid)
            found += [file for one in (process, *process.children(recursive=True)) for file in _written_by(one, beside)]
    return found


def _written_by(process: psutil.Process, beside: Path) -> Iterator[Path]:
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # it has been closed meanwhile
            target = file.readlink()
            told = Path(f"/proc/{process.pid}/fdinfo/{file.name}").read_text(encoding="ascii")
            may_write = int(told.split("flags:")[1].split()[0], 8) & os.O_ACCMODE != os.O_RDONLY
            if may_write and file.is_file() and not (target.is_relative_to(beside) and target.exists()):
                yield file


def _contents(path: Path) -> Iterator[mmap.mmap]:
    """Yield the content of a file; nothing where the server has removed or emptied it, or where it is one hole."""
    try:
        with path.open("rb") as file:
            # Kafka's index files are megabytes of nothing: a hole holds no text.
            if os.lseek(file.fileno(), 0, os.SEEK_DATA) < os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    yield content
    except (OSError, ValueError):
        return
