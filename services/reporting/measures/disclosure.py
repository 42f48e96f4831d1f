"""Which counts of a table may be shown, alone and beside what was published before (statistical disclosure control).

After the guidance of the Government Statistical Service on tables from administrative sources: small counts are
suppressed (primary suppression), then the smallest of the others until the suppressed ones do not follow from the total,
which other measures tell (secondary suppression). A year less its quarters is a table too, and must pass the same test.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from uuid import UUID

from services.reporting.measures.period import Period


@dataclass(frozen=True, slots=True)
class Counted:
    """A counted record: its child, day and group."""

    child: UUID
    on: date
    group: str


@dataclass(frozen=True, slots=True)
class Published:
    """A table that was published: its period, the number of all that counted in it, and the counts that were shown."""

    period: Period
    total: int
    shown: Mapping[str, int]


def shown_counts(
    rows: Sequence[Counted], period: Period, groups: Collection[str], published: Iterable[Published], fewest: int
) -> dict[str, int]:
    """Return the counts of a period that may be shown; those of the other groups are suppressed.

    Args:
        rows: all that count in the year of the period.
        period: a quarter or a year.
        groups: every group of the table.
        published: the tables of the same year that are known already.
        fewest: the fewest children that a shown count is about.

    """
    shown = dict(Counter(row.group for row in rows if row.on in period))
    total = sum(shown.values())
    while True:
        tables = _tables(Published(period, total, shown), published)
        hidden = next(filter(None, (_telling(rows, *table, groups, fewest) for table in tables)), None)
        if hidden is None:
            return shown
        for group in hidden:
            del shown[group]


def _tables(new: Published, published: Iterable[Published]) -> Iterator[tuple[Published, tuple[Published, ...]]]:
    """Yield every table that a new one tells: itself, and each whole less some of its parts, if one of them is new."""
    tables = [*published, new]
    for whole in tables:
        parts = [
            table
            for table in tables
            if table is not whole and table.period.first in whole.period and table.period.last in whole.period
        ]
        for n in range(len(parts) + 1):
            yield from ((whole, some) for some in combinations(parts, n) if new in (whole, *some))


def _telling(
    rows: Sequence[Counted], whole: Published, parts: tuple[Published, ...], groups: Collection[str], fewest: int
) -> list[str]:
    """Return the groups to hide so that no difference of a whole and its parts counts few children; empty: none."""
    left = {
        group: count - sum(part.shown[group] for part in parts)
        for group, count in whole.shown.items()
        if all(group in part.shown for part in parts)
    }
    total = whole.total - sum(part.total for part in parts)
    if parts and total == 0 and not any(left.values()):
        return []
    children: dict[str, set[UUID]] = {group: set() for group in groups}
    for row in rows:
        if row.on in whole.period and not any(row.on in part.period for part in parts):
            children[row.group].add(row.child)
    small = [group for group in left if min(left[group], len(children[group])) < fewest]
    if small or not left or len(left) == len(groups):
        return small
    others = set[UUID]().union(*(children[group] for group in groups if group not in left))
    if min(total - sum(left.values()), len(others)) < fewest:
        return [min(left, key=lambda group: (len(children[group]), group))]
    return []
