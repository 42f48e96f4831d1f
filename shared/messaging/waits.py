"""The waits in a service's database: parked reactions, streams in quarantine and lost commands, each in a sentence.

Nothing is recorded about a wait but its closure by a person (shared/domain/waiting.py): these are queries of the consumer's
own tables, as they are now.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.ids import derived_uuid
from shared.domain.permissions import AccessFacts
from shared.domain.sentences import sentence_of
from shared.domain.service import Service
from shared.domain.waiting import DECIDER, Wait, waiting_events
from shared.event_store.lost_commands import LostCommand, unsent_commands
from shared.messaging.consumer.alarms import kind_of
from shared.messaging.consumer.quarantine import held_stream_id
from shared.messaging.parking import wait_streams
from shared.messaging.reactions import ParkedReaction, parked_reactions
from shared.servers.database import Connection

_HELD: Final = """
    select distinct on (consumer, stream) consumer, stream, coalesce(version, 0) as version, cause, body,
           min(quarantined_at) over (partition by consumer, stream) as since
    from quarantine where stream ~ '^[a-z][a-z0-9_]{0,62}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    order by consumer, stream, version nulls first, topic, partition, "offset"
"""
_HOMES: Final = "select stream, home from event where stream = any($1::text[]) and version = 1"
_EVENTS: Final = "select body from event where stream = any($1::text[]) and type = any($2::text[]) order by version"

ReadFact = Callable[[str, bytes], Fact | None]
"""Reads an event of a stream from its bytes; None if it cannot be read."""


@dataclass(frozen=True, slots=True)
class StandingWait:
    """A wait with its id, the service where it waits, the home of its source, and the source event if it can be read.

    `access` are the labels of that event; None if its bytes are no JSON. `homes` are those of the records that it should
    reach, or of its source if none of them has begun.
    """

    id: UUID
    service: str
    wait: Wait
    home: UUID
    fact: Fact | None
    access: AccessFacts | None
    homes: frozenset[UUID] = frozenset()

    @property
    def place(self) -> str:
        return f"{self.wait.since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}:{self.id}"

    def concerns(self, home: UUID | None) -> bool:
        """Tell whether it concerns records of this home; None stands for every home."""
        return home is None or home == self.home or home in self.homes

    def view(self) -> dict[str, Any]:
        """Return the JSON members that every reader is shown."""
        wait = self.wait
        return {
            "id": str(self.id),
            "sentence": wait.sentence,
            "since": wait.since.isoformat(),
            "kind": wait.kind,
            "name": wait.name,
            "service": self.service,
            "source_stream": wait.source,
            "target_streams": list(wait.targets),
            "rules": list(wait.rules),
            "reason": wait.reason,
            "homes": sorted(map(str, self.homes)),
        }


async def standing_waits(connection: Connection, service: Service[Any], home: UUID | None = None) -> list[StandingWait]:
    """List the waits in a deciding service's database, longest first: all, or those of a home."""
    waits = await _unapplied(connection, service, home)
    waits += [_lost_wait(service, command, at) for command, at in await unsent_commands(connection)]
    names = {name for wait in waits for name in wait.wait.targets}
    homes = {row["stream"]: row["home"] for row in await connection.fetch(_HOMES, sorted(names))}
    waits = [_with_homes(wait, homes) for wait in waits]
    return sorted((wait for wait in waits if wait.concerns(home)), key=lambda wait: wait.place)


async def waits_for(connection: Connection, service: Service[Any], stream: str, home: UUID) -> list[StandingWait]:
    """List the events that wait to reach a stream of this home, longest first."""
    waits = await _unapplied(connection, service, home)
    reaching = (replace(wait, homes=frozenset((home,))) for wait in waits if stream in wait.wait.targets)
    return sorted(reaching, key=lambda wait: wait.place)


async def _unapplied(connection: Connection, service: Service[Any], home: UUID | None) -> list[StandingWait]:
    """List the parked reactions, those of a home if it is given, and all streams in quarantine."""
    parked = await parked_reactions(connection, home=home)
    read, targets = partial(read_published, service), partial(_streams_to_reach, service)
    return [
        *(reaction_wait(service, one) for one in parked),
        *await held_waits(connection, service.name, read, targets),
    ]


def _with_homes(wait: StandingWait, homes: Mapping[str, UUID]) -> StandingWait:
    """Add the homes of the targets; without any, that of the source, unless that is a record of several cases."""
    reached = frozenset(homes[name] for name in wait.wait.targets if name in homes)
    shared = str(wait.home) == wait.wait.source.partition("/")[2]
    return replace(wait, homes=reached or frozenset(() if shared else (wait.home,)))


async def held_waits(
    connection: Connection, service: str, read: ReadFact, targets: Callable[[Fact], Collection[str]] = lambda _fact: ()
) -> list[StandingWait]:
    """List the streams in quarantine in a service's database; `targets` says which streams a fact should reach."""
    return [_held_wait(service, row, read, targets) for row in await connection.fetch(_HELD)]


