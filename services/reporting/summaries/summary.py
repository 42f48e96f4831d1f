"""The summary of a stream: what every one has, and how a service's streams are summarised."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from services.trade.summary import CaseView, Summary, common_fields
from shared.domain.envelope import Fact

S = TypeVar("S", bound=Summary)


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


def first_fields(history: Sequence[Fact]) -> dict[str, Any]:
    return common_fields(history[0])
