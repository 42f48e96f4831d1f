"""The pack of a quarter as the board's paper: what stands on it."""

from datetime import UTC, date, datetime
from typing import Any

from services.console.analysts.figures import Figure, whole_quarters
from services.console.analysts.pack import NO_VALUE, Pack, values_of
from services.console.apis import Part
from services.console.documents import print_pack
from tests.pdf import pdf_text

MADE = datetime(2026, 10, 5, 9, tzinfo=UTC)
QUARTERS = whole_quarters(date(2026, 10, 5), 8)
NOW = {"kpi1": Figure(26, 78, 90), "kpi3": Figure(0, 0), "kpi9_yjb": Figure(4, None, 3)}
PACK = Pack(QUARTERS, Part({}), [NOW, *({"kpi1": Figure(n, 40), "kpi3": Figure(1, n)} for n in range(20, 27))])
VALUES: dict[str, Any] = {
    "made": "5 October 2026 at 10:00",
    "by": "Analyst",
    **values_of(PACK, {"school_age": 2, "completion": 0}),
}


def test_the_board_reads_figures_their_past_and_what_is_missing() -> None:
    """Given a pack, when it is printed, then figures stand with of so many, the quarter before, their target, and the gaps."""
    text = pdf_text(print_pack(VALUES, MADE))
    assert VALUES["figures"] == [
        ["KPI1 (accommodation)", "33.3% (26 of 78)", "50% (20 of 40)", "-16.7 points", "90%"],
        ["KPI3 (special educational needs and disability)", "Nobody", "5% (1 of 20)", NO_VALUE, NO_VALUE],
        ["KPI9 (serious violence)", "4", NO_VALUE, NO_VALUE, "3"],
    ]
    for words in ("July to September 2026 (2026-27 Q2)", "33.3% (26 of 78)", "-16.7 points", "90%", "2024-25 Q3"):
        assert words in text
    assert VALUES["missing"] == [["School age", "2"]]
    assert "their programme ended" in text, "a definition"
    assert print_pack(VALUES, MADE) == print_pack(VALUES, MADE)


def test_a_pack_of_nothing_is_printed() -> None:
    """Given a quarter without figures or gaps, when it is printed, then the paper says that nothing is missing, and has no chart."""
    empty = {**VALUES, **values_of(Pack(QUARTERS, Part({}), [{}] * 8), {"school_age": 0})}
    assert empty["chart"] is None
    assert "Nothing is missing." in pdf_text(print_pack(empty, MADE))
