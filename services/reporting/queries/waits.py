"""What waits, for the case and the daily sheet: shown to readers of either end, with the officers of both, and to who sent it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.reporting.projection.snapshot import Connection
from services.reporting.queries.visibility import Reader, visible
from shared.messaging.waiting import STANDING, KnownWait

MOST: Final = 1_000
"""How many are listed: anybody's mistake makes one wait."""

# A stream in quarantine may not say its ends: then all streams of its case are its ends. A reaction is of the cases of its
# targets: what it follows may be a session of several.
_WAITS: Final = f"""
    select w.*, array_append(ends.officers, w.sender) as officers, ends.cases
    from waiting as w cross join lateral (
        select array_agg(distinct s.officer) filter (where s.officer is not null) as officers,
               coalesce(
                   array_agg(distinct c) filter (
                       where c is not null and w.kind = 'REACTION' and s.service || '/' || s.stream = any(w.targets)
                   ),
                   array_agg(distinct c) filter (where c is not null)
               ) as cases,
               bool_or({visible(5)} and not s.service = any($3::text[])) as shown
        from (
            select split_part(name, '/', 1) as service, split_part(name, '/', 2)::uuid as stream
            from unnest(w.targets || w.source) as name
            where name ~ '^[^/]+/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
            union
            select found.service, found.stream from stream as found where w.kind in ('STREAM', 'COMMAND') and found.home = w.home
        ) as named join stream as s using (service, stream) left join lateral unnest(s.cases) as c on true
    ) as ends
    where {STANDING.format("$1::timestamptz")} and (ends.shown or w.sender = $4) and ($2::uuid is null or $2 = any(ends.cases))
    order by w.since, w.id limit {MOST}
"""  # noqa: S608 - the clauses above, and no value


async def list_waits(
    connection: Connection, reader: Reader, part: str, at: datetime, case_id: UUID | None = None
) -> list[dict[str, Any]]:
    """List what waited at a time, the longest first and at most `MOST`, if the reader may read all of a part (state or duties) at either end."""
    parameters = (at, case_id, list(reader.limited), reader.actor.id, *reader.reach(part).parameters)
    return [
        KnownWait.of_row(row).view()
        | {
            "case_ids": [str(case) for case in row["cases"] or ()],
            "officers": [str(officer) for officer in row["officers"] or () if officer],
        }
        for row in await connection.fetch(_WAITS, *parameters)
    ]
