"""How the children of the population lived when their programmes started and ended, and what they needed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

from services.disposal.summary import DisposalSummary
from services.people.summary import CircumstanceSummary, PersonSummary
from services.reporting.measures.definition import WORDS, Dataset, Measure
from services.reporting.measures.kpi6 import COLUMNS
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import Programme, population, programme_ends
from shared.domain.policy import Policy

MOMENTS: Final = ("start", "end")
VERDICTS: Final = ("suitable", "unsuitable", "not_recorded")


@dataclass(frozen=True, slots=True)
class Then:
    """What is recorded of a child on a day, or in days until one."""

    child: DisposalSummary
    on: date
    items: tuple[CircumstanceSummary, ...]

    @property
    def verdict(self) -> str:
        """Suitable only if each item is: one of which nobody has said so makes it unsuitable."""
        return "not_recorded" if not self.items else VERDICTS[not all(item.suitable for item in self.items)]


@dataclass(frozen=True, slots=True)
class Standing:
    """A child of the population, when the programme started, during it, and when it ended, and all that is recorded of the child."""

    programme: Programme
    at: Mapping[str, Then]
    items: tuple[CircumstanceSummary, ...]

    @property
    def summary(self) -> DisposalSummary:
        return self.programme.summary


Labels = Callable[[Then, Policy], Iterable[str]]
"""Which of the labels of a table a child has then."""
Tables = Mapping[str, tuple[str | Sequence[str], Labels]]
"""The tables by name. The labels of each are listed, or are those of a value of policy."""
Count = Callable[[Sequence[Standing]], dict[str, int]]


def codes_in_groups(field: str, groups: str) -> Labels:
    def labels(then: Then, policy: Policy) -> Iterable[str]:
        codes = {getattr(item, field) for item in then.items}
        return [group for group, members in policy.table(groups).items() if codes & set(members)]

    return labels


def standings(field: str, dataset: Dataset, period: Period) -> list[Standing]:
    """Return the population of a period; `at` holds what is recorded in this field."""
    items: dict[object, list[CircumstanceSummary]] = {}
    for person in dataset.all_of(PersonSummary):
        items.setdefault(person.subject, []).extend(person.circumstances)

    def standing(row: Programme) -> Standing:
        recorded, (start, end) = tuple(items.get(row.summary.subject, ())), (row.starts_on, row.ended_on)
        said = [one for one in recorded if getattr(one, field) is not None]
        days = {"start": (start, start), "during": (start, end), "end": (end, end)}
        at = {
            when: Then(row.summary, last, tuple(one for one in said if one.stands(first, last)))
            for when, (first, last) in days.items()
        }
        return Standing(row, at, recorded)

    return [standing(row) for row in population(dataset, period)]


def _count(rows: Sequence[Standing]) -> dict[str, int]:
    return {"children": len(rows)} | {
        f"{verdict}_at_{moment}": sum(row.at[moment].verdict == verdict for row in rows)
        for moment in MOMENTS
        for verdict in VERDICTS
    }


def by_order(count: Count, rows: Sequence[Standing]) -> dict[str, dict[str, int]]:
    return {column: count([row for row in rows if row.programme.column == column]) for column in COLUMNS}


def _aggregate(tables: Tables, rows: Sequence[Standing], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count by verdict: all, by kind of order, and for each table by the labels that a child has then."""
    policy = dataset.policy.on(period.last)

    def counted(names: str | Sequence[str], labels: Labels, moment: str) -> dict[str, dict[str, int]]:
        those = [row.at[moment] for row in rows]
        found = Counter(
            (label, what) for one in those for label in labels(one, policy) for what in ("children", one.verdict)
        )
        listed = policy.table(names) if isinstance(names, str) else names
        return {label: {what: found[label, what] for what in ("children", *VERDICTS[:2])} for label in listed}

    return {
        **_count(rows),
        "by_order": by_order(_count, rows),
        **{
            table: {moment: counted(names, labels, moment) for moment in MOMENTS}
            for table, (names, labels) in tables.items()
        },
    }


def verdicts_of(field: str, tables: Tables, *, columns: Mapping[str, str], **more: Any) -> Measure[Standing]:
    """Return the measure that counts by verdict the circumstances that have this field."""
    columns = {**WORDS["circumstances"]["verdicts"], **columns}
    return measure_of(field, partial(_aggregate, tables), columns=columns, **more)


def measure_of(
    field: str,
    aggregate: Callable[[Sequence[Standing], Dataset, Period], dict[str, Any]],
    *,
    definition: str,
    columns: Mapping[str, str],
    **more: Any,
) -> Measure[Standing]:
    """Return a measure of the population; `at` holds what is recorded in this field."""
    shared = WORDS["circumstances"]
    return Measure(
        definition=definition.format_map(shared),
        reads=frozenset({"disposal", "people"}),
        days=programme_ends,
        select=partial(standings, field),
        aggregate=aggregate,
        needs_subjects=True,
        groupings={"area": lambda row: row.summary.counted_in},
        small_numbers=shared["small_numbers"],
        columns={**shared["columns"], **columns},
        **more,
    )
