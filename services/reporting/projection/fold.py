"""The fold of one stream: its owner's view, its duties, and the summary that measures count from."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from services.reporting.measures import WorkItem
from services.reporting.projection.read_models import READ_MODELS
from services.trade.summary import LapsedDuty, Led, Summary, plain_summary
from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.duties import Duty
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.permissions import AccessFacts, Hold, marks_of
from shared.domain.persons import NOTHING_KNOWN, Known

Stream = tuple[str, UUID]
"""A stream: its service and its id."""

EVERYTHING: Final[Mapping[str, int]] = MappingProxyType({})
"""The positions of no service: nothing is cut."""


@dataclass(frozen=True)
class Folded:
    """A stream as its facts make it, by both times."""

    service: str
    history: Sequence[Fact] = field(repr=False, compare=False)
    """All of its facts, cut or not."""
    view: Mapping[str, Any]
    duties: tuple[Duty, ...]
    summary: Summary
    opened_at: datetime
    updated_at: datetime
    """The time at which its last fact occurred: later values of `as_of` change nothing."""
    recorded_at: datetime | None
    """The time at which its last fact was recorded: later values of `known_at` change nothing."""

    @property
    def last(self) -> Fact:
        """Its latest fact by version, cut or not."""
        return self.history[-1]

    @property
    def begun_at(self) -> datetime | None:
        """The time at which its first fact was recorded, cut or not."""
        return self.history[0].recorded_at

    @cached_property
    def access(self) -> AccessFacts:
        """What access to it depends on, of every fact: found when asked for, since it costs as much as the fold."""
        return AccessFacts.of_history(READ_MODELS[self.service].events, self.history)

    @property
    def state(self) -> str:
        """The stage that the service of the stream shows, such as ACTIVE."""
        return str(self.view["state"])

    @property
    def open(self) -> bool:
        return READ_MODELS[self.service].is_open(self.view)

    def work_item(self, day: date) -> WorkItem:
        summary = self.summary
        return WorkItem(
            service=self.service,
            stream=summary.stream,
            state=self.state,
            open=self.open,
            is_work=summary.is_work,
            area=summary.counted_in,
            officer=summary.officer,
            overdue=sum(duty.is_shown(day) and duty.overdue(day) for duty in self.duties),
        )


def split(streams: Iterable[Stream]) -> tuple[list[str], list[UUID]]:
    """Return streams as two columns, for PostgreSQL's `unnest`."""
    streams = list(streams)
    return [service for service, _ in streams], [stream for _, stream in streams]


def service_of(fact: Fact) -> str:
    return fact.envelope.stream.partition("/")[0]


def is_after(fact: Fact, positions: Mapping[str, int]) -> bool:
    """Tell whether an event lies after the position of its service; a service without one is not cut."""
    return (fact.position or 0) > positions.get(service_of(fact), math.inf)


def fold(
    history: Sequence[Fact],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    last_positions: Mapping[str, int] = EVERYTHING,
    known: Known = NOTHING_KNOWN,
) -> Folded | None:
    """Fold a whole history as of both times, up to positions, with what is `known` of its persons then.

    None if nothing had begun. Raises `BrokenHistory`.
    """
    if last_positions:
        known = Known([fact for fact in known.facts if not is_after(fact, last_positions)])
    counted = [fact for fact in history if not is_after(fact, last_positions)]
    shown = history_at(counted, as_of=as_of, known_at=known_at)
    service = service_of(history[0])
    read_model = READ_MODELS[service]
    known = known.at(as_of, known_at)
    state = read_model.decider.fold(shown, known=known)
    if state is None:
        return None
    summary: Summary = (read_model.summary or plain_summary)(state, shown[0])
    merged = {person: known.ids_of(person)[0] for person in sorted(known.merged)}
    duties = tuple(read_model.duties(state, read_model.policy.on))
    lapsed = tuple(LapsedDuty(duty=duty.duty, on=duty.lapsed_on) for duty in duties if duty.lapsed_on is not None)
    events = read_model.events
    led = tuple(_led(events, [fact for fact in shown if type(fact.event) in events.holding]))
    led_by = led[-1].by if led else None
    return Folded(
        service=service,
        history=history,
        view=read_model.view(state),
        duties=duties,
        summary=summary.model_copy(update={"lapsed": lapsed, "led_by": led_by, "led": led, "merged": merged}),
        opened_at=shown[0].occurred_at,
        updated_at=max(fact.occurred_at for fact in shown),
        recorded_at=shown[-1].recorded_at,
    )


def _led(events: EventRegistry, moves: Iterable[Fact]) -> Iterator[Led]:
    """Yield who led a stream after each of the facts by which others hold it, and hold it no more."""
    marks: frozenset[str] = frozenset()
    for fact in moves:
        marks |= frozenset(marks_of(events, fact))
        leader = next((hold.label for hold in Hold.standing(marks) if hold.leads), None)
        yield Led(by=leader, since=local_day(fact.occurred_at))
