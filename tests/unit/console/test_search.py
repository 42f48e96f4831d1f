"""By what the search looks for the words that somebody typed."""

from __future__ import annotations

import pytest

from services.console.officers.cases import kinds_of
from services.trade.vocabulary import SearchKind


@pytest.mark.parametrize(
    ("kind", "words", "looked_for"),
    [
        (SearchKind.NAME, "Leo Hartnell", ("name",)),
        (SearchKind.NAME, "55260041001", ("case", "crime_number", "school", "reference")),
        (SearchKind.NAME, "5582cb24", ("case", "crime_number", "school", "reference")),
        (SearchKind.NAME, "CPS/55/2026", ("crime_number", "school", "reference")),
        (SearchKind.SCHOOL, "113867", ("school",)),
    ],
)
def test_a_number_is_no_name(kind: str, words: str, looked_for: tuple[str, ...]) -> None:
    """Given a digit among the words, then numbers are looked for in turn; whoever says what it is has that alone."""
    assert kinds_of(kind, words) == looked_for
