"""Alerts on the people of a case: raised in a referral of any case, and shown on every one that names the person."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from services.reporting.projection.as_of import histories_of
from services.reporting.projection.fold import fold
from services.reporting.projection.knowledge import same_as
from services.reporting.projection.projector import in_reach
from services.reporting.projection.snapshot import Connection
from services.reporting.queries.visibility import Reader
from shared.api.schemas import Schema

SERVICE: Final = "referral"
MEMBER: Final = "alerts"
"""The member of a referral's state that holds its open alerts; a role that is shown the member is shown alerts."""

_NAMING: Final = f"""
    select s.stream, s.view -> 'alerts' as alerts from stream as s
    where s.service = $1 and s.mentions && $2::uuid[] and not s.mentions && $3::uuid[]
      and {in_reach("s", "$4::text[]")}
      and ($5 or s.view -> 'alerts' <> '{{}}'::jsonb)
    order by s.opened_at, s.stream
"""  # noqa: S608 - the clause above, and no value


class Alert(Schema):
    """What staff must know before they meet a person of the case."""

    alert_id: UUID
    person_id: UUID
    kind: str = Field(description="The kind of the alert.")
    review_on: date = Field(description="The day by which it is to be reviewed.")
    referral_id: UUID = Field(description="The referral in which it was raised.")


async def alerts_of(
    connection: Connection,
    reader: Reader,
    people: Iterable[UUID],
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """List the alerts on people that were open at both times, in every referral of the reader's areas, also of other cases.

    None for a role that is not shown the alerts of a referral.
    """
    shown = reader.fields(SERVICE)
    if shown is not None and MEMBER not in shown:
        return []
    named = frozenset(await same_as(connection, list(people), as_of, known_at))
    cut = as_of is not None or known_at is not None
    rows = await connection.fetch(_NAMING, SERVICE, list(named), list(reader.barred), reader.areas, cut)
    held: Mapping[UUID, Mapping[str, Any]] = {row["stream"]: json.loads(row["alerts"] or "{}") for row in rows}
    if cut:
        histories = await histories_of(connection, [(SERVICE, row["stream"]) for row in rows], as_of, known_at)
        then = {stream: fold(history, as_of=as_of, known_at=known_at) for (_, stream), history in histories.items()}
        held = {stream: folded.view[MEMBER] for stream, folded in then.items() if folded is not None}
    return [
        {"alert_id": alert_id, "referral_id": str(stream), **alert}
        for stream, alerts in held.items()
        for alert_id, alert in alerts.items()
        if UUID(alert["person_id"]) in named
    ]
