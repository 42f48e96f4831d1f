"""What a service keeps of others' records, on which access and rules depend: each mark must follow from an event of the
service that it names, and each kept event must be one that this service recorded.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from shared.database import Pool
from shared.domain.envelope import EventRegistry, UnknownEvent
from shared.domain.permissions import marks_of
from shared.domain.service import Service
from shared.evidence.verification.log import PAGE
from shared.evidence.verification.problems import CountedCheck

_KEPT: Final = "select home, mark from linked_mark"
_OF_AN_EVENT: Final = "position, recorded_at, stream, version, event_id, type, home, hash, body"
_KEPT_EVENTS: Final = (
    f"select {_OF_AN_EVENT} from kept_event where service = $1 and position > $2 order by position, home limit $3"  # noqa: S608 - the columns are the constant above
)
_OWN: Final = f"select {_OF_AN_EVENT} from event where position = any($1::bigint[])"  # noqa: S608 - the same
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


async def check_kept(service: Service[Any], database: Pool, stores: Mapping[str, Pool], check: CountedCheck) -> None:
    """Name each kept event that is not, byte for byte, one in the store of its service."""
    for book in service.kept:
        after = 0
        while rows := await database.fetch(_KEPT_EVENTS, book.service, after, PAGE):
            after = rows[-1]["position"]
            check.entries += len(rows)
            positions = sorted({row["position"] for row in rows})
            own = {tuple(row) for row in await stores[book.service].fetch(_OWN, positions)}
            for row in rows:
                if tuple(row) not in own:
                    check.problems.note(
                        f"{service.name}: the kept event at position {row['position']} is not the one of {book.service}"
                    )


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
