"""What a measure is: words that define it, what it reads, and two pure functions, one that finds and one that counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from services.reporting.period import Period
from services.reporting.policy import POLICY
from services.reporting.summaries import (
    ConferenceSummary,
    DisposalSummary,
    ReferralSummary,
    SessionSummary,
    Summary,
)
from services.reporting.summaries.disposal import SealedTexts
from shared.domain.duties import Duty
from shared.domain.policy import Policy, PolicyBook

Row = TypeVar("Row")
R = TypeVar("R", bound=Summary)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Where a piece of work stands: its state, whether anything is left to do, who has it, and all its duties."""

    service: str
    record: Summary
    state: str
    open: bool
    duties: tuple[Duty, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Everything that a measure may count from, cut by both times already.

    `ethnicities` are the words of each child's recorded ethnicity, where a grant of keys opened them for this question.
    """

    records: Sequence[Summary] = ()
    standings: Sequence[WorkItem] = ()
    ethnicities: Mapping[SealedTexts, str] | None = None
    policy: PolicyBook = field(default=POLICY)

    def on(self, day: date) -> Policy:
        """The policy of a day."""
        return self.policy.on(day)

    def _of(self, kind: type[R]) -> tuple[R, ...]:
        return tuple(record for record in self.records if isinstance(record, kind))

    @cached_property
    def referrals(self) -> tuple[ReferralSummary, ...]:
        """Every referral."""
        return self._of(ReferralSummary)

    @cached_property
    def disposals(self) -> tuple[DisposalSummary, ...]:
        """Every disposal case."""
        return self._of(DisposalSummary)

    @cached_property
    def conferences(self) -> tuple[ConferenceSummary, ...]:
        """Every conference."""
        return self._of(ConferenceSummary)

    @cached_property
    def sessions(self) -> tuple[SessionSummary, ...]:
        """Every education session."""
        return self._of(SessionSummary)


Grouping = Callable[[Any], str | None]

NOT_RECORDED: Final = "NOT_RECORDED"
"""The group of rows of which the grouping says nothing."""


@dataclass(frozen=True)
class Measure(Generic[Row]):
    """A measure of the catalogue. `version` rises with every change of its definition, and stands in each answer."""

    name: str
    version: str
    definition: str
    source: str
    reads: frozenset[str]
    """The services whose streams it counts."""
    rows: Callable[[Dataset, Period], Sequence[Row]]
    """What is counted in a period."""
    count: Callable[[Sequence[Row], Dataset, Period], dict[str, Any]]
    """The columns of the answer."""
    groupings: Mapping[str, Grouping]
    """By what the answer may be broken down."""
    standings: bool = False
    """Whether it needs states and duties at the end of the period, beside the records."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What each column says, in words."""
