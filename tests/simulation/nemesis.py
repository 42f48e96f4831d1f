"""The nemesis: it breaks things at random, and mends them, and at last mends everything.

A seed takes a few kinds of faults (swarm testing), since together they hide each other.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import UUID

from shared.messaging.relay import TRANSACTION_SECONDS
from shared.servers.database import LEASE_SECONDS
from tests.simulation.loop import Process
from tests.simulation.postgres import Cluster
from tests.simulation.system import Broken, System

Fault = Callable[[System], Coroutine[Any, Any, None]]


async def kill(system: System) -> None:
    """Kill -9 of a program, between two of its callbacks."""
    system.kill(system.chance.choice(list(system.programs.values())))


async def kill_many(system: System) -> None:
    """Kill -9 of one program after the other, a few callbacks apart."""
    for _ in range(6):
        await kill(system)
        await asyncio.sleep(system.chance.random() * 0.05)


async def pause(system: System) -> None:
    """SIGSTOP of a program; sometimes for as long as leases and sessions last, and longer."""
    program = system.chance.choice(list(system.programs.values()))
    process = program.process
    if process is not None and process.alive:
        process.pause()
        await asyncio.sleep(system.chance.choice((0.5, 5.0, 12.0, 25.0)))
        process.resume()


async def pause_a_publisher(system: System) -> None:
    """SIGSTOP of a program within its transaction, for longer than its lease lasts, and for less than it gives the transaction.

    So another takes over, and publishes, before it goes on where it was.
    """
    process = await system.broker.publishing()
    process.pause()
    await asyncio.sleep(system.chance.uniform(LEASE_SECONDS + 1, TRANSACTION_SECONDS))
    process.resume()


async def trouble_the_network(system: System) -> None:
    """Messages come late, or are lost with their connection."""
    system.network.trouble = system.chance.random()
    await asyncio.sleep(system.chance.uniform(1, 15))
    system.network.trouble = 0.0


async def freeze_kafka(system: System) -> None:
    """No broker answers for a while."""
    system.broker.process.pause()
    await asyncio.sleep(system.chance.choice((0.3, 3.0, 14.0)))
    system.broker.process.resume()


async def thaw_a_leader(system: System) -> None:
    """A broker goes on that was frozen while others led: for a moment it answers readers with the ends that it knows."""
    partitions = [partition for topic in system.broker.topics.values() for partition in topic]
    led = [partition for partition in partitions if system.chance.random() < 1 / 3]
    ends = [(partition.stable, len(partition.log)) for partition in led]
    await asyncio.sleep(system.chance.uniform(1, 5))
    for partition, known in zip(led, ends, strict=True):
        partition.frozen = known
    relays = [program for name, program in system.programs.items() if "relay" in name]
    for relay in system.chance.sample(relays, 2):
        system.kill(relay)
    await asyncio.sleep(system.chance.uniform(0.5, 4))
    for partition in led:
        partition.frozen = None


async def expire_batches(system: System) -> None:
    """Batches expire before they are sent, some of a transaction and some not."""
    system.broker.expiring = 0.2
    await asyncio.sleep(system.chance.uniform(1, 5))
    system.broker.expiring = 0.0


async def starve(system: System) -> None:
    """Every request to Kafka takes two seconds from the beginning, so what takes many lasts longer than a lease. Raises `Broken`."""
    system.broker.slowness = 2.0
    await asyncio.sleep(90)
    partitions = [partition for name in system.deciding for partition in system.broker.topics[f"ooc.{name}.position"]]
    if not all(partition.stable for partition in partitions):
        raise Broken("relays take their lease from each other, and publish nothing")


async def restart_postgres(system: System) -> None:
    """Kill -9 of a primary, which comes back with its log."""
    _some_cluster(system).restart()


async def freeze_postgres(system: System) -> None:
    """SIGSTOP of a primary."""
    process = _some_cluster(system).primary.process
    process.pause()
    await asyncio.sleep(system.chance.choice((0.5, 4.0, 18.0)))
    process.resume()


async def cut_the_standby(system: System) -> None:
    """Commits that wait are visible to nobody, until the standby is back, or the primary starts again, or they are cancelled."""
    await _cut(system, _some_cluster(system))


async def cut_the_standby_of_the_keyring(system: System) -> None:
    """The same, where keys are made."""
    await _cut(system, system.servers.clusters["keyring"])


async def _cut(system: System, cluster: Cluster) -> None:
    cluster.cut()
    await asyncio.sleep(system.chance.uniform(0.05, 4.0))
    match system.chance.randrange(4):
        case 0:
            cluster.primary.cancel_waits()
        case 1:
            cluster.restart()
    await asyncio.sleep(system.chance.uniform(0.0, 3.0))
    if system.chance.random() < 0.6:
        await _promote(system, cluster)
    cluster.mend()


async def promote(system: System) -> None:
    """The primary dies, or is cut off from its standby and everybody new; the standby takes over with what it has."""
    cluster = _some_cluster(system)
    await _promote(system, cluster)
    cluster.mend()


async def _promote(system: System, cluster: Cluster) -> None:
    cluster.promote(zombie=system.chance.random() < 0.3)
    await asyncio.sleep(system.chance.uniform(0.0, 2.0))


async def set_a_clock(system: System) -> None:
    """The clock of a program is ten minutes off, one way or the other."""
    processes = [program.process for program in system.programs.values() if program.process is not None]
    await _set_a_clock(system, system.chance.choice(processes))


async def set_a_clock_of_postgres(system: System) -> None:
    """The same, of a server of PostgreSQL."""
    await _set_a_clock(system, _some_cluster(system).primary.process)


async def _set_a_clock(system: System, process: Process) -> None:
    process.clock_error = system.chance.choice((-600.0, 600.0))
    system.loop.note(f"the clock of {process} is off by {process.clock_error:g} s")
    await asyncio.sleep(system.chance.uniform(1, 10))
    process.clock_error = 0.0


async def restore_from_a_backup(system: System) -> None:
    """While nothing runs, event stores, consumers and topics go back to an earlier moment together; keyring and witness do not."""
    await asyncio.sleep(8)
    partitions = [partition for topic in system.broker.topics.values() for partition in topic]
    while any(partition.open for partition in partitions):  # noqa: ASYNC110 - a quiet moment
        await asyncio.sleep(0.02)
    places = [(cluster, len(cluster.primary.wal)) for cluster in system.clusters if cluster.name != "keyring"]
    ends = [len(partition.log) for partition in partitions]
    await asyncio.sleep(8)
    for program in system.programs.values():
        system.kill(program, down=True)
    await asyncio.sleep(2)
    system.overwritten = {name: dict(cluster.primary.tables["event"]) for name, cluster in system.deciding.items()}
    for cluster, place in places:
        cluster.set_back(place)
    for partition, end in zip(partitions, ends, strict=True):
        partition.lose(len(partition.log) - end)
    for program in system.programs.values():
        system.start(program)
    await asyncio.sleep(20)


async def lose_a_tail(system: System) -> None:
    """A leader that lags takes over: the last event of a partition is gone, and another stands there, before anybody has read it.

    More than the last one would contradict the position records that come; a stream that goes on would show its gap.
    """
    await asyncio.sleep(8)
    readers = [
        program.process for name, program in system.programs.items() if name.startswith(("projector", "desk-reactor"))
    ]
    for process in readers:
        assert process is not None
        process.pause()
    await asyncio.sleep(3)
    events = system.broker.topics["ooc.bell.events"]
    sizes = [len(partition.log) for partition in events]
    longest = sizes.index(max(sizes))
    system.broker.lose_tail("ooc.bell.events", longest, 2)  # and the marker after it
    system.bells = [UUID(int=0xC000 + n) for n in range(40)]
    while len(events[longest].log) < sizes[longest]:  # noqa: ASYNC110 - a partition that ends early shows it, too
        await asyncio.sleep(0.1)
    for process in readers:
        assert process is not None
        process.resume()
    await asyncio.sleep(20)


def _some_cluster(system: System) -> Cluster:
    return system.chance.choice(system.clusters)


FAULTS: Final[tuple[Fault, ...]] = (
    kill,
    kill_many,
    pause,
    pause_a_publisher,
    trouble_the_network,
    freeze_kafka,
    thaw_a_leader,
    expire_batches,
    restart_postgres,
    freeze_postgres,
    cut_the_standby,
    promote,
    set_a_clock,
    set_a_clock_of_postgres,
)


async def strike(system: System, faults: tuple[Fault, ...], seconds: float) -> None:
    """Strike at random for some seconds, with some faults at once; then mend everything."""
    striking: set[asyncio.Task[None]] = set()
    until = system.loop.time() + seconds
    while system.loop.time() < until:
        await asyncio.sleep(system.chance.expovariate(0.5))
        striking = {task for task in striking if not task.done()}
        if len(striking) < 3:
            fault = system.chance.choice(faults)
            system.loop.note(f"--- {fault.__name__}")
            striking.add(asyncio.create_task(fault(system)))
    for task in striking:
        task.cancel()
    await asyncio.gather(*striking, return_exceptions=True)
    system.closing = True
    mend(system)


def mend(system: System) -> None:
    """Mend everything that is broken."""
    system.loop.note("--- everything is mended")
    system.network.trouble = 0.0
    system.broker.process.resume()
    system.broker.expiring = system.broker.slowness = 0.0
    for partition in itertools.chain.from_iterable(system.broker.topics.values()):
        partition.frozen = None
    for cluster in system.clusters:
        cluster.mend()
        for node in (cluster.primary, cluster.standby):
            node.process.clock_error = 0.0
    for program in system.programs.values():
        if program.process is not None:
            program.process.resume()
            program.process.clock_error = 0.0
        if program.process is None or not program.process.alive:
            system.start(program)
