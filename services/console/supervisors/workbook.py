"""Read a workbook in a process of its own, with limits: a file of a kilobyte can describe gigabytes.

The process is this file as a program. It gets the workbook by its standard input and no environment, and answers with a
line of JSON for each row of the sheet, or with a sentence for people on its standard error.
"""

import io
import json
import subprocess
import sys
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, Final

MEMORY: Final = 400_000_000
"""Bytes of address space of the process."""
SECONDS: Final = 30
"""Seconds of processor time, and twice as many by the clock."""
TEXT: Final = 40_000_000
"""The most bytes of text that it answers with."""

_TOO_MUCH: Final = "describes far more than it holds: copy its rows into a new workbook"


class UnreadableWorkbook(Exception):
    """A workbook that cannot be read. The message follows its name: what is wrong with it, and what to do."""


def rows_of(content: bytes, sheet: str | None = None) -> list[list[str]]:
    """Return the cells of a sheet as texts, the first sheet's by default. Raises `UnreadableWorkbook`."""
    command = [sys.executable, "-I", __file__, *([sheet] if sheet is not None else [])]
    try:
        read = subprocess.run(command, input=content, capture_output=True, env={}, timeout=2 * SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UnreadableWorkbook(_TOO_MUCH) from None
    if read.returncode == 1 and (why := read.stderr.decode("utf-8", "replace").strip()):
        raise UnreadableWorkbook(why.splitlines()[-1])
    if read.returncode != 0:  # the memory or the time was over
        raise UnreadableWorkbook(_TOO_MUCH)
    return [json.loads(line) for line in read.stdout.splitlines()]


def _limit() -> None:
    """Take the limits. A system that knows none, such as Windows, reads without."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  not everywhere

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(sheet: str | None) -> None:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  after the limits

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        if sheet is not None and sheet not in book.sheet_names:
            sys.exit(f"has no sheet {sheet}: choose one of {', '.join(book.sheet_names)}")
        table = book.get_sheet_by_name(sheet) if sheet is not None else book.get_sheet_by_index(0)
        left = TEXT
        for row in table.to_python(skip_empty_area=False):
            line = json.dumps([_text(cell) for cell in row]) + "\n"
            left -= len(line)
            if left < 0:
                sys.exit(_TOO_MUCH)
            sys.stdout.write(line)
    except CalamineError as error:
        sys.exit(f"cannot be read as a workbook ({error}): save it again as .xlsx")
    except MemoryError:
        sys.exit(_TOO_MUCH)


def _text(cell: Any) -> str:
    """Return a cell as text: dates and times in ISO 8601, whole numbers without a fraction."""
    match cell:
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "minutes")
        case date():
            return cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)


if __name__ == "__main__":
    _limit()
    _answer(sys.argv[1] if len(sys.argv) > 1 else None)
