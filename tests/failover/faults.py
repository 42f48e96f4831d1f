"""The faults of `make failover`: each does harm once, at moments that a seed gives, and returns when its cause is gone."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import psutil

from tests.failover.quorum import CANCEL, FAKETIME, WAITING
from tests.failover.rig import Rig
from tests.integration.local.waiting import eventually


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and what is promised of it besides that nothing is lost, doubled or forked."""

    what: str
    promise: str
    do: Callable[[Any, Random], Awaitable[None]]
    """It is done to a `Rig`; what promotes needs a `quorum` alone, but for `worker_frozen`."""
    alert: str
    """The alert of docs/reference/alerts.yaml that shows it where it lasts."""
    promotes: bool = False

    @property
    def name(self) -> str:
        """The name of its test."""
        return self.do.__name__


async def primary_killed(rig: Rig, chance: Random) -> None:
    await rig.quorum.primary.destroy()
    old = await rig.quorum.promote()
    await asyncio.sleep(chance.random())
    await rig.quorum.rejoin(old)


async def primary_frozen(rig: Rig, chance: Random) -> None:
    rig.quorum.primary.send(signal.SIGSTOP)
    old = await rig.quorum.promote()
    await asyncio.sleep(chance.uniform(0, 4))
    old.send(signal.SIGCONT)  # it takes itself for the primary, and clients find it
    await asyncio.sleep(chance.uniform(0, 4))
    await rig.quorum.rejoin(old)


async def primary_parted(rig: Rig, chance: Random) -> None:
    for proxy in (rig.quorum.primary.clients, rig.quorum.primary.standbys):
        proxy.hold()
    old = await rig.quorum.promote()
    await asyncio.sleep(chance.uniform(0, 4))
    old.clients.mend()  # what was held arrives late, at a primary that nobody follows
    await asyncio.sleep(chance.uniform(0, 4))
    await rig.quorum.rejoin(old)


async def wait_cancelled(rig: Rig, chance: Random) -> None:
    primary = rig.quorum.primary
    primary.standbys.sever()
    await eventually(lambda: primary.ask(WAITING))
    for _ in range(chance.randrange(1, 4)):
        await primary.do(CANCEL)
        await asyncio.sleep(chance.random())
    await primary.destroy()
    await rig.quorum.rejoin(await rig.quorum.promote())


async def standby_behind(rig: Rig, chance: Random) -> None:
    primary, behind = rig.quorum.primary, rig.quorum.synchronous
    await behind.do("alter system set primary_conninfo = ''", "select pg_reload_conf()")
    await eventually(lambda: primary.ask(WAITING))  # the other standby has what waits
    await asyncio.sleep(chance.random())
    await primary.destroy()
    await rig.quorum.rejoin(await rig.quorum.promote())


async def clock_ahead(rig: Rig, chance: Random) -> None:
    fast = rig.quorum.synchronous
    await fast.restart(ahead=600)
    await eventually(rig.quorum.replicates)
    await rig.quorum.primary.destroy()
    old = await rig.quorum.promote()
    await asyncio.sleep(chance.uniform(2, 6))
    fast.set_clock(0)
    await rig.quorum.rejoin(old)


async def worker_frozen(rig: Rig, chance: Random) -> None:
    service = chance.choice(("referral", "education"))
    frozen = chance.choice(rig.processes(f"{service}-worker"))
    frozen.send_signal(signal.SIGSTOP)
    await rig.quorum.primary.destroy()
    old = await rig.quorum.promote()
    await asyncio.sleep(chance.uniform(0, 12))
    with contextlib.suppress(psutil.NoSuchProcess):
        frozen.send_signal(signal.SIGCONT)
    await rig.quorum.rejoin(old)


async def standby_lost(rig: Rig, chance: Random) -> None:
    await rig.quorum.synchronous.destroy()
    await asyncio.sleep(chance.uniform(1, 5))
    await rig.quorum.synchronous.start()


async def database_frozen(rig: Rig, chance: Random) -> None:
    rig.quorum.primary.send(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(5, 20))
    rig.quorum.primary.send(signal.SIGCONT)


