"""Storage of other services' marks and events by home, for the worker that reads their topics.

The access table and rules read them from the event store (`EventStore.linked_marks`, `EventStore.kept_events`).
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from shared.domain.envelope import EventRegistry
from shared.domain.permissions import labelled, marks_of
from shared.domain.service import Service
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.servers.database import Connection


async def keep_linked_marks(connection: Connection, service: Service[Any], records: Iterable[ConsumedEvent]) -> None:
    """Store the marks that others' events give their homes; a repeat changes nothing. Raises `UnknownEvent`."""
    if marks := marks_in(service, records):
        await connection.execute(_MARK, *zip(*sorted(marks), strict=True))


def marks_in(service: Service[Any], records: Iterable[ConsumedEvent]) -> set[tuple[UUID, str]]:
    """Return home and mark of each mark in these events that a service keeps. Raises `UnknownEvent`."""
    marking = {stem: book for book in service.linked for stem in _stems(book, book.marks)}
    marks_by_home: set[tuple[UUID, str]] = set()
    for record in records:
        book = marking.get(record.type.rpartition(".v")[0])
        if book is not None:
            fact = record.fact(book)
            marks_by_home |= {
                (fact.envelope.home, labelled(f"{book.service}.{mark}", fact.envelope.labels, service.inherited_labels))
                for mark in marks_of(book, fact)
            }
    return marks_by_home


_MARK: Final = """
    with given as (select * from unnest($1::uuid[], $2::text[]) as g (home, mark))
    insert into linked_mark (home, mark, for_older) select home, mark, false from given
    union all select distinct home, split_part(mark, '@', 1), true from given where mark like '%@%'
    on conflict do nothing
"""
_KEEP: Final = """
    insert into kept_event (home, service, position, recorded_at, stream, version, event_id, type, hash, body)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing
"""


async def keep_events(connection: Connection, service: Service[Any], records: Iterable[ConsumedEvent]) -> None:
    """Store the events that a service keeps, sealed as they came; a repeat changes nothing. Raises `UnknownEvent`."""
    if rows := copies_in(service, records):
        await connection.executemany(_KEEP, rows)


def copies_in(service: Service[Any], records: Iterable[ConsumedEvent]) -> list[tuple[Any, ...]]:
    """Return the rows of those events that a service keeps, each with the id first under which it is kept. Raises `UnknownEvent`."""
    return [
        (
            home,
            book.service,
            record.position,
            record.recorded_at,
            record.stream,
            record.version,
            record.event_id,
            record.type,
            record.hash,
            record.body,
        )
        for record in records
        if (book := service.book_of_kept(record.type)) is not None
        for home in sorted(service.kept_under(record.fact(book)))
    ]


PAGE: Final = 5_000
_EVENTS: Final = """
    select position, recorded_at, stream, version, event_id, type, hash, body from event
    where position > $1 and type like any($2::text[]) order by position limit $3
"""


async def read_linked(
    service: Service[Any], stores: Mapping[str, Connection]
) -> AsyncIterator[tuple[EventRegistry, list[ConsumedEvent]]]:
    """Yield, in pages, the events in others' stores of which a service stores marks or copies, with their book."""
    for book in {book.service: book for book in (*service.linked, *service.kept)}.values():
        marking = book.marks if book in service.linked else ()
        kept = {*service.keeps, *service.keeps_of_people}.intersection(book.events)
        types = [f"{stem}.v%" for stem in _stems(book, {*marking, *kept})]
        after = 0
        while rows := await stores[book.service].fetch(_EVENTS, after, types, PAGE):
            after = rows[-1]["position"]
            topic = f"{book.namespace}.{book.service}.events"
            yield book, [ConsumedEvent(topic, 0, 0, None, (), **dict(row)) for row in rows]


async def link_again(connection: Connection, service: Service[Any], stores: Mapping[str, Connection]) -> None:
    """Store marks and events from others' event stores that the worker lacks, or that an older release did not keep."""
    async for _, records in read_linked(service, stores):
        await keep_linked_marks(connection, service, records)
        await keep_events(connection, service, records)


def _stems(book: EventRegistry, types: Iterable[type[Any]]) -> list[str]:
    return [book.type_name(cls).rpartition(".v")[0] for cls in types]
