"""`make bench`: how fast it is, in one run with a peer and with what the machine can do at all.

Nothing is asserted of a time, and a target that is not reached fails nothing: it is said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from shared.runtime.garbage_collection import exempt_from_collection
from tests.bench.append import by_64
from tests.bench.guidance import guidance
from tests.bench.http import over_http
from tests.bench.machine import machine
from tests.bench.memory import memory
from tests.bench.messages import messages
from tests.bench.page import write_table
from tests.bench.pages import pages
from tests.bench.place import place
from tests.bench.projection import live, rebuild_from_stores
from tests.bench.relay import relay
from tests.bench.rounds import Bench, alternating
from tests.bench.table import Part, as_json, lines, part, verdict
from tests.bench.targets import ELSEWHERE
from tests.bench.verification import verification
from tests.bench.visible import visible

BENCHES: Final = (
    Bench("append-64", "Append, 64 callers in one process, one event each", by_64),
    Bench("http", "Commands over HTTP, one API process", over_http),
    Bench("guidance", "What may be done next in a case", guidance),
    Bench("relay", "Relay, transactional", relay),
    Bench("live", "Projection, live (reporting)", live),
    Bench("rebuild-stores", "Rebuild from the event stores, two processes (reporting)", rebuild_from_stores),
    Bench("verify", "Verification of a whole system", verification),
    Bench("visible", "Command accepted to visible in reporting, 200 commands/s", partial(visible, rate=200)),
    Bench("messages", "Messages due at 08:00, ten thousand", partial(messages, due=10_000)),
    Bench("memory", "Memory of each process", memory),
    Bench("pages", "Pages of the console, 10,000 cases", partial(pages, cases=10_000)),
    Bench("pages-1000", "Pages of the console, 1,000 cases", partial(pages, cases=1_000)),
    Bench("visible-20", "Command accepted to visible in reporting, 20 commands/s", partial(visible, rate=20)),
)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    benches: Sequence[Bench]
    seconds: float
    rounds: int
    json: Path
    page: bool


def parse_arguments(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; exits where it makes no sense."""
    names = [bench.name for bench in BENCHES]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*names, []], metavar="name", help=f"of {', '.join(names)}; or all")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a round lasts, where it has no fixed work")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds of each side are counted")
    parser.add_argument("--json", type=Path, default=Path("var/bench/latest.json"), help="where all values go")
    parser.add_argument("--page", action="store_true", help="write the table of docs/reference/performance.md too")
    read = parser.parse_args(arguments)
    return Options(
        [bench for bench in BENCHES if not read.names or bench.name in read.names],
        read.seconds,
        read.rounds,
        read.json,
        read.page,
    )


async def main(wanted: Options) -> None:
    """Start the servers, run the benches, and print what was found."""
    began, task = datetime.now(UTC), asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C: the servers end too
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = []
    async with place(Path(f"var/bench/servers-{os.getpid()}")) as here:
        surroundings = await machine(here)
        for bench in wanted.benches:

            def tell(what: str, name: str = bench.name) -> None:
                print(f"{name}: {what}", file=sys.stderr, flush=True)

            tell("setting up")
            async with bench.sides(here) as sides:
                exempt_from_collection()  # as the system's processes do; the corpus is not theirs
                found = await alternating(sides, wanted.rounds, wanted.seconds, tell)
            parts.append(part(bench.name, bench.title, {side.name: side.what for side in sides}, found))
            print("\n".join(lines(parts[-1:])), file=sys.stderr, flush=True)
            # A run that somebody ends keeps what it has found.
            document = {
                "began": began.isoformat(),
                "seconds": wanted.seconds,
                "rounds": wanted.rounds,
                "machine": dict(surroundings),
                "benches": as_json(parts),
            }
            await asyncio.to_thread(wanted.json.write_text, json.dumps(document, indent=2) + "\n", encoding="utf-8")
            if wanted.page:
                write_table(document)
    print(f"{began:%Y-%m-%d %H:%M} UTC, {wanted.rounds} rounds of {wanted.seconds:g} s after a warm-up")
    for name, what in surroundings.items():
        print(f"  {name}: {what}")
    print()
    for line in lines(parts):
        print(line)
    print()
    print("\n".join(verdict(parts)))
    print("\n".join(["Not measured here:", *(f"  {one}" for one in ELSEWHERE)]))
    print(f"All values: {wanted.json}")


if __name__ == "__main__":
    try:
        uvloop.run(main(parse_arguments()))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
