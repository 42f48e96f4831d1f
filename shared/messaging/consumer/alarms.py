"""Alarms: problems of a consumer that need a person, stored in its database until they are solved."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Final

import structlog

from shared.servers.database import Connection


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


_PLACES: Final = ("topic/partition", "topic", "service", "log")
_on_partition, _on_topic, _on_service, _on_log = (partial(AlarmKind, place=place) for place in _PLACES)

ALARMS: Final[Mapping[str, AlarmKind]] = {
    kind.name: kind
    for kind in (
        _on_partition("gap", "A version of a stream is missing; the later events of the stream wait in quarantine."),
        _on_partition(
            "poison", "An event cannot be applied; it and the later events of its stream wait in quarantine."
        ),
        _on_partition("unreadable_record", "A record that the relay wrote cannot be read; it is in quarantine."),
        _on_partition("foreign_record", "An events topic holds a record that the relay did not write."),
        _on_partition(
            "forked", "A version that was processed came again with other bytes; the second is in quarantine."
        ),
        _on_partition("broken_chain", "The hash of an event does not match its bytes and the hash before."),
        _on_topic(
            "malformed_position",
            "A record of a position topic cannot be read, or its relay has not signed it; it is ignored.",
        ),
        _on_topic("impossible_position", "A position record goes back or beyond its topic; it is ignored."),
        _on_service("lost_tail", "The end of a topic is lost: it holds fewer events than a position record says."),
        _on_topic("topic_behind_consumer", "A topic ends before what was read of it: it is another one."),
        _on_service("surplus", "More events were processed than the position record says."),
        _on_service("parked_long", "A reaction has been parked for more than a day."),
        _on_service("topic_ahead_of_event_store", "The topic holds events that the event store does not."),
        _on_service("event_store_gap", "A position is missing from the event store."),
        _on_service("relay_stuck", "The relay stands still, and the event store has events that it has not published."),
        _on_topic("hanging_transaction", "An open transaction in a topic keeps every reader from what follows."),
        _on_log("log_rewritten", "A log differs from its signed checkpoints; no further checkpoint is signed."),
        _on_log("log_behind_witness", "A log lacks entries that its witness has seen; nothing more is recorded in it."),
        _on_log("witness_refuses", "The witness refuses a checkpoint: it has seen another history of the log."),
        _on_log("witness_silent", "The witness does not answer; checkpoints are signed without it."),
        _on_service("clocks_apart", "An event would be recorded a minute and more from the clock of its service."),
        _on_service("key_missing", "The keyring lacks keys that were not destroyed; what they seal cannot be read."),
        _on_service("keyring_silent", "The keyring does not answer; nothing that it seals can be recorded or read."),
        _on_service("message_dead", "A message was given up, or is not in its record: somebody has to be rung."),
        _on_service("webhook_dead", "An agency's address has taken nothing for days, or wants nothing more."),
        _on_service("wrong_partitions", "An events topic has the wrong number of partitions."),
    )
}
"""Every kind of alarm, by its name."""

UNKNOWN: Final = _on_service("README", "An alarm that this version of the program does not know.")
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
    """Clear the alarms of these names, at every place."""
    await connection.execute("select clear_alarms($1, $2)", consumer, list(names))


async def clear_alarm(connection: Connection, consumer: str, name: str, place: str) -> None:
    """Clear the alarm of a consumer at one place, if there is one."""
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
