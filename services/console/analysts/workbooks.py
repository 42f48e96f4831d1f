"""A return as a workbook that everybody can read (Office Open XML), after the Analysis Function's guidance on spreadsheets.

A cover says what it is; each sheet has its title in the first cell and one table, marked as such, without merged or empty
cells. gptables writes the same by pandas and numpy, which are 130 MB, and reads its theme by pickle.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import xlsxwriter

COLUMNS: Final = ("What is counted", "Number of", "Value")
FONT: Final = {"font_name": "Arial", "font_size": 12}
TEXTS: Final = {"strings_to_formulas": False, "strings_to_urls": False}
MOST_LETTERS: Final = 31
"""Of the name of a sheet, as Excel has it."""
WIDTH: Final = 45
"""The width of a column in letters."""
ABOUT: Final = (
    "The same question gives the same answer as long as nothing is recorded or corrected for the period.",
    "A number that is not known, or too small to be shown, says so.",
    "Source: counted from the events of the out-of-court partnership.",
)


def workbook_of(title: str, sheets: Mapping[str, Sequence[Mapping[str, str]]]) -> bytes:
    """Return numbers in long form as a workbook: a cover, and for each title a sheet with one table in it."""
    first = next((line for lines in sheets.values() for line in lines), {})
    period = [f"{name}: {first[name]}" for name in ("First day", "Last day") if name in first]
    versions = [f"{name}: definition {lines[0]['Definition']}" for name, lines in sheets.items() if lines]
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_format_properties": FONT, **TEXTS})
    book.set_properties({"title": title})
    bold = book.add_format({**FONT, "bold": True, "font_size": 16})
    plain = book.add_format({**FONT, "text_wrap": True})
    cover = book.add_worksheet("Cover")
    cover.set_column(0, 0, 2 * WIDTH)
    cover.write_string(0, 0, title, bold)
    for row, text in enumerate((*period, *versions, *ABOUT), start=1):
        cover.write_string(row, 0, text, plain)
    for number, (name, lines) in enumerate(sheets.items()):
        sheet = book.add_worksheet(name[:MOST_LETTERS])
        sheet.set_column(0, len(COLUMNS) - 1, WIDTH)
        sheet.write_string(0, 0, name, bold)
        sheet.write_string(1, 0, "This sheet has one table.", plain)
        options = {
            "name": f"numbers_{number}",
            "style": "Table Style Light 1",
            "columns": [{"header": column} for column in COLUMNS],
            "data": [[line[COLUMNS[0]], line[COLUMNS[1]], _number(line[COLUMNS[2]])] for line in lines],
        }
        sheet.add_table(2, 0, 2 + max(len(lines), 1), len(COLUMNS) - 1, options)
    book.close()
    return out.getvalue()


def _number(text: str) -> Any:
    """Return a number as one, so that it can be added up; other words as they are."""
    try:
        return float(text)
    except ValueError:
        return text
