"""What a service keeps of others' records, on which access, rules, pages and messages depend: each mark must follow from an
event of the service that it names, and each copy of an event must be what that service recorded.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from shared.database import Pool
from shared.domain.envelope import EventRegistry, UnknownEvent
from shared.domain.permissions import marks_of
from shared.domain.service import Service
from shared.evidence.verification.log import PAGE
from shared.evidence.verification.problems import CountedCheck

_KEPT: Final = "select home, mark from linked_mark"
OF_AN_EVENT: Final = "position, recorded_at, stream, version, event_id, type, home, hash"
"""The columns of an event beside its body, in its store and in copies of it."""
_NAMED: Final = "from event join unnest($1::text[], $2::integer[]) as c (stream, version) using (stream, version)"
_EVENTS: Final = """
    select position, recorded_at, hash, body from event
    where position > $1 and type like any($2::text[]) order by position limit $3
"""


async def check_marks(service: Service[Any], database: Pool, stores: Mapping[str, Pool], check: CountedCheck) -> None:
    """Name each mark that no event in the stores of the linked services gives; one that is late has yet to come."""
    unexplained = {(row["home"], row["mark"]) for row in await database.fetch(_KEPT)}
    check.entries = len(unexplained)
    for book in service.linked:
        unexplained -= await _read_given_marks(book, stores[book.service])
    for home, mark in sorted(unexplained):
        check.problems.note(f"{service.name}: no event gives the home {home} the mark {mark}, which opens its records")


async def check_copies(
    holder: str, database: Pool, table: str, columns: str, stores: Mapping[str, Pool], check: CountedCheck
) -> None:
    """Name each event in a table of copies that is not, in these columns, the one in the store of its service."""
    async with database.acquire() as connection, connection.transaction():
        cursor = await connection.cursor(f"select {columns} from {table} as copy")  # noqa: S608 - names of the caller's
        while rows := await cursor.fetch(PAGE):
            check.entries += len(rows)
            recorded = await _recorded(rows, columns, stores)
            for row in rows:
                if tuple(row) not in recorded:
                    check.problems.note(
                        f"{row['stream']} version {row['version']}: the copy in {holder} is not what was recorded"
                    )


async def _recorded(rows: Sequence[Any], columns: str, stores: Mapping[str, Pool]) -> set[tuple[Any, ...]]:
    """Return the events that the stores hold under the streams and versions of some copies."""
    named: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in rows:
        named[row["stream"].partition("/")[0]].append((row["stream"], row["version"]))
    query = f"select {columns} {_NAMED}"
    found = [await stores[name].fetch(query, *zip(*of, strict=True)) for name, of in named.items() if name in stores]
    return {tuple(row) for of_service in found for row in of_service}


async def _read_given_marks(book: EventRegistry, store: Pool) -> set[tuple[Any, str]]:
    """Return every home and mark that the events of a service give."""
    types = [f"{book.type_name(event).rpartition('.v')[0]}.v%" for event in book.marks]
    given, after = set[tuple[Any, str]](), 0
    while rows := await store.fetch(_EVENTS, after, types, PAGE):
        for row in rows:
            after = row["position"]
            with suppress(UnknownEvent):  # another check names it
                fact = book.read(row["body"], position=after, recorded_at=row["recorded_at"], hash=row["hash"])
                given |= {(fact.envelope.home, f"{book.service}.{mark}") for mark in marks_of(book, fact)}
        await asyncio.sleep(0)
    return given
