"""People whose processing is restricted: in reporting too, only data protection finds them and reads their fields.

No measure opens their ethnicity, for anybody: a count by a sealed field is a use of it (Data Protection Act 2018, s47).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.reporting.access import ACCESS
from services.reporting.projection.fold import Stream, split
from services.reporting.projection.knowledge import merged_among
from services.reporting.projection.snapshot import Connection, Pool
from services.reporting.queries.visibility import Reader
from shared.domain.data_rights import data_rights_ids, restricted_in
from shared.domain.permissions import DATA_RIGHTS, permission_of

PersonIn = tuple[str, UUID]
"""A service, and a person in its records: each service restricts for its own."""

_DECIDED: Final = """
    select f.service, f.stream, f.type from unnest($1::text[], $2::uuid[]) as w (service, stream)
    join fact as f using (service, stream) order by f.service, f.stream, f.version
"""


async def withheld_from(reader: Reader, pool: Pool | Connection, people: Collection[PersonIn]) -> frozenset[PersonIn]:
    """Return those people whom a reader may not find or read, since their processing is restricted; of projected events."""
    if permission_of(ACCESS, reader.actor.roles).parts >= DATA_RIGHTS:
        return frozenset()
    return await restricted_people(pool, people)


async def restricted_people(pool: Pool | Connection, people: Collection[PersonIn]) -> frozenset[PersonIn]:
    """Return those people whose processing is restricted now, as far as events are projected."""
    if not people:
        return frozenset()
    known = await merged_among(pool, {person for _, person in people})
    streams = {
        (service, person): {(service, id_) for same in known.same_as(person) for id_ in data_rights_ids(service, same)}
        for service, person in people
    }
    rows = await pool.fetch(_DECIDED, *split(set[Stream]().union(*streams.values())))
    restricted = restricted_in((f"{r['service']}/{r['stream']}", r["type"]) for r in rows)
    return frozenset(one for one in people if not restricted.isdisjoint(f"{name}/{id_}" for name, id_ in streams[one]))
