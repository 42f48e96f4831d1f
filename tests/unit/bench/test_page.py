"""The table of docs/reference/performance.md, which `make bench` writes."""

from __future__ import annotations

from typing import Any

from tests.bench.page import BEGIN, END, PAGE, with_run
from tests.bench.targets import TARGETS

EMPTY = f"# Performance\n\n{BEGIN}{END}\nMore.\n"


def run(*benches: dict[str, Any], day: str = "2026-11-27") -> dict[str, Any]:
    """Return the JSON of a run, as far as the table needs it."""
    return {"began": f"{day}T06:43:00+00:00", "machine": {"processor": "2 cores"}, "benches": list(benches)}


def row(figure: str, *values: float, side: str = "ours") -> dict[str, Any]:
    """Return a figure of a bench; against another side, the values are ratios."""
    return {"figure": figure, "side": side, "values": values, "ratios": None if side == "ours" else values}


def test_a_run_replaces_the_rows_of_its_benches_alone() -> None:
    """Given a table with two benches, a later run of one changes its row, and what is around the table stays."""
    append = {
        "bench": "append-64",
        "title": "Append",
        "rows": [row("events/s", 0.5, 0.7, side="limit"), row("events/s", 9_000)],
    }
    first = with_run(EMPTY, run(append, {"bench": "relay", "title": "Relay", "rows": [row("events/s", 50_981)]}))
    second = with_run(
        first, run({"bench": "relay", "title": "Relay", "rows": [row("events/s", 9_500)]}, day="2026-12-01")
    )
    lines = [line for line in second.splitlines() if line.startswith("| `")]
    assert lines == [
        "| `append-64`: Append | events/s | 0.60 x limit (0.50 - 0.70) | ≥ 0.6 x | yes | 2026-11-27 |",
        "| `relay`: Relay | events/s | 9,500 (9,500 - 9,500) | ≥ 11,000 | **no** | 2026-12-01 |",
    ]
    assert second.startswith("# Performance\n\n")
    assert second.endswith("The latest run: processor: 2 cores.\n<!-- to here -->\n\nMore.\n")


def test_pages_share_a_row_for_each_figure() -> None:
    """Given two pages of the console, the table names the slower one and how many there are."""
    pages = {
        "bench": "pages",
        "title": "Pages",
        "rows": [row("case, p50 ms", 34.0), row("board, p50 ms", 68.6), row("board, kB", 71.7)],
    }
    lines = [line for line in with_run(EMPTY, run(pages)).splitlines() if line.startswith("| `")]
    assert lines == [
        "| `pages`: Pages | board, p50 ms (highest of 2) | 68.6 (68.6 - 68.6) | ≤ 100 | yes | 2026-11-27 |",
        "| `pages` | board, kB | 71.7 (71.7 - 71.7) | ≤ 100 | yes | 2026-11-27 |",
    ]


def test_the_committed_page_takes_a_run() -> None:
    """Given the page as it stands, its table names benches that have targets, and a run without benches changes no row."""
    page = PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows
    assert {line.split("`")[1] for line in rows} <= {target.bench for target in TARGETS}
    assert [line for line in with_run(page, run()).splitlines() if line.startswith("| `")] == rows
