"""Copies and marks of others' records, on which access, rules, pages and messages depend: each mark must follow from an
event of the service that it names, and each copy of an event must be what that service recorded. None may be lacking: the
absence of some lets somebody in.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias
from uuid import UUID

from shared.domain.envelope import UnknownEvent
from shared.domain.service import Service
from shared.evidence.verification.log import PAGE
from shared.evidence.verification.problems import CountedCheck, note_lasting
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.linking import copies_in, marks_in, read_linked
from shared.servers.database import Pool

_KEPT: Final = "select home, mark from linked_mark"
PATIENCE_SECONDS: Final = 10.0
"""The time allowed for a mark to arrive: a worker stores it within a second."""
OF_AN_EVENT: Final = "position, recorded_at, stream, version, event_id, type, home, hash"
"""The columns of an event beside its body, in its store and in copies of it."""
_NAMED: Final = "from event join unnest($1::text[], $2::integer[]) as c (stream, version) using (stream, version)"
_LACKED: Final = """
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[]) as l (home, mark, stream, version)
    where case when mark = '' then not exists (
        select from kept_event as k where k.home = l.home and k.stream = l.stream and k.version = l.version
    ) else not exists (
        select from linked_mark as m where m.home = l.home
        and (m.mark = l.mark or m.mark = split_part(l.mark, '@', 1) and not m.for_older)
    ) end
"""


async def check_marks(
    service: Service[Any], database: Pool, stores: Mapping[str, Pool], heads: Mapping[str, int], check: CountedCheck
) -> None:
    """Name each mark that no event in the stores of the linked services gives, and what of events up to the heads is lacking."""
    unexplained = {(row["home"], row["mark"]) for row in await database.fetch(_KEPT)}
    check.entries = len(unexplained)
    lacking: list[_Link] = []
    async for book, records in read_linked(service, stores):
        due: list[_Link] = []
        for record in records:
            links = _links(service, record)
            # An older release kept marks without labels, and one that runs beside this reads them so.
            unexplained.difference_update(
                (home, kept) for home, mark, *_ in links for kept in (mark, mark.partition("@")[0])
            )
            due += links if record.position <= heads[book.service] else ()
        lacking += await _lacking(database, due)
        await asyncio.sleep(0)
    for home, mark in sorted(unexplained):
        check.problems.note(f"{service.name}: no event gives the home {home} the mark {mark}, which opens its records")

    async def look() -> list[str]:
        return [
            f"{service.name}: {stream} version {version} gives the home {home} {mark or 'a copy'}, which is not kept"
            for home, mark, stream, version in await _lacking(database, lacking)
        ]

    await note_lasting(look, PATIENCE_SECONDS, check.problems)


_Link: TypeAlias = tuple[UUID, str, str, int]
"""What is kept of an event: the home, the mark (empty: a copy), and the event's stream and version."""


def _links(service: Service[Any], record: ConsumedEvent) -> list[_Link]:
    """Return what the worker keeps of an event; nothing if it cannot be read, as another check says."""
    with suppress(UnknownEvent):
        kept = [*marks_in(service, [record]), *((home, "") for home, *_ in copies_in(service, [record]))]
        return [(home, mark, record.stream, record.version) for home, mark in kept]
    return []


async def _lacking(database: Pool, links: Sequence[_Link]) -> list[_Link]:
    return [tuple(row) for row in await database.fetch(_LACKED, *zip(*links, strict=True))] if links else []


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
    recorded = [await stores[name].fetch(query, *zip(*of, strict=True)) for name, of in named.items() if name in stores]
    return {tuple(row) for of_service in recorded for row in of_service}
