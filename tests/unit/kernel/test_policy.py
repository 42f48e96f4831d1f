"""Dated values: which one holds on which day, and what is refused when they are read."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.policy import Entry, NoPolicy, PolicyBook, PolicyValue
from tests.policy_books import with_entry

FILE = """
[limit_weeks]
unit = "weeks"
source = "Code of Practice"
entries = [{from = 2013-04-08, value = 16}, {from = 2025-01-01, value = 20}]

[credit]
unit = "hours"
source = "Code of Practice"
entries = [{from = 2014-01-01, value = 1.25}]

[maxima]
unit = "pence"
source = "SI 2013/608"
entries = [{from = 2013-04-08, value = {SUMMARY = 3000, EITHER_WAY = 5000}}]

[barred]
unit = "codes"
source = "local"
entries = [{from = 2013-04-08, value = ["A", "B"]}]

[strict]
unit = "yes or no"
source = "local"
entries = [{from = 2013-04-08, value = true}]
"""

days = st.dates(min_value=date(2000, 1, 1), max_value=date(2040, 1, 1))


@pytest.fixture
def book(tmp_path: Path) -> PolicyBook:
    """Return the policy in the file above."""
    return written(tmp_path, FILE)


def written(folder: Path, text: str) -> PolicyBook:
    """Return a policy read from a file."""
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return PolicyBook.load(path)


@pytest.mark.parametrize(
    ("day", "weeks"), [(date(2013, 4, 8), 16), (date(2024, 12, 31), 16), (date(2025, 1, 1), 20), (date(2030, 1, 1), 20)]
)
def test_value_of_the_day(book: PolicyBook, day: date, weeks: int) -> None:
    """Given two entries, then each holds from its own day until the next."""
    assert book.on(day).number("limit_weeks") == weeks


def test_nothing_holds_before_its_day(book: PolicyBook) -> None:
    """Given a day before a value came into force, or a name that no file holds, then there is no value, and no guess."""
    with pytest.raises(NoPolicy, match="limit_weeks"):
        book.on(date(2013, 4, 7)).number("limit_weeks")
    with pytest.raises(KeyError, match=r"policy\.toml .* 'speed'"):
        book.on(date(2025, 1, 1)).value("speed")


def test_kinds_of_value(book: PolicyBook) -> None:
    """Given numbers, hours, tables, codes and flags, then each is read as what it is."""
    policy = book.on(date(2025, 6, 1))
    assert policy.decimal("credit") == Decimal("1.25")
    assert policy.table("maxima")["EITHER_WAY"] == 5000
    assert policy.codes("barred") == {"A", "B"}
    assert policy.flag("strict") is True


@pytest.mark.parametrize(
    ("day", "edition"),
    [
        (date(2013, 1, 1), "none"),
        (date(2013, 4, 8), "2013-04-08"),
        (date(2014, 6, 1), "2014-01-01"),
        (date(2026, 1, 1), "2025-01-01"),
    ],
)
def test_edition_is_the_latest_change(book: PolicyBook, day: date, edition: str) -> None:
    """Given a day, then its edition is the latest from-date that had come, and stands in the stamp with the day."""
    policy = book.on(day)
    assert policy.edition == edition
    assert (policy.stamp.edition, policy.stamp.day) == (edition, day)


def test_moved_value_moves_the_rule_only_from_its_day(book: PolicyBook) -> None:
    """Given one more entry, then the days before it keep their value, and the old book is untouched."""
    moved = with_entry(book, "limit_weeks", date(2026, 1, 1), 12)
    assert moved.on(date(2025, 12, 31)).number("limit_weeks") == 20
    assert moved.on(date(2026, 1, 1)).number("limit_weeks") == 12
    assert book.on(date(2026, 1, 1)).number("limit_weeks") == 20
    again = with_entry(moved, "limit_weeks", date(2026, 1, 1), 13)
    assert again.on(date(2026, 1, 1)).number("limit_weeks") == 13


@given(st.dictionaries(days, st.integers(0, 100), min_size=1, max_size=8), days)
def test_latest_entry_holds(values: dict[date, int], day: date) -> None:
    """Given any entries, then the latest that is not after the day holds, whatever the order in which days are asked."""
    entries = tuple(Entry(since, values[since]) for since in sorted(values))
    book = PolicyBook({"n": PolicyValue("n", "points", "local", entries)})
    past = [since for since in values if since <= day]
    book.on(day + timedelta(days=1))
    if past:
        assert book.on(day).number("n") == values[max(past)]
    else:
        with pytest.raises(NoPolicy):
            book.on(day).number("n")


UNIT = '[n]\nunit = "weeks"\n'
HEAD = f'{UNIT}source = "x"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{HEAD}entries = []", "the entries of n must be dated"),
        (f"{HEAD}entries = [{{from = 2025-01-01, value = 1}}, {{from = 2024-01-01, value = 2}}]", "each later"),
        (f"{HEAD}entries = [{{from = 2025-01-01, value = 1}}, {{from = 2025-01-01, value = 2}}]", "each later"),
        (f"{UNIT}entries = [{{from = 2025-01-01, value = 1}}]", "n needs .*'source' is missing"),
        ('[n]\nsource = "x"\nentries = [{from = 2025-01-01, value = 1}]', "n needs .*'unit' is missing"),
        (f'{UNIT}source = ""\nentries = [{{from = 2025-01-01, value = 1}}]', "n needs a source"),
        (HEAD, "n needs .*'entries' is missing"),
        (f"{HEAD}entry = [{{from = 2025-01-01, value = 1}}]", "'entries' is missing, 'entry' is not known"),
        (f"{HEAD}entries = [{{form = 2025-01-01, value = 1}}]", "an entry of n .*'form' is not known"),
        (f"{HEAD}entries = [{{from = 2025-01-01, values = 1}}]", "an entry of n .*'value' is missing"),
        (f"{HEAD}entries = [{{from = 2025-01-01, value = 1, until = 2026-01-01}}]", "'until' is not known"),
        (f"{HEAD}entries = [1]", "an entry of n must be a table"),
        (f"{HEAD}entries = {{from = 2025-01-01, value = 1}}", "the entries of n must be a list"),
        (f'{HEAD}entries = [{{from = "2025-01-01", value = 1}}]', "an entry of n is from '2025-01-01'"),
        (f"{HEAD}entries = [{{from = 2025-01-01T00:00:00Z, value = 1}}]", "an entry of n is from .*must be a day"),
        ("n = 1", "n must be a table"),
        ("[n", "at end of document"),
    ],
    ids=[
        "no entry",
        "out of order",
        "twice a day",
        "no source",
        "no unit",
        "empty source",
        "no entries",
        "entries misspelt",
        "from misspelt",
        "value misspelt",
        "more than wanted",
        "a bare value",
        "one table",
        "a day in quotes",
        "a time of day",
        "no table",
        "no TOML",
    ],
)
def test_faulty_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """Given a file in which a value is not as it should be, then it is refused, and file, value and fault are named."""
    with pytest.raises(ValueError, match=rf"policy\.toml(, line [1-9])?: .*{sentence}"):
        written(tmp_path, text)


def test_the_line_of_a_wrong_entry_is_named(tmp_path: Path) -> None:
    """Given several values, when an entry of one is out of order, then its own line is named."""
    good = f"{HEAD}entries = [{{from = 2025-01-01, value = 1}}]\n\n"
    bad = '[m]\nunit = "weeks"\nsource = "x"\nentries = [\n  {from = 2025-01-01, value = 1},\n  {from = 2024-01-01, value = 2},\n]'
    with pytest.raises(ValueError, match=r"policy\.toml, line 11: the entries of m"):
        written(tmp_path, good + bad)