async def closed_wait(connection: Connection, service: Service[Any], id_: UUID) -> Wait | None:
    book = waiting_events(service.name, service.events.namespace)
    rows = await connection.fetch(_EVENTS, wait_streams(service.name, id_), list(book.by_type))
    state = DECIDER.fold(book.read(row["body"]) for row in rows)
    return state.wait if state is not None and state.closed else None


def reaction_wait(service: Service[Any], parked: ParkedReaction) -> StandingWait:
    """Return the wait of a parked reaction, with its sentence for people."""
    fact = read_published(service, parked.source_stream, parked.body)
    what = next((reaction.waits_as for reaction in service.reactions if reaction.name == parked.reaction), "")
    wait = Wait(
        kind="REACTION",
        consumer=parked.consumer,
        name=parked.reaction,
        source=parked.source_stream,
        version=parked.source_version,
        targets=(parked.target_stream,),
        rules=parked.rules,
        reason=_line(parked.reason),
        sentence=_sentence(what or f"what {parked.reaction} carries has not arrived", fact, parked.reason),
        since=parked.parked_at,
    )
    return _standing_wait(parked.command_id, service.name, wait, fact, parked.body)


def _lost_wait(service: Service[Any], lost: LostCommand, since: datetime) -> StandingWait:
    """Return the wait of a lost command for its sender. What is sealed stays on the branch; the sentence names nobody."""
    fact = service.events.read(lost.body)
    reason = "The server on which it was recorded failed, and its successor did not have it. Send it again."
    wait = Wait(
        kind="COMMAND",
        consumer=f"{service.name}-log",
        name=type(fact.event).__name__,
        source=lost.stream,
        version=fact.envelope.version,
        targets=(lost.stream,),
        rules=(),
        reason=reason,
        sentence=_sentence(f"lost: {sentence_of(fact.event, service.events.words)} ({{day}})", fact, reason),
        since=since,
        sender=UUID(lost.actor),
    )
    return _standing_wait(derived_uuid("lost", lost.command_id), service.name, wait, fact, lost.body)


def _held_wait(service: str, row: Any, read: ReadFact, targets: Callable[[Fact], Collection[str]]) -> StandingWait:
    stream = row["stream"]
    try:
        fact = read(stream, row["body"])
    except Exception:  # noqa: BLE001 - it is in quarantine because something is wrong with it
        fact = None
    alarm = kind_of(row["cause"])
    what = f"what was recorded in {stream.partition('/')[0]} from version {row['version']} on has not reached {service}"
    wait = Wait(
        kind="STREAM",
        consumer=row["consumer"],
        name=row["cause"],
        source=stream,
        version=row["version"],
        targets=() if fact is None else tuple(sorted(targets(fact))),
        rules=(),
        reason=alarm.meaning,
        sentence=_sentence(what, fact, alarm.meaning),
        since=row["since"],
    )
    return _standing_wait(held_stream_id(row["consumer"], stream), service, wait, fact, row["body"])


def _standing_wait(id_: UUID, service: str, wait: Wait, fact: Fact | None, body: bytes) -> StandingWait:
    try:
        access = AccessFacts.of_opening(body)
    except (KeyError, ValueError, TypeError, AttributeError):
        return StandingWait(id_, service, wait, UUID(wait.source.partition("/")[2]), None, None)
    return StandingWait(id_, service, wait, access.home, fact, access)


def read_published(service: Service[Any], stream: str, body: bytes) -> Fact | None:
    """Read an event of another service that a service follows; None if it cannot be read."""
    book = next((book for book in service.published if book.service == stream.partition("/")[0]), None)
    try:
        return None if book is None else book.read(body)
    except Exception:  # noqa: BLE001 - it is in quarantine because something is wrong with it
        return None


def _streams_to_reach(service: Service[Any], fact: Fact) -> frozenset[str]:
    """Return the streams that the reactions would send commands to; none if a reaction fails."""
    reactions = [reaction for reaction in service.reactions if isinstance(fact.event, reaction.event)]
    try:
        effects = [effect for reaction in reactions for effect in reaction.react(fact)]
        return frozenset(service.stream_name(effect.stream) for effect in effects)
    except Exception:  # noqa: BLE001 - perhaps why it is in quarantine
        return frozenset()


def _sentence(what: str, fact: Fact | None, reason: str) -> str:
    """Return a sentence with the wait and its reason. `{day}` in the text is the day of the fact, such as 4 May 2026."""
    day = "an unknown day" if fact is None else "{0.day} {0:%B %Y}".format(local_day(fact.occurred_at))
    text = what.replace("{day}", day)
    return _line(f"{text}: {reason[:1].lower()}{reason[1:]}")


def _line(text: str) -> str:
    return " ".join(text.split())[:2_000] or "no reason is known"
