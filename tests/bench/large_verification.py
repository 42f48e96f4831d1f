"""`make bench-verify`: how long `ooc verify` takes for a large system, and how much processor time."""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

import uvloop

from shared.runtime.garbage_collection import exempt_from_collection
from tests.bench.machine import machine
from tests.bench.place import place
from tests.bench.verification import System


async def main(events: int, rounds: int) -> None:
    """Start the servers, fill a system, and verify it so many times: each prints a line when it is done."""
    async with place(Path(f"var/bench/servers-{os.getpid()}")) as here:
        for name, what in (await machine(here)).items():
            print(f"  {name}: {what}", flush=True)
        began, system = time.perf_counter(), System(here.database_url, here.kafka)
        await system.fill(events)
        print(f"  {system.events:,} events, filled in {time.perf_counter() - began:,.0f} s", flush=True)
        exempt_from_collection()
        for _ in range(rounds):
            began, used = time.perf_counter(), _processor_seconds()
            await system.verified(0)
            took, used = time.perf_counter() - began, _processor_seconds() - used
            print(
                f"{took:.1f} s, {system.events / took:,.0f} events/s, {used / system.events * 1e6:.0f} µs of Python an event",
                flush=True,
            )


def _processor_seconds() -> float:
    """Return the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-verify", description=__doc__)
    parser.add_argument("events", type=int, help="how many events the system holds")
    parser.add_argument("--rounds", type=int, default=3, help="how many times it is verified")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.events, arguments.rounds))
