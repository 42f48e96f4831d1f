"""Alarms: what a consumer met that a person must look at. They stand in its database until it is mended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """A kind of alarm: its name, its meaning in one sentence, and what its place names."""

    name: str
    meaning: str
    place: str

    @property
    def runbook(self) -> str:
        """The page that says what to do, from the root of the repository."""
        return f"docs/how-to/runbook/{self.name}.md"


_PARTITION: Final = "topic/partition"
_TOPIC: Final = "topic"
_SERVICE: Final = "service"

ALARMS: Final[Mapping[str, AlarmKind]] = {
    kind.name: kind
    for kind in (
        AlarmKind("gap", "A version of a stream is missing; the later ones of the stream are held.", _PARTITION),
        AlarmKind("poison", "An event cannot be applied; it and the later ones of its stream are held.", _PARTITION),
        AlarmKind("unreadable_record", "A record of the relay's cannot be read; it is held.", _PARTITION),
        AlarmKind("foreign_record", "A record that the relay did not write stands in an events topic.", _PARTITION),
        AlarmKind("forked", "A version that was taken came again with other bytes; the second is held.", _PARTITION),
        AlarmKind("broken_chain", "An event's hash does not follow from its bytes and the hash before.", _PARTITION),
        AlarmKind("malformed_position", "A record of a position topic cannot be read; it is ignored.", _TOPIC),
        AlarmKind("impossible_position", "A position record goes back or beyond its topic; it is ignored.", _TOPIC),
        AlarmKind("lost_tail", "Fewer events were taken than the position passed says.", _SERVICE),
        AlarmKind("surplus", "More events were taken than the position passed says.", _SERVICE),
        AlarmKind("parked_long", "A reaction has waited for more than a day for what it needs.", _SERVICE),
        AlarmKind("topic_ahead_of_event_store", "The topic holds events that the event store does not.", _SERVICE),
        AlarmKind("event_store_gap", "A position is missing from the event store.", _SERVICE),
        AlarmKind("wrong_partitions", "An events topic has another number of partitions.", _SERVICE),
    )
}
"""Every alarm, by its name. The last three are the relay's own, and stop it."""


UNKNOWN: Final = AlarmKind("README", "An alarm that this version of the program does not know.", _SERVICE)
"""What stands in for a kind of another version; its page is the runbook's index."""

_log = structlog.get_logger("alarms")


def kind_of(name: str) -> AlarmKind:
    """The kind of an alarm that stands."""
    return ALARMS.get(name, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that stands: one of `ALARMS`, for a consumer, at a place."""

    consumer: str
    name: str
    place: str
    detail: str
    raised_at: datetime


async def raise_alarm(connection: Connection, consumer: str, name: str, place: str, detail: str) -> None:
    """Note an alarm; one that stands already keeps its time. Raises KeyError if the name is not in `ALARMS`."""
    await connection.execute(
        "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)"
        " on conflict (consumer, name, place) do update set detail = excluded.detail",
        consumer,
        ALARMS[name].name,
        place,
        detail,
    )


async def clear_alarms(connection: Connection, consumer: str, names: Collection[str]) -> None:
    """Take back the alarms of these names, wherever they stand."""
    await connection.execute("delete from alarm where consumer = $1 and name = any($2)", consumer, list(names))


async def clear_alarm(connection: Connection, consumer: str, name: str, place: str) -> None:
    """Take an alarm back."""
    await connection.execute(
        "delete from alarm where consumer = $1 and name = $2 and place = $3", consumer, name, place
    )


async def alarms(connection: Connection) -> list[Alarm]:
    """The alarms that stand in this database, oldest first."""
    rows = await connection.fetch("select consumer, name, place, detail, raised_at from alarm order by raised_at")
    return [Alarm(*row) for row in rows]


async def log_alarms(connection: Connection, process: str) -> None:
    """Log every alarm that stands, with its page of the runbook; for a process at its start."""
    for alarm in await alarms(connection):
        _log.critical(
            "alarm_stands",
            process=process,
            alarm=alarm.name,
            consumer=alarm.consumer,
            place=alarm.place,
            why=alarm.detail,
            runbook=kind_of(alarm.name).runbook,
        )
