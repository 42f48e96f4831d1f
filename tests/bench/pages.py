"""The console's pages as a person gets them: server time and bytes, with so many cases.

The cases are synthetic: the scenarios again and again. Their commands go through the real handlers into event stores, and
their events through reporting's own projection, in batches. Then an API process for each service, the development issuer and the
console run as the system runs them, and a person who is signed in opens each page for another case each time, one page
after the other. The time is that from the request to the last byte, of everything between: console, APIs and database.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import heapq
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.console.database import DATABASE as CONSOLE
from services.reporting.database import DATABASE as REPORTING
from services.reporting.projection.projector import apply
from services.system.registry import COLLECTIONS
from services.system.registry import SERVICES as REGISTERED
from shared.event_store import RecordedEvent
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import KEYRING_DATABASE, provision_databases, service_database
from shared.servers.database import create_pool
from shared.servers.settings import Settings
from tests import loopback
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.figures import milliseconds
from tests.bench.http import answers, module_running
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tests.bench.synthetic_cases import SyntheticCase
from tests.bench.targets import PAGES
from tests.integration.console.browsing import Browser
from tests.ports import free_ports

CALLERS: Final = 64
BATCH: Final = 2_000
"""Events that are read and projected at a time."""
PERSON: Final = "SUPERVISOR-1"
OPENED: Final = 50
"""Cases whose pages are opened in turn."""


@dataclass(slots=True)
class FilledSystem:
    """A system with cases: how many, and the records of each service."""

    cases: int = 0
    records: dict[str, list[tuple[UUID, UUID]]] = field(default_factory=lambda: defaultdict(list))
    """By service the case and the id of each record."""

    def some(self, service: str) -> Iterator[tuple[UUID, UUID]]:
        """Yield the case and the record of some that are spread over all of them, again and again."""
        records = self.records[service]
        return cycle(records[:: max(1, len(records) // OPENED)])


async def fill(settings: Settings, keys: KeyEncryptionKeys, cases: int) -> FilledSystem:
    """Play scenarios until there are so many cases, and project their events."""
    system, homes = FilledSystem(), set[UUID]()
    async with contextlib.AsyncExitStack() as stack:
        keyring = await create_pool(settings.database("keyring", role_name(RoleKind.API, "referral")), max_size=6)
        stack.push_async_callback(keyring.close)
        handlers: dict[str, CommandHandler] = {}
        stores: dict[str, PostgresEventStore] = {}
        for name, service in SERVICES.items():
            pool = await create_pool(settings.database(name, role_name(RoleKind.API, name)), max_size=16)
            stack.push_async_callback(pool.close)
            stores[name] = PostgresEventStore(pool)
            handlers[name] = CommandHandler(
                service, stores[name], PostgresKeyring(keyring, keys), keys.derived("request-digest")
            )
        corpus = Corpus.unlinked()

        def synthetic_cases() -> Iterator[SyntheticCase]:
            while len(homes) < cases:
                case = corpus.case()
                for accepted in case.accepted:
                    id_ = UUID(accepted.stream.partition("/")[2])
                    if accepted.version == 0 and accepted.home != id_:
                        homes.add(accepted.home)
                        system.records[accepted.service].append((accepted.home, id_))
                yield case

        coming = synthetic_cases()

        async def call() -> None:
            for case in coming:
                for sent in case.sent:
                    result = await handlers[sent.service].handle(sent.request)
                    assert isinstance(result, Accepted), (sent, result)

        await asyncio.gather(*(call() for _ in range(CALLERS)))
        system.cases = len(homes)
        reporting = await create_pool(
            settings.database("reporting", role_name(RoleKind.WORKER, "reporting")), max_size=2
        )
        stack.push_async_callback(reporting.close)
        await _project(reporting, stores)
    return system


async def _project(pool: asyncpg.Pool[asyncpg.Record], stores: Mapping[str, PostgresEventStore]) -> None:
    """Project the events of all services in the order of their recording, as reporting's worker does."""
    streams = [[event async for event in _events(store)] for store in stores.values()]
    events = heapq.merge(*streams, key=attrgetter("recorded_at"))
    while batch := list(islice(events, BATCH)):
        async with pool.acquire() as connection, connection.transaction():
            await apply(connection, batch)


async def _events(store: PostgresEventStore) -> AsyncIterator[RecordedEvent]:
    position = 0
    while found := await store.read(position, BATCH):
        for event in found:
            yield event
        position = found[-1].position


@dataclass(frozen=True, slots=True)
class Opening:
    """A page by its name in the table, and the address that is opened next."""

    name: str
    address: Callable[[], str]


