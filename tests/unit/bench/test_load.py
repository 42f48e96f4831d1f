"""The page of the load: its arithmetic, and the targets that the benches take from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench.targets import TARGETS

PAGE = Path(__file__).parents[3].joinpath("docs/explanation/load.md").read_text(encoding="utf-8").replace("**", "")
IN_WORDS = {4.0: "four", 9.0: "nine", 1_500: "1.5 GB"}
"""Amounts that the page writes in another way."""
HALF_OF_A_PAGE = "guidance"


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_its_divisions_are_right() -> None:
    """Each division on the page gives what stands behind it, within two in a hundred."""
    divisions = re.findall(r"([\d,]+) ÷ ([\d,]+) s = ([\d,.]*\d)", PAGE)
    assert len(divisions) == 4
    for dividend, divisor, result in divisions:
        assert number(result) == pytest.approx(number(dividend) / number(divisor), rel=0.02)


def test_each_target_stands_on_it() -> None:
    """Each amount that a bench must reach is on the page; guidance has half of a page's time."""
    amounts = {target.want for target in TARGETS if target.bench != HALF_OF_A_PAGE}
    written = [IN_WORDS.get(amount, f"{amount:,g}") for amount in sorted(amounts)]
    assert not [text for text in written if not re.search(rf"(?<![\d,.]){re.escape(text)}(?![\d,]*\d)", PAGE)]
