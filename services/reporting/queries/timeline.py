"""The timeline of a case across the services: each event with its sentence, both times and the links of its corrections."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field

from services.reporting.projection.as_of import histories_of
from services.reporting.projection.fold import Stream
from services.reporting.projection.read_models import READ_MODELS, SUMMARIES
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.cases import records_of_case
from services.reporting.queries.freshness import Projected
from services.reporting.queries.restriction import withheld_from
from services.reporting.queries.visibility import Reader
from services.trade.summary import Summary
from shared.api.history_view import history_view
from shared.api.schemas import ActorLine, Schema, SealedField
from shared.domain.decider import history_at
from shared.domain.envelope import Fact, Origin
from shared.domain.permissions import Denial
from shared.domain.sealing import FieldClass
from shared.privacy.disclosure import concerned, disclose, undisclosed
from shared.privacy.keyring import Keyring

PAGE: Final = 100

ORDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "occurred_at": ("occurred_at", "recorded_at", "service", "position"),
    "recorded_at": ("recorded_at", "service", "position"),
}
"""Each order of the timeline, with the members of a line by which it sorts."""


class Note(SealedField):
    """A sealed field of an event as it was recorded: with its value, or sealed, or forgotten."""

    field_class: str | None = Field(alias="class", description="The class by which roles may read it.")
    value: Any = None
    sealed: Literal[True] | None = Field(default=None, description="Present if the reader's role may not read it.")
    forgotten: Literal[True] | None = Field(default=None, description="Present if its key was destroyed.")


class TimelineLine(Schema):
    """An event of a case, with its sentence, both times, actor and origin. `position` is that of its service."""

    service: str = Field(description="The service that recorded it.")
    stream: UUID = Field(description="The id of the record.")
    version: int = Field(description="The version of the record after the event, from 1.")
    position: int = Field(description="Its position in the service's event store, from 1.")
    event_id: UUID
    type: str = Field(description="The name of the event.")
    sentence: str = Field(description="The event in plain English, as it was recorded.")
    corrected_sentence: str | None = Field(
        description="The same with its corrections; null if they leave the sentence as it is."
    )
    occurred_at: datetime = Field(description="When it happened, in UTC.")
    recorded_at: datetime = Field(description="When it was recorded, in UTC.")
    late: bool = Field(description="Whether an event with a later occurrence was recorded before it.")
    actor: ActorLine
    origin: Origin = Field(
        description="A person or service, a reaction, or an import: then with the SHA-256 of the file and the row in it."
    )
    rules: list[str] = Field(description="The rules that were judged.")
    notes: list[Note] = Field(description="The sealed fields, and the rationales of rules.")
    command_id: UUID = Field(description="The command that it was recorded by.")
    causation_id: UUID | None = Field(description="The event that it follows from by a reaction.")
    corrects: UUID | None = Field(description="The event that a correction corrects.")
    corrected_by: list[UUID] = Field(description="The corrections of it that were known.")


class Events(Projected):
    """Events of a case, as far as the reader may see them."""

    case_id: UUID
    withheld: list[str] = Field(
        description="Services of whose records the reader may see the state and not the history."
    )
    events: list[TimelineLine]


class Timeline(Events):
    """A page of the timeline of a case, by both times (`as_of`, `known_at`)."""

    as_of: datetime | None
    known_at: datetime | None
    order: str
    page: int
    page_size: int
    total: int


class Changes(Events):
    """The first events of a case after some positions, in the order of their recording."""

    after: dict[str, int]
    next: dict[str, int] = Field(description="The positions after which to ask next: no event is missed or repeated.")
    more: bool = Field(description="Whether further events have been recorded already.")


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer with values of sealed fields, and the classes of these for the access log, by record."""

    answer: dict[str, Any]
    classes: Mapping[str, frozenset[FieldClass]]


async def timeline(
    pool: Pool,
    reader: Reader,
    case_id: UUID,
    keyring: Keyring,
    *,
    reason: str | None = None,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    order: str = "occurred_at",
    page: int = 1,
) -> Opened | Denial | None:
    """Return a page of the events of a case by both times, in an order of `ORDERS`; None if nothing is known of it.

    They are those whose history the owning services would show to the reader, with the values that these would show for
    this reason. Raises `KeyringUnavailable`, `UnusableKey` or `TamperedToken`.
    """
    async with snapshot(pool) as connection:
        of_case = await _lines(connection, reader, case_id, as_of, known_at)
        if of_case is None or isinstance(of_case, Denial):
            return of_case
        reached = await positions(connection, READ_MODELS, known_at)
    page_lines = _ordered(of_case.lines, order)[(page - 1) * PAGE : page * PAGE]
    opened = await open_notes(pool, page_lines, of_case.histories, reader, reason, keyring)
    answer = {
        "case_id": str(case_id),
        "as_of": None if as_of is None else as_of.isoformat(),
        "known_at": None if known_at is None else known_at.isoformat(),
        "order": order,
        "page": page,
        "page_size": PAGE,
        "total": len(of_case.lines),
        "positions": reached,
        "withheld": of_case.withheld,
        "events": page_lines,
    }
    return Opened(answer, opened)


