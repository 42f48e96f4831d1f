"""The laws: what holds whatever happened, once everything is mended and the system has had time.

They look at the servers themselves, not through the product's code.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from shared.domain.envelope import GENESIS, next_hash
from shared.domain.ids import derived_uuid
from shared.domain.sealing import key_ids_in
from shared.event_store.log_hash import EMPTY_LOG, kept_answer, log_entry, next_log_hash
from shared.privacy.keyring import PostgresKeyring
from shared.servers import database
from tests.simulation.loop import Process
from tests.simulation.postgres import Table
from tests.simulation.services import BELL
from tests.simulation.system import KEK, SERVICES, Broken, Said, System

CLOCK_BOUND: Final = timedelta(seconds=125)
"""How far the time of an event may be from the true one: a minute from its writer's clock, and its delays."""


async def require_progress(system: System, when: str, seconds: float) -> None:
    """Everything that was asked is acknowledged, published, reacted to and projected, and no alarm stands."""
    until = system.loop.time() + seconds
    while (why := _behind(system)) is not None:
        if system.loop.time() > until:
            nothing_forks(system)
            every_receipt_holds(system)
            raise Broken(f"no progress within {seconds:g} seconds {when}: {why}")
        await asyncio.sleep(0.5)


def _behind(system: System) -> str | None:
    """Say what is still to be done."""
    for officer in system.officers:
        if officer.done():
            officer.result()
    for cluster in system.clusters:
        for alarm, detail in cluster.primary.tables.get("alarm", {}).items():
            return f"the alarm {alarm} stands: {detail}"
    if waiting := [n for n, officer in enumerate(system.officers) if not officer.done()]:
        return f"officers {waiting} wait for an answer"
    for name in SERVICES:
        tables = tables_of(system, name)
        head = tables["head"][None][0]
        reached = len(positions_in_topic(system, name))
        if reached < head:
            return f"the topic of {name} has {reached} of {head} events"
        projected = sum(
            len(rows)
            for stream, rows in tables_of(system, "reporting").get("projected", {}).items()
            if stream.startswith(name)
        )
        if projected < head:
            return f"reporting has {projected} of {head} events of {name}"
    rung = len(tables_of(system, "bell").get("event", {}))
    answered = _answers(system)
    if len(answered) < rung:
        return f"{len(answered)} of {rung} rings are answered"
    return None


def tables_of(system: System, name: str) -> dict[str, Table]:
    """Return the tables of a cluster's primary."""
    return system.servers.clusters[name].primary.tables


def positions_in_topic(system: System, name: str) -> set[int]:
    """Return the positions of all events that readers of a topic see."""
    return {position for _, _, position, _ in committed(system, name)}


def committed(system: System, name: str) -> list[tuple[int, int, int, Any]]:
    """Return partition, offset, position and entry of each event that readers of a topic see."""
    return [
        (number, offset, int(dict(entry.headers)["ooc_position"]), entry)
        for number, partition in enumerate(system.broker.topics[f"ooc.{name}.events"])
        for offset, entry in enumerate(partition.log[: partition.stable])
        if not entry.marker and not entry.aborted
    ]


def _answers(system: System) -> list[Any]:
    """Return the cause of each answer that the desks recorded."""
    events = tables_of(system, "desk").get("event", {}).values()
    return [json.loads(event[8])["causation_id"] for event in events if ".Answered." in event[5]]


def every_receipt_holds(system: System) -> None:
    """Every acknowledged event stands in the store at its position, and no other command has it."""
    for said in system.said.values():
        events = tables_of(system, said.service).get("event", {})
        for line in said.receipt.events:
            event = events.get(line.position)
            if event is None or event[7].hex() != line.hash:
                raise Broken(f"{said.key} was acknowledged at position {line.position}, where {_said(event)} stands")


def nothing_forks(system: System) -> None:
    """No position was acknowledged for two events."""
    by_position: dict[tuple[str, int], Said] = {}
    for said in system.said.values():
        for line in said.receipt.events:
            other = by_position.setdefault((said.service, line.position), said)
            if other is not said:
                raise Broken(f"position {line.position} was acknowledged to {other.key} and to {said.key}")


def every_command_is_recorded_once(system: System) -> None:
    """Each key that was sent stands once."""
    for name in SERVICES:
        events = tables_of(system, name).get("event", {}).values()
        keys = Counter(json.loads(event[8])["actor"]["id"] for event in events if ".Answered." not in event[5])
        for key in (key for key in system.sent if key.startswith(name)):
            if (times := keys[str(derived_uuid("officer", key))]) != 1:
                raise Broken(f"{key} is recorded {times} times")


