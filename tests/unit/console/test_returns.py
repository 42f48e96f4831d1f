"""A measure as the console's table, chart and files: groups as rows, or one number in each row."""

import csv
import io
import zipfile
from datetime import date
from typing import Any

import html5lib
import pytest

from services.console.analysts.charts import MAX_SERIES, Bar, bar_chart
from services.console.analysts.figures import Figure, figures_of, whole_quarters
from services.console.analysts.returns import ShownMeasure, bars_of, csv_of, lines_of, table_of
from services.console.analysts.workbooks import workbook_of
from services.reporting.measures import MEASURES, Dataset, answer
from services.reporting.measures.period import Period

HEAD = {"measure": "m", "from": "2025-10-01", "to": "2025-12-31", "definition_version": "1", "positions": {"a": 1}}


@pytest.mark.parametrize(
    ("numbers", "columns", "rows"),
    [
        (
            {"columns": {"youth_caution": {"ended": 2, "completed": None}}},
            ["Ended", "Completed"],
            [("Youth caution", ["2", "not known"])],
        ),
        ({"count": 3, "by_quarter": {"Q3": 2}}, ["Number"], [("Count", ["3"]), ("By quarter, Q3", ["2"])]),
        ({"count": 0}, ["Number"], [("Count", ["0"])]),
        ({"groups": {}}, ["Number"], []),
    ],
)
def test_numbers_stand_in_a_table(numbers: dict[str, Any], columns: list[str], rows: list[Any]) -> None:
    """Given the numbers of a measure, when the table is made, then each stands under its heading, and what is not known says so."""
    table = table_of(HEAD | numbers)
    assert (list(table.columns), list(table.rows)) == (columns, rows)


def test_each_number_has_its_place_in_the_answer() -> None:
    """Given numbers in groups or alone, when the table is made, then each has the members that lead to it, to open it by."""
    groups = {"columns": {"youth_caution": {"ended": 2, "completed": None}}}
    assert table_of(HEAD | groups).cells == [["columns.youth_caution.ended", "columns.youth_caution.completed"]]
    alone = {"count": 3, "by_quarter": {"2025-26-Q3": 2}}
    assert table_of(HEAD | alone).cells == [["count"], ["by_quarter.2025-26-Q3"]]
    assert table_of(HEAD | {"by_state": {"OPEN": 1}}).cells == [["by_state.OPEN"]]
    officer = "7b25a32c-7a6b-5cf9-bdc4-0b84d596c200"
    assert table_of(HEAD | {"by_officer": {officer: 1}}).rows[0][0] == "Officer 7b25a32c, name not known here"
    assert table_of(HEAD | {"by_officer": {officer: 1}}, {officer: "PC Doe"}).rows[0][0] == "PC Doe"


@pytest.mark.parametrize(
    ("page", "names", "shown"),
    [(1, ["Count", "By state, A"], (1, 1)), (2, ["By state, B", "By state, C"], (3, 2)), (3, ["By state, D"], (5, 3))],
)
@pytest.mark.parametrize("beyond", [0, 7])
def test_a_long_table_has_pages(page: int, names: list[str], shown: tuple[int, int], beyond: int) -> None:
    """Given more rows than a page has, when a page is shown, then its rows keep their places, and one beyond the end is the last."""
    answer = HEAD | {"count": 4, "by_state": {"A": 1, "B": 1, "C": 1, "D": 1}}
    whole = ShownMeasure("M", answer, table_of(answer), None)
    found = whole.at(page + beyond if page == 3 else page, 2)
    assert [name for name, _ in found.table.rows] == names
    assert (found.first_row, found.page) == shown
    assert (found.rows, found.pages) == (5, 3)
    assert found.table.cells == whole.table.cells[found.first_row - 1 : found.first_row + 1]


KPI6 = HEAD | {
    "measure": "kpi6",
    "columns": {"youth_caution": {"ended": 12, "completed": None}, "outcome_22": {"ended": 7, "completed": 5}},
}


def test_a_chart_has_title_text_and_a_number_at_each_bar() -> None:
    """Given a table, when its chart is drawn, then it is one picture with title and text, and each known number stands in it."""
    chart = bar_chart("c", "Ended <b>&</b> completed", bars_of(table_of(KPI6)))
    assert chart is not None
    root = html5lib.parse(str(chart), namespaceHTMLElements=False)
    svg = next(root.iter("{http://www.w3.org/2000/svg}svg"), None)
    svg = svg if svg is not None else next(root.iter("svg"))
    assert svg.get("role") == "img"
    text = "".join(svg.itertext())
    assert "Ended <b>&</b> completed. The largest number is 12 (Youth caution, ended)" in text
    assert all(number in text for number in ("12", "7", "5"))
    assert "style=" not in chart
    assert "<script" not in chart


