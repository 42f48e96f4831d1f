"""`python -m tests.bench.seed CASES`: fills the system that `ooc up` started with made-up history, through the command handlers.

The commands go straight to the handlers, with the databases' addresses and the key-encryption key of the system. Each case
is that of a scenario, with ids of its own and moved back by whole weeks, so that working days stay working days. The workers
of the system find the reactions done already: a reaction's id follows from its event.
"""

import asyncio
import os
import random
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.system.addresses import VAR, written
from services.system.registry import deciding_services
from shared.domain.dates import BeyondCalendar
from shared.domain.policy import NoPolicy
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.runtime.bootstrap import open_resources
from shared.runtime.privileges import RoleKind
from shared.servers.settings import Settings
from tests.bench.corpus import STORIES
from tests.bench.synthetic_cases import SyntheticCase, SyntheticCases

WEEKS: Final = 104
"""Over how many weeks the cases are spread."""

AT_ONCE: Final = 32
"""Cases that are under way at once."""


@dataclass
class Seeded:
    """What was recorded, and what was not."""

    cases: int = 0
    commands: int = 0
    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """How many cases ended early, by why: the rules that refused a command on its new day."""


async def seed(handlers: Mapping[str, CommandHandler], synthetic_cases: Iterator[SyntheticCase]) -> Seeded:
    """Send the commands of some synthetic cases, each case's in order and many cases at a time."""
    seeded = Seeded()

    async def take_turns() -> None:
        for case in synthetic_cases:
            await _play(handlers, case, seeded)

    await asyncio.gather(*(take_turns() for _ in range(AT_ONCE)))
    return seeded


async def _play(handlers: Mapping[str, CommandHandler], case: SyntheticCase, seeded: Seeded) -> None:
    for sent in case.sent:
        try:
            result = await handlers[sent.service].handle(replace(sent.request, received_at=datetime.now(UTC)))
        except (NoPolicy, BeyondCalendar) as error:
            seeded.refused[type(error).__name__] += 1
            return
        if not isinstance(result, Accepted):
            rules = [rule.id for rule in getattr(result, "rules", ())]
            seeded.refused[" ".join(rules) or type(result).__name__] += 1
            return
        seeded.commands += 1
        seeded.events += len(result.receipt.events)
    seeded.cases += 1


def some_cases(
    synthetic_cases: SyntheticCases, cases: int, weeks: int, chance: random.Random
) -> Iterator[SyntheticCase]:
    """Yield so many further cases, spread over the weeks before their own days."""
    for _ in range(cases):
        yield synthetic_cases.next(7 * chance.randrange(weeks))


async def fill(cases: int) -> Seeded:
    """Fill the system that `ooc up` started."""
    noted = written(VAR)
    assert noted is not None, f"no system runs in {VAR}"
    kek = os.environ.get("OOC_KEK_FILE") or VAR / "keys" / "kek"
    settings = Settings(database_url=noted["postgres"], kafka=noted["kafka"], kek_file=Path(kek))
    services = deciding_services()
    async with AsyncExitStack() as stack:
        handlers: dict[str, CommandHandler] = {}
        for service in services:
            resources = await stack.enter_async_context(
                open_resources(service.name, RoleKind.API, settings, connections=8, keyring_connections=4)
            )
            handlers[service.name] = resources.command_handler(service, PostgresEventStore(resources.database))
        # Plays in memory, in a loop of its own.
        files, salt = sorted(STORIES.glob("*.yaml")), secrets.randbits(32)
        synthetic_cases = await asyncio.to_thread(SyntheticCases, services, files, salt)
        return await seed(handlers, some_cases(synthetic_cases, cases, WEEKS, random.Random()))


if __name__ == "__main__":
    print(asyncio.run(fill(int(sys.argv[1]))))
