"""A register as a table: read from a CSV file or a workbook, and given back with a column of errors.

`csv_text` reads CSV and python-calamine a workbook; all cells become text. What a cell means is decided in
`import_rows`, by the schemas of the API.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from services.console.supervisors.workbook import UnreadableWorkbook, rows_of
from services.trade.csv_text import csv_lines, csv_text

ERRORS: Final = "Errors"
"""The heading of the column of errors. In a file that is imported again it is passed over."""
MAX_BYTES: Final = 20_000_000
MAX_ROWS: Final = 20_000
MAX_COLUMNS: Final = 200
WORKBOOKS: Final = frozenset({".xlsx", ".xls", ".xlsb", ".ods"})

_DELIMITERS: Final = ",;\t"


class UnreadableRegister(Exception):
    """A register, or a copy of it, that cannot be read or written. The message says what to do."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row: its number in the file, that of the headings being 1, and its cells by heading, without the empty ones."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Register:
    """The table of a file: its SHA-256, its headings as they stand, its rows, and the delimiter of a CSV file."""

    sha256: str
    headings: Sequence[str]
    rows: Sequence[TableRow]
    delimiter: str | None


def read_register(file: Path, sheet: str | None = None) -> Register:
    """Read a register. Raises `UnreadableRegister` with what to do."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableRegister(f"{file} cannot be read ({error.strerror}): check the name and your rights.") from None
    return register_of(content, file.name, sheet)


def register_of(content: bytes, name: str, sheet: str | None = None) -> Register:
    """Read a register from the bytes of a file of this name. Raises `UnreadableRegister` with what to do."""
    if len(content) > MAX_BYTES:
        raise UnreadableRegister(f"{name} is larger than {MAX_BYTES // 1_000_000} MB: split it into several files.")
    delimiter = None
    if Path(name).suffix.lower() in WORKBOOKS:
        try:
            lines = rows_of(content, sheet)
        except UnreadableWorkbook as error:
            raise UnreadableRegister(f"{name} {error}.") from None
    else:
        if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise UnreadableRegister(f"{name} is a workbook: give it the ending .xlsx, .xls or .ods.")
        text = _decoded(content)
        delimiter = max(_DELIMITERS, key=text.split("\n", 1)[0].count)
        lines = _csv(text, name, delimiter)
    return _register(lines, name, sha256(content).hexdigest(), delimiter)


def _register(lines: Sequence[Sequence[str]], name: str, digest: str, delimiter: str | None) -> Register:
    headings = [cell.strip() for cell in lines[0]] if lines else []
    while headings and not headings[-1]:
        headings.pop()
    if not headings:
        raise UnreadableRegister(f"{name} has no headings: write the names of the columns into its first row.")
    if len(headings) > MAX_COLUMNS:
        raise UnreadableRegister(f"{name} has more than {MAX_COLUMNS} columns: remove those that are not imported.")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        beyond = [cell for cell in line[len(headings) :] if cell.strip()]
        if beyond:
            raise UnreadableRegister(f"Row {number} of {name} has more cells than there are headings: correct the row.")
        cells = {
            heading: cell.strip() for heading, cell in zip(headings, line, strict=False) if cell.strip() and heading
        }
        if cells.keys() - {ERRORS}:
            rows.append(TableRow(number, cells))
    if not rows:
        raise UnreadableRegister(f"{name} has headings and no rows: add a row for each referral.")
    if len(rows) > MAX_ROWS:
        raise UnreadableRegister(
            f"{name} has {len(rows):,} rows, and at most {MAX_ROWS:,} are imported at once: split it."
        )
    return Register(digest, headings, rows, delimiter)


def _decoded(content: bytes) -> str:
    """Decode UTF-8, as most programs write it, or else Windows-1252, as Excel writes CSV on Windows."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _csv(text: str, name: str, delimiter: str) -> list[list[str]]:
    try:
        return csv_lines(text, delimiter)
    except ValueError as error:
        raise UnreadableRegister(
            f"{name} is no CSV file ({error}): save it again as CSV UTF-8, or as a workbook."
        ) from None


def with_errors(register: Register, errors: Mapping[int, Sequence[object]]) -> bytes:
    """Return the table with a last column of errors, in the form of its file: texts, never formulas."""
    headings = [heading for heading in register.headings if heading.casefold() != ERRORS.casefold()]
    lines = [[*headings, ERRORS]]
    lines += [
        [*(row.cells.get(heading, "") for heading in headings), " ".join(map(str, errors.get(row.number, ())))]
        for row in register.rows
    ]
    if register.delimiter is not None:
        return csv_text(lines, register.delimiter).encode("utf-8-sig")
    import xlsxwriter  # noqa: PLC0415  only for a workbook

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet, bold = book.add_worksheet("Register"), book.add_format({"bold": True})
        for number, line in enumerate(lines):
            for place, cell in enumerate(line):
                sheet.write_string(number, place, cell, bold if number == 0 else None)
        sheet.freeze_panes(1, 0)
    return content.getvalue()


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read: it holds personal data. Raises `UnreadableRegister` with what to do."""
    try:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content)
    except OSError as error:
        raise UnreadableRegister(
            f"{file} cannot be written ({error.strerror}): give another file with --errors."
        ) from None
