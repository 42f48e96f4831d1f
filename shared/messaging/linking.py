"""Marks of other services' records, by home, which a worker stores as it reads the topics.

The event store gives them to whoever asks (`EventStore.linked_marks`): the access table, and rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.database import Connection
from shared.domain.envelope import EventRegistry
from shared.domain.permissions import marks_of
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
        await connection.execute(
            "insert into linked_mark (home, mark) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing",
            *zip(*sorted(marks_by_home), strict=True),
        )