async def changes(
    pool: Pool, reader: Reader, case_id: UUID, after: Mapping[str, int], keyring: Keyring, *, reason: str | None = None
) -> Opened | Denial | None:
    """Return the first events of a case after a position of each service, 0 if none is given; the rest as in `timeline`."""
    async with snapshot(pool) as connection:
        of_case = await _lines(connection, reader, case_id, None, None)
        if of_case is None or isinstance(of_case, Denial):
            return of_case
        reached = await positions(connection, READ_MODELS)
    # Events after a gap of the projection come with a later question.
    since = _ordered(
        [
            line
            for line in of_case.lines
            if after.get(line["service"], 0) < line["position"] <= reached[line["service"]]
        ],
        "recorded_at",
    )
    # Within a service the order of recording is that of positions, so the first of each service's events are here.
    left = since[PAGE:]
    next_ = {service: max(position, after.get(service, 0)) for service, position in reached.items()}
    for line in reversed(left):
        next_[line["service"]] = line["position"] - 1
    page_lines = since[:PAGE]
    opened = await open_notes(pool, page_lines, of_case.histories, reader, reason, keyring)
    answer = {
        "case_id": str(case_id),
        "after": dict(after),
        "next": next_,
        "more": bool(left),
        "positions": reached,
        "withheld": of_case.withheld,
        "events": page_lines,
    }
    return Opened(answer, opened)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a case in no order, the services whose history is withheld, and the whole histories of its streams."""

    lines: list[dict[str, Any]]
    withheld: list[str]
    histories: Mapping[Stream, Sequence[Fact]]


async def _lines(
    connection: Connection, reader: Reader, case_id: UUID, as_of: datetime | None, known_at: datetime | None
) -> _Lines | Denial | None:
    """Return the lines of a case, with every sealed field closed."""
    records = await records_of_case(connection, reader, case_id, "history", ever=True)
    if records is None or isinstance(records, Denial):
        return records
    streams = [(row["service"], row["stream"]) for row in records.rows]
    lines: list[dict[str, Any]] = []
    histories = await histories_of(connection, streams)
    for (service, stream), history in histories.items():
        facts = history_at(history, as_of=as_of, known_at=known_at)
        recorded = {fact.event_id: fact for fact in history}
        pairs = [(recorded[fact.event_id], fact) for fact in facts]
        own = set(SUMMARIES.get(service, Summary).events_for_case(pairs, case_id))
        lines += [
            line
            for line in lines_of((service, stream), history, reader, as_of=as_of, known_at=known_at)
            if UUID(line["event_id"]) in own
        ]
    states = await records_of_case(connection, reader, case_id, "state", ever=False)
    readable = set() if states is None or isinstance(states, Denial) else {row["service"] for row in states.rows}
    return _Lines(lines, sorted(readable - {service for service, _ in streams}), histories)


async def open_notes(
    pool: Pool,
    lines: Sequence[dict[str, Any]],
    histories: Mapping[Stream, Sequence[Fact]],
    reader: Reader,
    reason: str | None,
    keyring: Keyring,
) -> dict[str, frozenset[FieldClass]]:
    """Give the notes of some lines the values that the reader may see; return the classes of these by record.

    If the processing of somebody is restricted, their fields and the free texts of the case stay closed.
    """
    by_stream: dict[Stream, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_stream[line["service"], UUID(line["stream"])].append(line)
    opened: dict[str, frozenset[FieldClass]] = {}
    for (service, stream), stream_lines in by_stream.items():
        model = READ_MODELS[service]
        classes = reader.permission(service).classes(reason)
        events = {UUID(line["event_id"]) for line in stream_lines}
        withheld = await _withheld(pool, reader, service, histories[service, stream])
        disclosure = await disclose(model.events, histories[service, stream], classes, keyring, events, withheld)
        facts = {str(fact.event_id): fact for fact in disclosure.facts}
        for line in stream_lines:
            fields = disclosure.fields_of(facts[line["event_id"]])
            line["notes"] = [note | fields[note["field"]] for note in line["notes"]]
        opened[f"{service}/{stream}"] = disclosure.opened
    return opened


async def _withheld(pool: Pool, reader: Reader, service: str, history: Sequence[Fact]) -> frozenset[str]:
    """Return the owners of sealed fields that stay closed to a reader, as the owning service withholds them."""
    homes = concerned(READ_MODELS[service].events, history)
    restricted = {person for _, person in await withheld_from(reader, pool, {(service, person) for person in homes})}
    return frozenset[str]().union(
        {f"person/{person}" for person in restricted}, *(homes[person] for person in restricted)
    )


def lines_of(
    stream: Stream, history: Sequence[Fact], reader: Reader, **times: datetime | None
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a stream's events, with every sealed field closed."""
    events, permission = READ_MODELS[stream[0]].events, reader.permission(stream[0])
    for line in history_view(events, undisclosed(events, history), permission=permission, **times):
        members = {name: line.get(name) for name in TimelineLine.model_fields}
        yield members | {"service": stream[0], "stream": str(stream[1])}


def _ordered(lines: Sequence[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """Sort lines; both times are ISO 8601 in UTC, whose texts sort as the times do."""
    return sorted(lines, key=lambda line: tuple(line[name] for name in ORDERS[order]))
