"""Alarms: problems of a consumer that need a person, stored in its database until they are solved."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

import structlog

from shared.domain.declared import read_beside
from shared.servers.database import Connection


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """A kind of alarm: its name, and its meaning in one sentence."""

    name: str
    meaning: str

    @property
    def runbook(self) -> str:
        return f"docs/how-to/runbook/{self.name}.md"


ALARMS: Final = {name: AlarmKind(name, meaning) for name, meaning in read_beside(__file__).items()}

UNKNOWN: Final = AlarmKind("README", "An alarm that this version of the program does not know.")
"""The kind of an alarm that another version of the program raised; its page is the index of the runbook."""


def kind_of(name: str) -> AlarmKind:
    """Return the kind of an alarm by its name; `UNKNOWN` if another version of the program raised it."""
    return ALARMS.get(name, UNKNOWN)


LONGEST_DETAIL: Final = 1000
"""Characters of a detail, which every process reads and which may quote an attacker."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An open alarm: one of `ALARMS`, for a consumer, at a place."""

    consumer: str
    name: str
    place: str
    detail: str
    raised_at: datetime
    attended_by: str | None = None
    """Who looks after it: role and id."""
    attended_at: datetime | None = None


async def raise_alarm(connection: Connection, consumer: str, name: str, place: str, detail: str) -> None:
    """Store an alarm; one that exists keeps its time and gets the new detail, of `LONGEST_DETAIL` characters at most.

    Raises KeyError if `ALARMS` has no such name.
    """
    await connection.execute(
        "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)"
        " on conflict (consumer, name, place) do update set detail = excluded.detail",
        *(consumer, ALARMS[name].name, place, detail[:LONGEST_DETAIL]),
    )


async def clear_alarms(connection: Connection, consumer: str, names: Collection[str]) -> None:
    await connection.execute("select clear_alarms($1, $2)", consumer, list(names))


async def clear_alarm(connection: Connection, consumer: str, name: str, place: str) -> None:
    await connection.execute("select clear_alarms($1, $2, $3)", consumer, [name], place)


# A role may raise any number: it hides no other kind.
_LISTED: Final = """
    select consumer, name, place, detail, raised_at, attended_by, attended_at from (
        select *, row_number() over (partition by name order by raised_at) as number from alarm
    ) as numbered
    order by name <> all($1::text[]), number > 40, raised_at limit 1000
"""


async def alarms(connection: Connection) -> list[Alarm]:
    """Return the open alarms of this database, oldest first: a thousand at most, some of each known kind before all others."""
    rows = await connection.fetch(_LISTED, list(ALARMS))
    return sorted((Alarm(*row) for row in rows), key=attrgetter("raised_at"))


async def log_alarms(connection: Connection, process: str) -> None:
    """Log every open alarm, with its page of the runbook; for a process at its start."""
    for alarm in await alarms(connection):
        structlog.get_logger("alarms").critical(
            "alarm_stands",
            process=process,
            alarm=alarm.name,
            consumer=alarm.consumer,
            place=alarm.place,
            why=alarm.detail,
            runbook=kind_of(alarm.name).runbook,
        )
