"""Marks of other services' records, by home, which a worker stores as it reads the topics.

The API reads them if the access table names another service's mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from shared.database import Connection, retry_or_raise
from shared.domain.envelope import EventRegistry
from shared.domain.permissions import marks_of
from shared.event_store import EventStoreUnavailable
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


async def linked_marks(pool: asyncpg.Pool[Any], homes: Iterable[UUID]) -> frozenset[str]:
    """Return the marks of other services' records of these homes; raises `EventStoreUnavailable`."""
    query = "select mark from linked_mark where home = any($1::uuid[])"
    rows = await retry_or_raise(lambda: pool.fetch(query, list(homes)), EventStoreUnavailable)
    return frozenset(row["mark"] for row in rows)
