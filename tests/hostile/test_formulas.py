"""No table that leaves the product as CSV has a cell that a spreadsheet runs (OWASP, CSV injection); numbers stay numbers."""

import ast
import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from services.console.analysts.returns import csv_of
from services.console.analysts.workbooks import COLUMNS, workbook_of
from services.console.supervisors.import_table import register_of, with_errors
from services.reporting.queries.csv_export import as_csv

ROOT: Final = Path(__file__).parents[2]
FORMULAS: Final = [
    '=HYPERLINK("http://elsewhere.example","x")',
    "+cmd|' /C calc'!A0",
    "-1+2",
    "@SUM(1)",
    "\tcmd",
    "\r=1",
    "\n=1",
    "\uff1d1+2",
    "'=1",
    "''=1",
]
NUMBERS: Final = ["0", "12", "-5", "0.25", "-0.5", "2026-06-09"]


def in_a_register(cell: str) -> str:
    register = register_of(b"reference,narrative\r\nA1,x\r\n", "cases.csv")
    return with_errors(register, {2: [cell]}).decode("utf-8-sig")


def in_a_heading(cell: str) -> str:
    content = io.StringIO(newline="")
    csv.writer(content).writerows([["reference", cell], ["A1", "x"]])
    return with_errors(register_of(content.getvalue().encode(), "cases.csv"), {}).decode("utf-8-sig")


def in_a_return(cell: str) -> str:
    return csv_of([{"What is counted": cell, "Value": cell}])


def in_a_measure(cell: str) -> str:
    return as_csv({"measure": cell, "by_school": {cell: cell}})


DOORS: Final[list[Callable[[str], str]]] = [in_a_register, in_a_heading, in_a_return, in_a_measure]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("formula", FORMULAS, ids=ascii)
def test_a_cell_that_begins_a_formula_is_text(door: Callable[[str], str], formula: str) -> None:
    """Given text that a spreadsheet would run, when it leaves as a cell or a heading, then an apostrophe stands before it."""
    cells = [cell for line in csv.reader(io.StringIO(door(formula), newline="")) for cell in line]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_stays_a_number(number: str) -> None:
    """Given numbers and days, then they stand as they are, negative ones too."""
    for door in (in_a_register, in_a_return, in_a_measure):
        assert number in [cell for line in csv.reader(io.StringIO(door(number))) for cell in line]


@pytest.mark.parametrize("formula", [one for one in FORMULAS if one.strip() == one], ids=ascii)
def test_a_register_that_comes_back_is_imported_as_it_was(formula: str) -> None:
    """Given a register with such cells, when its copy with errors is read again, then the cells are those of the register."""
    content = io.StringIO(newline="")
    csv.writer(content).writerows([["reference", "contact"], [f"A{formula}", "x"], ["B1", "+44 1202 550164"]])
    register = register_of(content.getvalue().encode(), "cases.csv")
    back = register_of(with_errors(register, {}), "cases.csv")
    assert [row.cells for row in back.rows] == [row.cells for row in register.rows]
    again = register_of(with_errors(back, {2: [formula]}), "cases.csv")
    assert again.rows[0].cells["Errors"] == formula


def test_a_workbook_of_numbers_has_no_formula() -> None:
    """Given labels that begin as formulas, then the cells of the workbook are texts."""
    line = dict.fromkeys((*COLUMNS, "Definition"), "=1+1")
    with zipfile.ZipFile(io.BytesIO(workbook_of("=1+1", {"=1+1": [line]}))) as book:
        sheets = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert len(sheets) >= 2
    assert not [sheet for sheet in sheets if b"<f>" in sheet]


def test_csv_is_written_in_one_place() -> None:
    """No other module of the product makes CSV, so none can forget it."""
    files = [path for folder in ("ooc", "services", "shared", "tools") for path in (ROOT / folder).rglob("*.py")]
    writing = {
        str(path.relative_to(ROOT))
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"writer", "DictWriter"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "csv"
        )
        or (isinstance(node, ast.ImportFrom) and node.module == "csv")
    }
    assert writing == {"services/trade/csv_text.py"}
