"""The promise under faults of servers and networks: what was acknowledged is kept, published and reacted to, once and in order.

A whole system runs on three brokers and a PostgreSQL primary with a synchronous and an asynchronous standby, and people work
on it. OOC_FAILOVER_SECONDS says for how long, by default for each fault once (`make failover`, which writes docs/reference/reliability.md), and
OOC_FAILOVER_SEED repeats a run's choices.
"""

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.failover.conftest import SECONDS, SEED, Note
from tests.failover.faults import FAULTS, PLAYABLE, Fault
from tests.failover.rig import Rig, running_rig

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """Yield the system at work."""
    async with running_rig(folder) as rig:
        yield rig


@pytest.mark.timeout(SECONDS + 3600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_costs_nothing_that_was_acknowledged(rig: Rig, note: Note, until: float, fault: Fault) -> None:
    """Given people at work, when a fault comes and goes, again and again, then each receipt holds, and nothing is doubled."""
    if fault not in PLAYABLE:
        pytest.skip("Debian: apt-get install faketime")
    chance = random.Random(f"{SEED} {fault.name}")
    while True:
        await rig.answered(chance.randrange(10, 60))
        began = time.monotonic()
        await fault.do(rig, chance)
        note(fault.name, await rig.judge(began))
        if time.monotonic() >= until:
            return
