"""The summary of a stream: what every one has, and how a service's streams are summarised."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.messages import ValueObject


class LapsedDuty(ValueObject):
    """A duty that was not met when its stream was closed, and the day of that."""

    duty: str
    on: date


class Summary(ValueObject):
    """One stream, as measures and lists see it. `officer` is who has the work; `cases` are those that it belongs to."""

    stream: UUID
    home: UUID
    area: str | None = None
    officer: UUID | None = None
    cases: tuple[UUID, ...] = ()
    lapsed: tuple[LapsedDuty, ...] = ()

    @property
    def counted_days(self) -> list[date]:
        """The days on which it may count in a measure of a period."""
        return [duty.on for duty in self.lapsed]

    @property
    def subject(self) -> UUID | None:
        """The person by whom a measure finds what else is recorded of them."""
        return None

    @property
    def follows(self) -> UUID | None:
        """The record that it follows from, whose summary a measure reads with it."""
        return None

    @property
    def is_work(self) -> bool:
        """Whether the stream is a piece of work of its home, the case; a shared session is home to itself."""
        return self.home in self.cases


S = TypeVar("S", bound=Summary)


@dataclass(frozen=True, slots=True)
class CaseView:
    """The part of a shared stream that one of its cases shows."""

    view: Mapping[str, Any]
    hidden_items: frozenset[str] = frozenset()
    """The items of duties that concern other cases."""
    people: frozenset[UUID] | None = None
    """Who is named for this case; None: all whom the stream mentions."""


@dataclass(frozen=True, slots=True)
class SummaryType(Generic[S]):
    """The functions and the class by which the streams of a service are summarised."""

    service: str
    model: type[S]
    summarise: Callable[[Sequence[Fact]], S | None]
    """The summary of a history as of both times; None if nothing had begun."""
    view_for_case: Callable[[Mapping[str, Any], S, UUID], CaseView] | None = None
    """The part of the view that concerns a case; None: all of it."""
    events_for_case: Callable[[Sequence[tuple[Fact, Fact]], UUID], Collection[UUID]] | None = None
    """The ids of the events that concern a case, of pairs: a fact as recorded, and with its corrections. None: all."""


def common_fields(history: Sequence[Fact]) -> dict[str, Any]:
    """Return the fields that follow from a stream's first fact."""
    first = history[0]
    return {
        "stream": first.stream_id,
        "home": first.envelope.home,
        "area": first.envelope.labels.get("area"),
    }


def plain_summary(history: Sequence[Fact]) -> Summary:
    """Summarise a stream of which reporting knows no events: it belongs to its home, unless that is the stream itself."""
    first = history[0]
    cases = () if first.envelope.home == first.stream_id else (first.envelope.home,)
    return Summary(**common_fields(history), cases=cases)
