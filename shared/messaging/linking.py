"""What a worker stores of other services' records, by home, as it reads the topics: marks, and events as they are.

The event store gives them to whoever asks (`EventStore.linked_marks`, `EventStore.kept_events`): the access table, and rules.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from shared.database import Connection
from shared.domain.envelope import EventRegistry
from shared.domain.permissions import marks_of
from shared.domain.service import Service
from shared.messaging.consumer.consumed_event import ConsumedEvent


async def keep_linked_marks(
    connection: Connection, books: Sequence[EventRegistry], records: Iterable[ConsumedEvent]
) -> None:
    """Store the marks that events of these books give their homes; a repeat changes nothing. Raises `UnknownEvent`."""
    marking = {book.type_name(event).rpartition(".v")[0]: book for book in books for event in book.marks}
    marks_by_home: set[tuple[UUID, str]] = set()
    for record in records:
        book = marking.get(record.type.rpartition(".v")[0])
        if book is not None:
            fact = record.fact(book)
            marks_by_home |= {(fact.envelope.home, f"{book.service}.{mark}") for mark in marks_of(book, fact)}
    if marks_by_home:
        await connection.execute(_MARK, *zip(*sorted(marks_by_home), strict=True))


_MARK: Final = (
    "insert into linked_mark (home, mark) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing"
)
_KEEP: Final = """
    insert into kept_event (home, service, position, recorded_at, stream, version, event_id, type, hash, body)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing
"""


async def keep_events(connection: Connection, service: Service[Any], records: Iterable[ConsumedEvent]) -> None:
    """Store the events that a service keeps, sealed as they came; a repeat changes nothing. Raises `UnknownEvent`."""
    rows = [
        (
            record.fact(book).envelope.home,
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
    ]
    if rows:
        await connection.executemany(_KEEP, rows)
