"""The memory of each process of a whole system, as `ooc up` starts it: at rest, and after a load."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from tests.bench.corpus import STORIES
from tests.bench.place import KAFKA_OPTIONS, Place
from tests.bench.rounds import OURS, Side
from tests.ports import free_base
from tools.local.supervisor import running as local_running

OOC: Final = (sys.executable, "-m", "ooc.main")
SEED: Final = (sys.executable, "-m", "tests.bench.seed")
PATIENCE: Final = 300.0
"""Seconds for the system to be ready, and to come to rest."""

REST_SECONDS: Final = 20.0
"""Seconds between the start of a system and the look at its memory at rest."""

PLAYED: Final = tuple(sorted(STORIES.glob("0*.yaml")))
"""The scenarios that a load plays over HTTP: they read and print as well."""

CASES: Final = 100
"""How many cases a load adds besides, of all scenarios: relays, reactions and the projection carry them on."""


def with_children(pid: int, apart: Collection[int] = ()) -> set[int]:
    """Return a process and all below it, save those that are looked at apart."""
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))} - (set(apart) - {pid})


def megabytes(pids: Collection[int]) -> float:
    """Return the memory of processes: the proportional set size, so that what they share counts once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_full_info().pss
    return total / 1e6


class WholeSystem:
    """A system that runs in a directory of its own, on free ports."""

    def __init__(self, var: Path) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("OOC_") and name != KAFKA_OPTIONS
        }
        self._var = var
        self._environment = inherited | {"OOC_VAR": str(var), "OOC_PORT_BASE": str(free_base())}
        self._rest: Mapping[str, float] = {}
        self._up = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the system, look at its memory at rest, and end it after the body."""
        with (self._var.parent / "up.log").open("wb") as log:
            up = await asyncio.create_subprocess_exec(*OOC, "up", env=self._environment, stdout=log, stderr=log)
            try:
                self._up = up.pid
                await self._at_rest()
                await asyncio.sleep(REST_SECONDS)
                self._rest = self._memory("at rest")
                yield
            finally:
                up.send_signal(signal.SIGINT)
                await up.wait()

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Return the memory of each process in megabytes at rest, and after one load more."""
        await self._succeed(*OOC, "scenario", "run", "--quiet", *map(str, PLAYED))
        await self._succeed(*SEED, str(CASES))
        await self._at_rest()
        return {**self._rest, **self._memory("after a load")}

    def _memory(self, when: str) -> dict[str, float]:
        pids = local_running(self._var)
        named = {name: with_children(pid, pids.values()) for name, pid in sorted(pids.items())}
        # Also `ooc up`, and the server that its processes are forked from.
        named["all processes"] = with_children(self._up).union(*named.values())
        return {f"{name} {when}, MB": megabytes(found) for name, found in named.items()}

    async def _at_rest(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self._code(*OOC, "status"):  # noqa: ASYNC110 - a system gives no sign
                await asyncio.sleep(1)

    async def _succeed(self, *program: str) -> None:
        code = await self._code(*program)
        assert code == 0, f"{' '.join(program)} ended with {code}"

    async def _code(self, *program: str) -> int:
        quiet = subprocess.DEVNULL
        asked = await asyncio.create_subprocess_exec(*program, env=self._environment, stdout=quiet, stderr=quiet)
        return await asked.wait()


@contextlib.asynccontextmanager
async def memory(_place: Place) -> AsyncIterator[Sequence[Side]]:
    """Start a whole system beside the servers of the benches, which have no part in it."""
    with tempfile.TemporaryDirectory(prefix="ooc-bench-") as folder:
        system = WholeSystem(Path(folder) / "var")
        async with system.running():
            what = f"`ooc up`; a load plays {len(PLAYED)} scenarios over HTTP and adds {CASES} cases"
            yield [Side(OURS, what, system.round)]
