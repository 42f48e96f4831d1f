"""One stream, folded: its owner's view, its duties, and the summary that measures count from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

from services.reporting.measures import WorkItem
from services.reporting.read_models import READ_MODELS
from services.reporting.summaries import LapsedDuty, Summary, summary_type
from shared.domain.decider import check_gapless, history_at
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from shared.domain.permissions import AccessFacts

Stream = tuple[str, UUID]
"""A stream: its service and its id."""


@dataclass(frozen=True)
class Folded:
    """A stream as its facts make it, by both times. `last` is its latest fact by version, cut or not."""

    service: str
    last: Fact
    view: Mapping[str, Any]
    duties: tuple[Duty, ...]
    summary: Summary
    begun_at: datetime | None
    """When the first of its facts was recorded, cut or not."""
    opened_at: datetime
    updated_at: datetime
    """When the last of its facts occurred: as of then and later it stands as it stands now."""
    find_access: Callable[[], AccessFacts] = field(repr=False, compare=False)
    """Finds what access to it depends on: no measure and no sheet does, and it costs as much as the fold."""
    recorded_at: datetime | None
    """When the last of its facts was recorded: known then and later it stands as it stands now."""

    @cached_property
    def access(self) -> AccessFacts:
        """What access to it depends on: of every fact, cut or not."""
        return self.find_access()

    @property
    def state(self) -> str:
        """The stage that the service of the stream shows, such as ACTIVE."""
        return str(self.view["state"])

    @property
    def open(self) -> bool:
        """Whether anything is left to do in the stream."""
        return READ_MODELS[self.service].is_open(self.view)

    def work_item(self, day: date) -> WorkItem:
        """Return the stream as a work item at the end of a day."""
        summary = self.summary
        return WorkItem(
            service=self.service,
            stream=summary.stream,
            state=self.state,
            open=self.open,
            is_work=summary.is_work,
            area=summary.area,
            officer=summary.officer,
            overdue=sum(duty.is_shown(day) and duty.overdue(day) for duty in self.duties),
        )


def service_of(fact: Fact) -> str:
    """Return the service whose stream a fact belongs to."""
    return fact.envelope.stream.partition("/")[0]


def fold(
    history: Sequence[Fact],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    last_position: int | None = None,
) -> Folded | None:
    """Fold a whole history as of both times, up to a position; None where nothing had begun. Raises `BrokenHistory`."""
    read_model = READ_MODELS[service_of(history[0])]
    counted = [fact for fact in history if last_position is None or (fact.position or 0) <= last_position]
    shown = history_at(counted, as_of=as_of, known_at=known_at)
    find_access = partial(AccessFacts.of_history, read_model.events, history)
    return _folded(history, shown, read_model.decider.fold(shown), find_access)


def _folded(
    history: Sequence[Fact], shown: Sequence[Fact], state: Any, find_access: Callable[[], AccessFacts]
) -> Folded | None:
    """Return what a state and the facts behind it make; None where nothing had begun."""
    service = service_of(history[0])
    read_model = READ_MODELS[service]
    summary = summary_type(service).summarise(shown) if shown else None
    if state is None or summary is None:
        return None
    duties = tuple(read_model.duties(state, read_model.policy.on))
    lapsed = tuple(LapsedDuty(duty=one.duty, on=one.lapsed_on) for one in duties if one.lapsed_on is not None)
    return Folded(
        service=service,
        last=history[-1],
        view=read_model.view(state),
        duties=duties,
        summary=summary.model_copy(update={"lapsed": lapsed}) if lapsed else summary,
        begun_at=history[0].recorded_at,
        opened_at=shown[0].occurred_at,
        updated_at=max(fact.occurred_at for fact in shown),
        find_access=find_access,
        recorded_at=shown[-1].recorded_at,
    )


@dataclass(frozen=True)
class FoldedHistory:
    """A whole history and what it makes: further facts are folded onto it."""

    facts: tuple[Fact, ...]
    """As they were recorded."""
    corrected: tuple[Fact, ...]
    """The same with corrections applied."""
    state: Any
    folded: Folded

    @property
    def last(self) -> Fact:
        """The latest fact."""
        return self.facts[-1]

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> FoldedHistory:
        """Fold a whole history. Raises `BrokenHistory`."""
        read_model = READ_MODELS[service_of(facts[0])]
        corrected = history_at(facts)
        return cls._make(
            facts, corrected, read_model.decider.fold(corrected), AccessFacts.of_history(read_model.events, facts)
        )

    def extend(self, facts: Sequence[Fact]) -> FoldedHistory:
        """Fold further facts; after a correction the whole history anew, since it changes what is behind it.

        Raises `BrokenHistory`.
        """
        together = (*self.facts, *facts)
        if any(isinstance(fact.event, Correction) for fact in facts):
            return self.of(together)
        check_gapless(together)
        read_model = READ_MODELS[service_of(facts[0])]
        state = read_model.decider.fold(facts, self.state)
        access = self.folded.access.joined(read_model.events, facts)
        return self._make(together, (*self.corrected, *facts), state, access)

    @classmethod
    def _make(cls, facts: Sequence[Fact], corrected: Sequence[Fact], state: Any, access: AccessFacts) -> FoldedHistory:
        folded = _folded(facts, corrected, state, lambda: access)
        # A stream's first fact is always what opens it, so whatever has a fact has a state.
        assert folded is not None, facts[0].envelope.stream
        return cls(tuple(facts), tuple(corrected), state, folded)
