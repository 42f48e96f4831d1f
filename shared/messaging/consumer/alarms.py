"""Alarms: what a consumer met that a person must look at. They stand in its database until it is mended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a person must look at: `gap` (place: topic/partition), `lost_tail` or `surplus` (place: a service)."""

    consumer: str
    name: str
    place: str
    detail: str
    raised_at: datetime


async def raise_alarm(connection: Connection, consumer: str, name: str, place: str, detail: str) -> None:
    """Note an alarm; one that stands already keeps its time."""
    await connection.execute(
        "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)"
        " on conflict (consumer, name, place) do update set detail = excluded.detail",
        consumer,
        name,
        place,
        detail,
    )


async def clear_alarm(connection: Connection, consumer: str, name: str, place: str) -> None:
    """Take an alarm back."""
    await connection.execute(
        "delete from alarm where consumer = $1 and name = $2 and place = $3", consumer, name, place
    )


async def alarms(connection: Connection) -> list[Alarm]:
    """The alarms that stand in this database, oldest first."""
    rows = await connection.fetch("select consumer, name, place, detail, raised_at from alarm order by raised_at")
    return [Alarm(*row) for row in rows]