def each_chain_is_whole(system: System) -> None:
    """Positions and versions are dense, times grow, and the hashes follow from what stands there."""
    for name in SERVICES:
        tables = tables_of(system, name)
        events = [event for _, event in sorted(tables.get("event", {}).items())]
        if [event[0] for event in events] != list(range(1, len(events) + 1)):
            raise Broken(f"a position of {name} is missing")
        if any(later[1] <= earlier[1] for earlier, later in pairwise(events)):
            raise Broken(f"a time of {name} goes back")
        last: dict[str, tuple[int, bytes]] = {}
        log_hash = EMPTY_LOG
        ends = {}
        for command, (digest, stream, first, count) in tables.get("answer", {}).items():
            ends[stream, first + count - 1] = kept_answer(command, digest)
        for position, at, stream, version, _, _, _, hash_, body, stored in events:
            before = last.get(stream, (0, GENESIS))
            if version != before[0] + 1 or next_hash(before[1], body) != hash_:
                raise Broken(f"{stream} version {version} does not follow from {before[0]}")
            last[stream] = (version, hash_)
            log_hash = next_log_hash(log_hash, log_entry(position, at, hash_), ends.get((stream, version), b""))
            if log_hash != stored:
                raise Broken(f"the log hash of {name} at position {position} is another")


def the_topic_is_the_store(system: System) -> None:
    """Each event stands in the topic once, byte for byte, and in order."""
    for name in SERVICES:
        events = tables_of(system, name).get("event", {})
        times: Counter[int] = Counter()
        last: dict[int, int] = {}
        for number, offset, position, entry in committed(system, name):
            event = events.get(position)
            place = f"{name}/{number} offset {offset}"
            if event is None or entry.value != event[8] or dict(entry.headers)["ooc_hash"].decode() != event[7].hex():
                raise Broken(f"{place} holds another event at position {position} than the store")
            if position <= last.get(number, 0) and times[position] == 0:
                raise Broken(f"{place}: position {position} comes after {last[number]}")
            last[number] = max(position, last.get(number, 0))
            times[position] += 1
        for position in events:
            if times[position] != 1:
                raise Broken(f"position {position} of {name} stands {times[position]} times in its topic")


def each_ring_is_answered_once(system: System) -> None:
    """No reaction is doubled, lost or invented."""
    causes = Counter(_answers(system))
    for event in tables_of(system, BELL.name).get("event", {}).values():
        if (times := causes.pop(str(event[4]), 0)) != 1:
            raise Broken(f"the ring at position {event[0]} was answered {times} times")
    if causes:
        raise Broken(f"{len(causes)} answers follow no ring")


def the_projection_is_the_store(system: System) -> None:
    """Reporting took each version of each stream once, in order."""
    expected: dict[str, list[Any]] = defaultdict(list)
    for name in SERVICES:
        for _, event in sorted(tables_of(system, name).get("event", {}).items()):
            expected[event[2]].append((event[3], event[0], event[7]))
    projected = {stream: list(rows) for stream, rows in tables_of(system, "reporting").get("projected", {}).items()}
    for stream in expected.keys() | projected.keys():
        if projected.get(stream) != expected.get(stream):
            taken = [version for version, *_ in projected.get(stream, ())]
            raise Broken(f"reporting took versions {taken} of {stream}, which has {len(expected.get(stream, ()))}")


def every_time_is_near(system: System) -> None:
    """No event was recorded at a time that its writers could not have seen."""
    for name in SERVICES:
        for event in tables_of(system, name).get("event", {}).values():
            if event[1] > system.now() + CLOCK_BOUND:
                raise Broken(f"position {event[0]} of {name} was recorded at {event[1]}, and it is {system.now()}")


async def everything_opens(system: System) -> None:
    """The keyring has each key that seals a recorded field."""
    process = Process(system.loop, "auditor")

    async def look() -> None:
        keyring = PostgresKeyring(await database.create_pool("postgresql://audit@sim/keyring"), KEK, system.loop.time)
        for name in SERVICES:
            for event in tables_of(system, name).get("event", {}).values():
                try:
                    await keyring.open(key_ids_in(event[8]))
                except Exception as error:
                    raise Broken(f"position {event[0]} of {name} cannot be read: {error}") from error

    await process.start(look())


async def no_witnessed_position_is_taken(system: System) -> None:
    """After a restore nothing is recorded where the witness has seen another event."""
    for name, before in system.overwritten.items():
        seen = system.witness.size(name)
        for position, event in sorted(tables_of(system, name)["event"].items()):
            other = before.get(position)
            if position <= seen and other is not None and other[7] != event[7]:
                raise Broken(f"position {position} of {name} is taken again, and the witness has seen {seen}")
    if not system.overwritten or not any(system.witness.size(name) for name in SERVICES):
        raise Broken("nothing was restored, or the witness has seen nothing")


async def all_catches_up(system: System) -> None:
    """What was late is there in the end."""
    await require_progress(system, "after everything was slow", 75)


async def no_loss_is_silent(system: System) -> None:
    """Where a topic has lost records, they come again, or an alarm stands."""
    try:
        await require_progress(system, "after a tail was lost", 60)
    except Broken as error:
        if not any(cluster.primary.tables.get("alarm") for cluster in system.clusters):
            raise Broken(f"a loss is silent: {error}") from error


LAWS: Final[tuple[Callable[[System], None], ...]] = (
    nothing_forks,
    every_receipt_holds,
    each_chain_is_whole,
    every_command_is_recorded_once,
    the_topic_is_the_store,
    each_ring_is_answered_once,
    the_projection_is_the_store,
    every_time_is_near,
)


def _said(event: Any) -> str:
    return "nothing" if event is None else f"version {event[3]} of {event[2]}"