async def connections_cut(rig: Rig, chance: Random) -> None:
    for _ in range(chance.randrange(2, 6)):
        proxies = [rig.quorum.primary.clients, *(node.proxy for node in rig.brokers.nodes)]
        proxy = chance.choice(proxies)
        proxy.sever()
        await asyncio.sleep(chance.uniform(0, 2))
        proxy.mend()


async def network_slow(rig: Rig, chance: Random) -> None:
    proxies = [rig.quorum.primary.clients, *(node.proxy for node in rig.brokers.nodes)]
    for proxy in proxies:
        proxy.delay = chance.uniform(0, 0.3)
    await asyncio.sleep(chance.uniform(5, 10))
    for proxy in proxies:
        proxy.mend()


async def broker_killed(rig: Rig, chance: Random) -> None:
    node = chance.choice(rig.brokers.nodes)
    await node.end()
    await asyncio.sleep(chance.uniform(0, 10))  # before or after the controller has missed it
    await rig.brokers.back(node)


async def broker_wiped(rig: Rig, chance: Random) -> None:
    node = chance.choice(rig.brokers.nodes)
    await node.end()
    await node.wipe()
    await rig.brokers.back(node)


async def brokers_rolled(rig: Rig, chance: Random) -> None:
    for node in chance.sample(rig.brokers.nodes, 3):
        await node.end(signal.SIGTERM)
        await rig.brokers.back(node)
        await eventually(rig.brokers.in_sync, 300)


async def brokers_lost(rig: Rig, chance: Random) -> None:
    lost = chance.sample(rig.brokers.nodes, 2)
    for node in lost:
        await node.end()
    await asyncio.sleep(chance.uniform(2, 8))
    for node in lost:
        await rig.brokers.back(node)


async def broker_frozen(rig: Rig, chance: Random) -> None:
    node = chance.choice(rig.brokers.nodes)
    node.send(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(3, 15))
    node.send(signal.SIGCONT)


_WAIT: Final = "commands wait, or get 503, until the standby is promoted"
_ON: Final = "commands go on; publishing waits"

FAULTS: Final = (
    Fault("the primary is killed, the synchronous standby promoted", _WAIT, primary_killed, "ApiDown", promotes=True),
    Fault("the primary is frozen, and comes back beside the new one", _WAIT, primary_frozen, "ApiDown", promotes=True),
    Fault("the primary is cut off, and comes back beside the new one", _WAIT, primary_parted, "ApiDown", promotes=True),
    Fault(
        "waits for the standby are cancelled, then the primary is killed",
        _WAIT,
        wait_cancelled,
        "StandbyLost",
        promotes=True,
    ),
    Fault("a standby is promoted that lacks what another has", _WAIT, standby_behind, "StandbyLost", promotes=True),
    Fault("a worker is frozen while a standby is promoted", _WAIT, worker_frozen, "PartStands", promotes=True),
    Fault(
        "a standby is promoted whose clock is ten minutes ahead",
        "commands get 503",
        clock_ahead,
        "ClockOff",
        promotes=True,
    ),
    Fault(
        "the synchronous standby is lost for a while",
        "commands wait, or get 503, until it is back",
        standby_lost,
        "StandbyLost",
    ),
    Fault("the database is frozen for a while", "commands wait, or get 503", database_frozen, "ApiDown"),
    Fault("connections are cut", "commands are sent again", connections_cut, "ApiDown"),
    Fault("the network is slow", "everything goes on, slowly", network_slow, "RelayBehind"),
    Fault("a broker is killed", _ON, broker_killed, "ReplicaLost"),
    Fault("a broker is killed, and its disk lost", _ON, broker_wiped, "ReplicaLost"),
    Fault("the brokers are restarted one by one", _ON, brokers_rolled, "ReplicaLost"),
    Fault("two of three brokers are killed", _ON, brokers_lost, "PartStands"),
    Fault("a broker is frozen", _ON, broker_frozen, "ReplicaLost"),
)

PLAYABLE: Final = tuple(fault for fault in FAULTS if FAKETIME is not None or fault.do is not clock_ahead)
"""Those that this machine can play."""
