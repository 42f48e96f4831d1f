"""By what the search looks for the words that somebody typed."""

import pytest

from services.console.officers.cases import questions_of
from services.trade.vocabulary import SearchKind

NUMBERS = ("crime_number", "school", "reference", "telephone")


@pytest.mark.parametrize(
    ("kind", "words", "looked_for"),
    [
        (SearchKind.NAME, "Leo Hartnell", {"name": "Leo Hartnell"}),
        (SearchKind.NAME, "55260041001", dict.fromkeys(NUMBERS, "55260041001")),
        (SearchKind.NAME, "5582cb24", {"case": "5582cb24", **dict.fromkeys(NUMBERS, "5582cb24")}),
        (SearchKind.NAME, "YCC-5582CB24-12", {"case": "5582cb24", **dict.fromkeys(NUMBERS, "YCC-5582CB24-12")}),
        (SearchKind.CASE, "YCC-NOTICE-5582CB24-3", {"case": "5582cb24"}),
        (SearchKind.CASE, "5582cb24-0a1b-4c2d-8e3f-001122334455", {"case": "5582cb240a1b4c2d8e3f001122334455"}),
        (SearchKind.NAME, "CPS/55/2026", dict.fromkeys(NUMBERS, "CPS/55/2026")),
        (SearchKind.NAME, "14/3/2010", {"date_of_birth": "2010-03-14"}),
        (SearchKind.DATE_OF_BIRTH, "14 03 2010", {"date_of_birth": "2010-03-14"}),
        (SearchKind.NAME, "31 2 2010", dict.fromkeys(NUMBERS, "31 2 2010")),
        (SearchKind.TELEPHONE, "01632 960018", {"telephone": "01632 960018"}),
        (SearchKind.SCHOOL, "113867", {"school": "113867"}),
        (SearchKind.SCHOOL, "merrow community", {"school": "113905"}),
        (SearchKind.NAME, "merrow", {"name": "merrow", "school": "113905"}),
    ],
)
def test_what_was_typed_says_what_is_looked_for(kind: str, words: str, looked_for: dict[str, str]) -> None:
    """Given words, then a day, a paper's number and a school's name are known as such, and other digits are looked for in turn."""
    assert dict(questions_of(kind, words)) == looked_for