def test_no_chart_has_more_than_four_series_and_none_is_drawn_of_nothing() -> None:
    """Given nothing to draw, or a fifth series, when a chart is asked for, then there is none, and the table stands alone."""
    assert bar_chart("c", "t", []) is None
    assert bar_chart("c", "t", [Bar("a", f"series {n}", 1) for n in range(MAX_SERIES + 1)]) is None


def test_numbers_of_another_unit_are_in_no_chart() -> None:
    """Given counts beside days, when bars are made, then days are left out, and what is not known has no bar."""
    table = table_of(HEAD | {"a": {"n": 3, "median_days": 1.5}, "b": {"n": None, "median_days": 2}})
    assert bars_of(table) == [Bar("A", "N", 3.0)]


def test_a_file_has_every_label_on_every_line() -> None:
    """Given a measure, when it becomes CSV, then each number is a line with measure, period, definition and headings."""
    lines = list(csv.DictReader(io.StringIO(csv_of(list(lines_of(KPI6))))))
    assert len(lines) == 4
    assert lines[0] == {
        "Measure": "KPI6",
        "First day": "2025-10-01",
        "Last day": "2025-12-31",
        "Definition": "1",
        "What is counted": "Youth caution",
        "Number of": "Ended",
        "Value": "12",
    }


def test_a_workbook_has_a_cover_and_its_numbers_as_numbers() -> None:
    """Given a measure, when it becomes a workbook, then it has a cover and a sheet, with numbers that can be added."""
    workbook = zipfile.ZipFile(io.BytesIO(workbook_of("KPI6", {"KPI6": list(lines_of(KPI6))})))
    assert {"Cover", "KPI6"} <= set(_sheet_names(workbook))
    sheets = "".join(workbook.read(name).decode() for name in workbook.namelist() if "worksheets/sheet" in name)
    assert "<v>12</v>" in sheets


def _sheet_names(workbook: zipfile.ZipFile) -> list[str]:
    text = workbook.read("xl/workbook.xml").decode()
    return [part.partition('"')[0] for part in text.split('<sheet name="')[1:]]


@pytest.mark.parametrize(
    ("on", "quarter"),
    [
        (date(2026, 11, 26), (date(2026, 7, 1), date(2026, 9, 30))),
        (date(2026, 1, 1), (date(2025, 10, 1), date(2025, 12, 31))),
        (date(2026, 6, 30), (date(2026, 1, 1), date(2026, 3, 31))),
    ],
)
def test_the_board_sees_the_last_whole_quarter(on: date, quarter: tuple[date, date]) -> None:
    """Given a day, when the board's page opens, then it shows the quarter that ended last before it."""
    (last,) = whole_quarters(on, 1)
    assert (last.first, last.last) == quarter


def test_a_figure_says_its_share_and_how_it_moved() -> None:
    """Given shares, counts and quarters in which nobody counts, then each says what it is, and moves only where both are known."""
    third, half, nobody, count = Figure(1, 3), Figure(1, 2), Figure(0, 0), Figure(3, None)
    assert [str(one) for one in (third, half, nobody, count)] == ["33.3% (1 of 3)", "50% (1 of 2)", "Nobody", "3"]
    assert half.moved_from(third) == "+16.7 points"
    assert count.moved_from(Figure(5, None)) == "-2"
    assert half.moved_from(half) == "No change"
    assert [half.moved_from(nobody), nobody.moved_from(half), half.moved_from(None)] == ["", "", ""]


def test_the_figures_of_a_pack_are_the_headlines_of_its_measures() -> None:
    """Given a pack without anything, then each measure of the Youth Justice Board that is counted here has a figure."""
    found = figures_of(answer(MEASURES["pack"], Dataset(), Period(date(2026, 7, 1), date(2026, 9, 30)), {}))
    assert list(found) == [
        *(f"kpi{n}" for n in (1, 2, 3, 4, 5)),
        "kpi6_yjb",
        "kpi7",
        "kpi9_yjb",
        "kpi10_yjb",
        "fte_yjb",
    ]
    assert {figure.of for figure in found.values()} == {0}
