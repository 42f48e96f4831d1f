"""`ooc seed`: fills a system with made-up history, by the commands of the scenarios, through the production command path.

For a system to look at, to measure or to train on; never for one with anybody's real cases. The commands go straight to
the command handlers, with the databases' addresses and the key-encryption key of the system. Each case is that of a
scenario, with ids of its own and moved back by whole weeks, so that working days stay working days. The workers of the
system, if they run, find the reactions done already: a reaction's id follows from its event.
"""

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ooc.scenarios import STORIES
from ooc.tables import OUT, progress_bar
from services.system.addresses import VAR, NoSystem, written
from shared.domain.dates import BeyondCalendar
from shared.domain.policy import NoPolicy
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import InvalidKeyEncryptionKeys
from shared.runtime.bootstrap import open_resources
from shared.runtime.privileges import RoleKind
from shared.servers.settings import NoPassword, Settings
from tools.scenario.synthetic_cases import SyntheticCase, SyntheticCases

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


async def seed(
    handlers: Mapping[str, CommandHandler],
    synthetic_cases: Iterator[SyntheticCase],
    advance: Callable[[], None] = lambda: None,
) -> Seeded:
    """Send the commands of some synthetic cases, each case's in order and many cases at a time; `advance` is called after each."""
    seeded = Seeded()

    async def take_turns() -> None:
        for case in synthetic_cases:
            await _play(handlers, case, seeded)
            advance()

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


def fill(files: Sequence[Path], cases: int, weeks: int) -> Seeded:
    """Fill the system of this machine. Raises `NoSystem`, also if its keys or passwords cannot be read."""
    try:
        return asyncio.run(_fill(_settings(VAR), files or sorted(STORIES.glob("*.yaml")), cases, weeks))
    except (InvalidKeyEncryptionKeys, NoPassword) as error:
        raise NoSystem(str(error)) from None


def _settings(var: Path) -> Settings:
    """Find the system that `ooc up` started, or that the environment names in local mode. Raises `NoSystem`."""
    noted = written(var)
    if noted is not None:
        kek = os.environ.get("OOC_KEK_FILE") or var / "keys" / "kek"
        return Settings(database_url=noted["postgres"], kafka=noted["kafka"], kek_file=Path(kek))
    settings = Settings()
    if settings.mode != "local":
        raise NoSystem(
            "No system for made-up cases was found: start one with `ooc up`, or set OOC_MODE=local beside OOC_DATABASE_URL"
            " and OOC_KEK_FILE. What is recorded is never removed, so no system in production mode is filled."
        )
    return settings


async def _fill(settings: Settings, files: Sequence[Path], cases: int, weeks: int) -> Seeded:
    from services.system.registry import deciding_services  # noqa: PLC0415  it brings the services' declarations

    services = deciding_services()
    async with AsyncExitStack() as stack:
        handlers: dict[str, CommandHandler] = {}
        for service in services:
            resources = await stack.enter_async_context(
                open_resources(service.name, RoleKind.API, settings, connections=8, keyring_connections=4)
            )
            handlers[service.name] = resources.command_handler(service, PostgresEventStore(resources.database))
        bar = stack.enter_context(progress_bar(OUT))
        task = bar.add_task("cases", total=cases)
        # Plays in memory, in a loop of its own.
        synthetic_cases = await asyncio.to_thread(SyntheticCases, services, files, secrets.randbits(32))
        chance = random.Random(secrets.randbits(32))  # noqa: S311 - dates, and no secret
        return await seed(handlers, some_cases(synthetic_cases, cases, weeks, chance), lambda: bar.advance(task))
