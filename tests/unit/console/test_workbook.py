"""A workbook is read with limits: what is small as a file may be large when it is read."""

import io
import zipfile
from datetime import date

import pytest
import xlsxwriter

from services.console.supervisors.import_table import UnreadableRegister, register_of
from services.console.supervisors.workbook import UnreadableWorkbook, rows_of

pytestmark = pytest.mark.slow


def workbook(*rows: tuple[object, ...], far: str | None = None) -> bytes:
    """Return a workbook with these rows, and perhaps a text in the last cell that there can be."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet, day = book.add_worksheet("Cases"), book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(number, place, cell, day)
                else:
                    sheet.write(number, place, cell)
        if far is not None:
            sheet.write_string(1_048_575, 16_383, far)
    return content.getvalue()


def with_longer_text(content: bytes, text: bytes, longer: bytes) -> bytes:
    """Return a workbook in which another text stands for one, in every cell that shares it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(text, longer))
    return changed.getvalue()


def test_cells_become_texts() -> None:
    """Numbers, days, yes and no, and empty cells are read as a person would type them, in the first sheet by default."""
    content = workbook(("a", "b", "c", "d"), (1, 2.5, date(2026, 3, 9), True), ("x", None, "y"))
    assert rows_of(content) == rows_of(content, "Cases")
    assert rows_of(content) == [["a", "b", "c", "d"], ["1", "2.5", "2026-03-09", "yes"], ["x", "", "y", ""]]


def test_as_many_rows_as_are_imported_are_read() -> None:
    """A register of 20,000 rows and 20 columns stays within the limits."""
    content = workbook(*[tuple(f"{row} {column}" for column in range(20)) for row in range(20_000)])
    assert len(rows_of(content)) == 20_000


def test_a_cell_in_the_far_corner_ends_nothing_but_its_reading() -> None:
    """Given two cells with seventeen thousand million empty ones between them, then it is said, and the process goes on."""
    content = workbook(("a",), far="b")
    assert len(content) < 10_000
    with pytest.raises(UnreadableWorkbook, match="describes far more than it holds"):
        rows_of(content)
    with pytest.raises(UnreadableRegister, match=r"^cases\.xlsx describes far more than it holds: copy its rows"):
        register_of(content, "cases.xlsx")


def test_a_text_that_many_cells_share_is_bounded() -> None:
    """Given a text of a megabyte in two thousand cells, from a file of a few kilobytes, then it is said."""
    content = with_longer_text(workbook(*[("shared",)] * 2000), b"shared", b"x" * 1_000_000)
    assert len(content) < 30_000
    with pytest.raises(UnreadableWorkbook, match="describes far more than it holds"):
        rows_of(content)
