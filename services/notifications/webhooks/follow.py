"""The follower: events of what agencies referred, kept and placed before their webhooks in the checkpoint's transaction.

A record's first event names its organisation, as in the API (`own_organisation`): a case's id is the referrer's to choose.
"""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from services.notifications.webhooks.registry import LOCK, PLACE
from services.trade.vocabulary import Role
from shared.domain.data_rights import PersonForgotten, ProcessingRestricted, RestrictionLifted
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.servers.database import Connection

CONSUMER: Final = "webhooks"
SERVICE: Final = "referral"
"""The service in which agencies begin records."""
AGENCIES: Final = frozenset({Role.SCHOOL, Role.AGENCY})
BINDING: Final = frozenset(cls.__name__ for cls in (PersonForgotten, ProcessingRestricted, RestrictionLifted))
"""What binds recipients of data about a person. Source: Data Protection Act 2018, s48(9)."""
NOBODY: Final = ""

_OWNERS: Final = """
    select stream, organisation from agency_event where version = 1 and organisation <> '' and stream = any($1::text[])
"""
_COLUMNS: Final = "organisation, position, home, stream, version, event_id, recorded_at, hash, body"
_KEEP: Final = f"""
    insert into agency_event ({_COLUMNS})
    select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::integer[], $6::uuid[], $7::timestamptz[],
        $8::bytea[], $9::bytea[])
    on conflict do nothing returning organisation, position
"""  # noqa: S608 - the columns above
# A person's right (r), for each organisation that has an event about them (e): whichever of the two is new.
_BIND: Final = f"""
    insert into agency_event ({_COLUMNS})
    select distinct e.organisation, r.position, r.home, r.stream, r.version, r.event_id, r.recorded_at, r.hash, r.body
    from agency_event as r join agency_event as e on e.organisation <> '' and e.stream <> r.stream
        and position(convert_to(convert_from(r.body, 'UTF8')::json -> 'data' ->> 'person_id', 'UTF8') in e.body) > 0
    where r.organisation = '' and (r.position = any($1::bigint[]) or e.position = any($1::bigint[]))
    on conflict do nothing returning organisation, position
"""  # noqa: S608 - the same
_PLACE: Final = PLACE.format(
    "e.position >= w.first_position and (e.organisation, e.position) in (select * from unnest($1::text[], $2::bigint[]))"
)


async def keep_for_agencies(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
    """Store the events of a batch that agencies may get, and place them before their webhooks."""
    await connection.execute(LOCK)
    rows = [tuple(row) for row in await _rows(connection, records)]
    if not rows:
        return
    new = await connection.fetch(_KEEP, *zip(*rows, strict=True))
    new += await connection.fetch(_BIND, [row["position"] for row in new])
    await connection.execute(_PLACE, *([row[name] for row in new] for name in ("organisation", "position")))


async def _rows(connection: Connection, records: Sequence[ConsumedEvent]) -> list[list[Any]]:
    owners = {
        row["stream"]: row["organisation"] for row in await connection.fetch(_OWNERS, [r.stream for r in records])
    }
    rows: list[list[Any]] = []
    for record in records:
        event = json.loads(record.body)
        if record.version == 1 and event["actor"]["role"] in AGENCIES:
            owners[record.stream] = event["actor"]["organisation"]
        owner = NOBODY if record.type.split(".")[-2] in BINDING else owners.get(record.stream)
        if owner is not None:
            about = (record.stream, record.version, record.event_id, record.recorded_at, record.hash, record.body)
            rows.append([owner, record.position, UUID(event["home"]), *about])
    return rows
