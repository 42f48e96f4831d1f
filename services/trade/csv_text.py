"""CSV (RFC 4180) that a spreadsheet shows and does not run: every table that leaves as CSV is written here, and read again.

A cell that begins as a formula gets an apostrophe before it (OWASP, CSV injection), which reading takes away.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

BEGINS_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""Wide characters too: a spreadsheet may take them for the narrow ones."""
NUMBER: Final = re.compile(r"-[0-9]+(\.[0-9]+)?")


def csv_text(lines: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    """Return lines of cells as CSV; a cell without a value is empty."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([_escape(cell) for cell in line] for line in lines)
    return text.getvalue()


def csv_lines(text: str, delimiter: str = ",") -> list[list[str]]:
    """Read lines of cells. Raises ValueError for text that is no CSV."""
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return [[cell.removeprefix("'") if BEGINS_FORMULA.match(cell) else cell for cell in line] for line in lines]


def _escape(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if BEGINS_FORMULA.match(text) and not NUMBER.fullmatch(text) else text
