"""Tables of a year and its quarters, published in any order, tell no group of a few children however they are added up."""

from collections import Counter
from datetime import date
from itertools import product
from typing import Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.measures.disclosure import Counted, Published, shown_counts
from services.reporting.measures.period import Period, quarter_of, year_of

GROUPS: Final = frozenset({"WHITE", "BLACK", "ASIAN", "NOT_KNOWN"})
FEWEST: Final = 5
DAYS: Final = [date(2025, 5, 1), date(2025, 8, 1), date(2025, 11, 1), date(2026, 2, 1)]
PERIODS: Final = [*map(quarter_of, DAYS), year_of(DAYS[0])]


def rows(**counts: tuple[int, ...]) -> list[Counted]:
    """Return so many of each group in each quarter, each about another child."""
    cells = [(group, on) for group, each in counts.items() for on, n in zip(DAYS, each, strict=False) for _ in range(n)]
    return [Counted(UUID(int=n), on, group) for n, (group, on) in enumerate(cells)]


def publish(counted: list[Counted], periods: list[Period]) -> list[Published]:
    """Publish tables one after the other."""
    tables: list[Published] = []
    for period in periods:
        shown = shown_counts(counted, period, GROUPS, tables, FEWEST)
        tables.append(Published(period, sum(row.on in period for row in counted), shown))
    return tables


def told(tables: list[Published], counted: list[Counted], group: str) -> list[int]:
    """Return what an attacker computes of a group by adding and subtracting its shown counts, where it counts each day once."""
    found = []
    known = [table for table in tables if group in table.shown]
    for signs in product((-1, 0, 1), repeat=len(known)):
        times = [sum(sign for sign, table in zip(signs, known, strict=True) if on in table.period) for on in DAYS]
        counts = [row.group for row in counted if times[DAYS.index(row.on)]]
        if counts and set(times) <= {0, 1}:
            found.append(sum(sign * table.shown[group] for sign, table in zip(signs, known, strict=True)))
            assert found[-1] == counts.count(group)
    return found


@given(
    st.fixed_dictionaries({group: st.tuples(*[st.integers(0, 12)] * 4) for group in GROUPS}), st.permutations(PERIODS)
)
def test_no_sum_or_difference_tells_of_a_few(counts: dict[str, tuple[int, ...]], order: list[Period]) -> None:
    """Given any counts and any order of asking, then what can be computed of a group is never from zero to four."""
    counted = rows(**counts)
    tables = publish(counted, order)
    for group in GROUPS:
        assert all(count >= FEWEST for count in told(tables, counted, group))


@given(
    st.fixed_dictionaries({group: st.tuples(*[st.integers(0, 12)] * 4) for group in GROUPS}), st.permutations(PERIODS)
)
def test_suppressed_groups_do_not_follow_from_the_total(
    counts: dict[str, tuple[int, ...]], order: list[Period]
) -> None:
    """Given the total of a period, which other measures tell, then the suppressed groups are at least five together."""
    for table in publish(rows(**counts), order):
        hidden = table.total - sum(table.shown.values())
        assert not table.shown or len(table.shown) == len(GROUPS) or hidden >= FEWEST


def test_an_answer_that_would_single_out_a_few_beside_an_earlier_one_is_suppressed() -> None:
    """Given three quarters, when the year would tell of two children in the fourth, then it does not; asked first, it is told."""
    counted = rows(WHITE=(9, 9, 9, 2), BLACK=(8, 8, 8, 8), ASIAN=(7, 7, 7, 7))
    year = PERIODS[-1]
    *_, after = publish(counted, [*PERIODS[:3], year])
    assert "WHITE" not in after.shown
    first, *_, third = publish(counted, [year, *PERIODS[:3]])
    assert first.shown["WHITE"] == 29
    assert "WHITE" not in third.shown


def test_many_disposals_of_one_child_are_few() -> None:
    """Given nine disposals of one child, then their group is not shown, nor so many that it alone is left."""
    counted = rows(WHITE=(9,), BLACK=(9,), ASIAN=(9,))
    one = [Counted(UUID(int=10**6), row.on, row.group) if row.group == "WHITE" else row for row in counted]
    assert Counter(row.group for row in one)["WHITE"] == 9
    assert publish(one, PERIODS[:1])[0].shown == {"BLACK": 9}


def test_a_late_record_beside_all_quarters_is_not_told() -> None:
    """Given four published quarters and one more record, then the year less its quarters does not tell its group."""
    counted = rows(WHITE=(9, 9, 9, 9), BLACK=(9, 9, 9, 9), ASIAN=(9, 9, 9, 9), NOT_KNOWN=(9, 9, 9, 9))
    quarters = publish(counted, PERIODS[:4])
    assert all(set(table.shown) == GROUPS for table in quarters)
    late = [*counted, Counted(UUID(int=10**6), DAYS[0], "WHITE")]
    year = PERIODS[-1]
    assert shown_counts(counted, year, GROUPS, quarters, FEWEST) == dict.fromkeys(GROUPS, 36)
    assert shown_counts(late, year, GROUPS, quarters, FEWEST) == {}
