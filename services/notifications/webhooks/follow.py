"""The follower: events of what agencies referred, kept and placed before their webhooks in the checkpoint's transaction.

A record's first event names its organisation, as in the API (`own_organisation`): a case's id is the referrer's to choose.
"""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from services.notifications.webhooks.registry import LOCK, PLACE
from services.referral.read_model import TOLD_TO_AGENCIES
from services.trade.vocabulary import Role
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.servers.database import Connection

CONSUMER: Final = "webhooks"
SERVICE: Final = "referral"
"""The service in which agencies begin records."""
AGENCIES: Final = frozenset({Role.SCHOOL, Role.AGENCY})

_OWNERS: Final = """
    select stream, organisation from agency_event where version = 1 and stream = any($1::text[])
"""
_COLUMNS: Final = "organisation, position, home, stream, version, event_id, recorded_at, hash, body"
_KEEP: Final = f"""
    insert into agency_event ({_COLUMNS})
    select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::integer[], $6::uuid[], $7::timestamptz[],
        $8::bytea[], $9::bytea[])
    on conflict do nothing returning organisation, position
"""  # noqa: S608 - the columns above
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
    await connection.execute(_PLACE, *([row[name] for row in new] for name in ("organisation", "position")))


async def _rows(connection: Connection, records: Sequence[ConsumedEvent]) -> list[list[Any]]:
    owners = {
        row["stream"]: row["organisation"] for row in await connection.fetch(_OWNERS, [r.stream for r in records])
    }
    rows: list[list[Any]] = []
    for record in records:
        event = json.loads(record.body)
        own = event["actor"]["role"] in AGENCIES
        if record.version == 1 and own:
            owners[record.stream] = event["actor"]["organisation"]
        owner = owners.get(record.stream)
        if owner is not None and (own or record.type.split(".")[-2] in TOLD_TO_AGENCIES):
            about = (record.stream, record.version, record.event_id, record.recorded_at, record.hash, record.body)
            rows.append([owner, record.position, UUID(event["home"]), *about])
    return rows
