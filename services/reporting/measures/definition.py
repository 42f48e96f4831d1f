"""A measure: the words of its definition, the services that it reads, and two pure functions, `select` and `aggregate`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from services.disposal.summary import SealedTexts
from services.reporting.measures.disclosure import Published
from services.reporting.measures.period import Period
from services.reporting.measures.policy import POLICY
from services.system.registry import DECIDING
from services.trade.summary import Summary
from shared.domain.declared import read_beside
from shared.domain.policy import PolicyBook

Row = TypeVar("Row")
R = TypeVar("R", bound=Summary)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Work to be done at the end of a period: one stream, or as many of the same service, state, area and officer."""

    service: str
    stream: UUID | None
    """None if it stands for streams that are counted together."""
    state: str
    open: bool
    """Whether anything is left to do."""
    is_work: bool
    area: str | None = None
    officer: UUID | None = None
    overdue: int = 0
    streams: int = 1


@dataclass(frozen=True, slots=True)
class Dataset:
    """All that a measure may count from, as of both times.

    `ethnicities` holds the text of each child's recorded ethnicity, if a grant of keys opened it for this question;
    `published` the tables of the same year that are known already. Both are for measures of a protected characteristic.
    """

    summaries: Sequence[Summary] = ()
    work_items: Sequence[WorkItem] = ()
    ethnicities: Mapping[SealedTexts, str] | None = None
    published: Sequence[Published] = ()
    policy: PolicyBook = field(default=POLICY)

    def all_of(self, kind: type[R]) -> list[R]:
        return [summary for summary in self.summaries if isinstance(summary, kind)]


def count_by_age(
    bands: Mapping[str, Sequence[int]],
    rows: Iterable[Row],
    age: Callable[[Row], int],
    count: Callable[[list[Row]], Any] = len,
) -> dict[str, Any]:
    """Count the rows of each band of ages in years, its first and last included."""
    kept = list(rows)
    return {band: count([row for row in kept if first <= age(row) <= last]) for band, (first, last) in bands.items()}


Grouping = Callable[[Any], str | None]

EVERY_SERVICE: Final = frozenset(entry.name for entry in DECIDING)
"""The services of a measure that reads them all."""

NOT_RECORDED: Final = "NOT_RECORDED"
"""The group of rows for which the grouping has no value."""


WORDS: Final[Mapping[str, Any]] = read_beside(__file__, "words.toml")


def words_of(name: str) -> dict[str, Any]:
    """Return the name of a measure, and what words.toml says of it: version, definition, source, small numbers, columns.

    Raises LookupError if it says nothing.
    """
    if name not in WORDS:
        raise LookupError(f"services/reporting/measures/words.toml says nothing of the measure {name}: add [{name}]")
    return {"name": name, **WORDS[name]}


@dataclass(frozen=True)
class Measure(Generic[Row]):
    """A measure of the catalogue. `version` rises with every change of its definition, and stands in each answer."""

    name: str
    version: str
    definition: str
    source: str
    reads: frozenset[str]
    days: Callable[[Any], Iterable[date | None]]
    """The days of a summary by which `select` finds it; None: not reached. A summary that has none in the period is not given to it."""
    select: Callable[[Dataset, Period], Sequence[Row]]
    aggregate: Callable[[Sequence[Row], Dataset, Period], dict[str, Any]]
    groupings: Mapping[str, Grouping]
    """The groupings that a question may ask for, each with a row's group."""
    small_numbers: str
    """What becomes of a count of few children, and why."""
    needs_subjects: bool = False
    """Whether it also needs what was recorded, on any day, of the persons that it finds in the period."""
    needs_work_items: bool = False
    """Whether it needs states and duties at the end of the period, beside the summaries."""
    sealed_texts: Callable[[Dataset, Period], Sequence[SealedTexts]] | None = None
    """The sealed ethnicities that a grant of keys opens for the question; None: it reads none. A measure that reads some is
    of a protected characteristic: it is counted once for a quarter or a year, and published."""
    counts: Callable[[Dataset, Period], Mapping[str, int]] | None = None
    """Of a measure of a protected characteristic: the counts that may be shown, by group."""
    withheld: frozenset[str] = frozenset()
    """The versions whose frozen answers are shown no longer, since they count few children."""
    columns: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None
    headline: Mapping[str, str] = field(default_factory=dict)
    """The names of the counts that are its figure: `of` so many, and `over` how many if it is a share."""

    def rows(self, dataset: Dataset, period: Period) -> Sequence[Row]:
        """Select the rows of a period, of the summaries with a declared day in it: tables are searched by the same days.

        With `needs_subjects`, the other summaries of their subjects, and those that they follow, are given too.
        """
        counted = [summary for summary in dataset.summaries if summary.is_counted]
        summaries = [summary for summary in counted if any(day in period for day in self.days(summary))]
        if self.needs_subjects:
            streams = {summary.stream for summary in summaries} | {summary.follows for summary in summaries}
            subjects = {summary.subject for summary in summaries} - {None}
            summaries = [summary for summary in counted if summary.stream in streams or summary.subject in subjects]
        return self.select(replace(dataset, summaries=summaries), period)