def openings(system: FilledSystem) -> Sequence[Opening]:
    """Return the pages that are opened."""
    some = {service: system.some(service) for service in SERVICES}

    def case(path: str = "") -> Callable[[], str]:
        return lambda: f"/cases/{next(some['disposal'])[0]}{path}"

    def record(service: str, path: str = "") -> Callable[[], str]:
        def address() -> str:
            case_id, id_ = next(some[service])
            return f"/records/{COLLECTIONS[service]}/{id_}{path.format(case=case_id)}"

        return address

    addresses: Sequence[Callable[[], str]] = (
        lambda: "/",
        lambda: "/?whose=mine",
        lambda: "/daily-sheet",
        lambda: "/cases",
        lambda: "/cases?due=overdue",
        case(),
        case("/timeline"),
        record("disposal"),
        record("disposal", "/do/WithdrawConsent?case={case}"),
        lambda: "/begin",
        lambda: "/sessions",
        lambda: "/panel",
        case("/officer"),
        lambda: "/returns",
        lambda: "/returns/board",
        lambda: "/rules",
        lambda: "/evidence",
        lambda: "/operations",
    )
    return [Opening(name, address) for name, address in zip(PAGES, addresses, strict=True)]


class Person:
    """A person who is signed in, and opens one page after the other."""

    def __init__(self, console: str, system: FilledSystem) -> None:
        self._pages = openings(system)
        with Browser(console) as browser:
            assert browser.sign_in(PERSON).status == 200
            cookies = dict(browser.client.cookies)
        self._client = loopback.client(base_url=console, cookies=cookies, timeout=120)

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Measure each page, opened at least twice: median and 99th percentile in milliseconds, and its size in kB."""
        took: dict[str, list[float]] = defaultdict(list)
        size: dict[str, int] = {}
        until = time.perf_counter() + seconds
        opened = 0
        while opened < 2 or time.perf_counter() < until:
            for page in self._pages:
                address = page.address()
                start = time.perf_counter()
                answer = await self._client.get(address)
                took[page.name].append(time.perf_counter() - start)
                assert answer.status_code == 200, (answer.status_code, address, answer.text[-2000:])
                size[page.name] = max(size.get(page.name, 0), len(answer.content))
            opened += 1
        found: dict[str, float] = {}
        for page in self._pages:
            found |= {f"{page.name}, {figure}": value for figure, value in milliseconds(took[page.name]).items()}
            found[f"{page.name}, kB"] = size[page.name] / 1000
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


@contextlib.asynccontextmanager
async def pages(place: Place, cases: int) -> AsyncIterator[Sequence[Side]]:
    """One person, one page after the other, on real API and console processes; nothing else is asked meanwhile."""
    secret = base64.b64encode(os.urandom(32)).decode()
    await _drop_databases(place.database_url)
    settings = Settings(mode="local", database_url=place.database_url)
    await provision_databases(settings, SERVICES, (REPORTING, CONSOLE))
    system = await fill(settings, KeyEncryptionKeys.read(secret), cases)
    await _analyse(place.database_url)
    names = [entry.name for entry in REGISTERED]
    ports = dict(zip((*names, "issuer", "console"), free_ports(len(names) + 2), strict=True))
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    environment = {
        "OOC_MODE": "local",
        "OOC_DATABASE_URL": place.database_url,
        "OOC_KAFKA": place.kafka,
        "OOC_ISSUER": urls["issuer"],
        "OOC_VAR": str(place.folder / "issuer"),
    }
    key = place.folder / "console-key"
    await asyncio.to_thread(key.write_text, base64.b64encode(os.urandom(32)).decode(), encoding="utf-8")
    console = {
        "OOC_URL": " ".join(f"{name}={urls[name]}" for name in names),
        "OOC_CONSOLE_URL": urls["console"],
        "OOC_CONSOLE_KEY_FILE": str(key),
    }
    processes = {
        "issuer": (["tools.local.issuer"], {}),
        **{name: ([f"services.{name}", "api"], {"OOC_KEK": secret}) for name in names},
        "console": (["services.console"], console),
    }
    with contextlib.ExitStack() as stack:
        for name, (arguments, more) in processes.items():
            settings_of = {**environment, **more, "OOC_PORT": str(ports[name])}
            stack.enter_context(module_running(place.folder, settings_of, *arguments))
        for name, url in urls.items():
            await answers(f"{url}/{'jwks' if name == 'issuer' else 'health/ready'}")
        person = await asyncio.to_thread(Person, urls["console"], system)
        try:
            yield [Side(OURS, f"{PERSON}, {system.cases:,} cases, a page at a time", person.round)]
        finally:
            await person.close()
    await _drop_databases(place.database_url)


async def _drop_databases(address: str) -> None:
    """Drop the databases of another bench that ran here."""
    named = [KEYRING_DATABASE, REPORTING, CONSOLE, *(service_database(name) for name in SERVICES)]
    owner = await asyncpg.connect(address)
    try:
        for database, _ in named:
            await owner.execute(f"drop database if exists {database} with (force)")
    finally:
        await owner.close()


async def _analyse(address: str) -> None:
    """Have PostgreSQL know its tables, as its own maintenance would after a while."""
    named: list[tuple[str, Any]] = [REPORTING, *(service_database(name) for name in SERVICES)]
    for database, _ in named:
        owner = await asyncpg.connect(address, database=database)
        try:
            await owner.execute("vacuum analyze")
        finally:
            await owner.close()
