"""The APIs of a service and of reporting, in process on a real PostgreSQL."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from services.education.service import service
from services.reporting.api import reporting_api
from services.reporting.database import DATABASE
from services.reporting.projection.read_models import READ_MODELS
from services.system.registry import deciding_services
from shared.api.authentication import IssuerUnavailable
from shared.domain.service import Service
from shared.privacy.keyring import KeyEncryptionKeys
from shared.runtime.application import service_api
from shared.runtime.provision import KEYRING_DATABASE, provision_databases
from shared.servers.database import retry_for
from shared.servers.settings import Settings
from tests import loopback
from tests.copied_databases import databases
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, project
from tests.isolated_settings import IsolatedSettings


@pytest.fixture(scope="session")
def settings(postgres_url: str, issuer: str) -> Settings:
    found = Settings(
        mode="local",
        database_url=postgres_url,
        admin_database_url=postgres_url,
        issuer=issuer,
        kek=base64.b64encode(os.urandom(32)).decode(),
    )
    asyncio.run(provision_databases(found, [service.name], ()))
    return found


class Client:
    """A person who uses the API: signs in by role, sends commands with a key, reads with a reason."""

    def __init__(self, http: httpx2.AsyncClient, issuer: str, collection: str = service.collection) -> None:
        self.http = http
        self.issuer = issuer
        self.collection = collection

    async def token(self, role: str, *, area: str = "DORSET", conflicts: str = "", sub: UUID | None = None) -> str:
        form = {
            "grant_type": "client_credentials",
            "sub": str(sub or UUID(int=hash(role) % 2**128)),
            "role": role,
            "organisation": "DORSET_POLICE",
            "area": area,
            **({"conflicts": conflicts} if conflicts else {}),
        }
        async with loopback.client() as client:
            return str((await client.post(f"{self.issuer}/token", data=form)).raise_for_status().json()["access_token"])

    async def send(
        self,
        stream: UUID,
        body: object,
        *,
        role: str = "SAFE_SCHOOLS_OFFICER",
        key: str | None = None,
        token: str | None = None,
        dry_run: bool = False,
        as_of: date | None = None,
    ) -> httpx2.Response:
        headers = {
            "Authorization": f"Bearer {token or await self.token(role)}",
            "Idempotency-Key": key or str(uuid4()),
            "Content-Type": "application/json",
        }
        content = {"content": body} if isinstance(body, (str, bytes)) else {"json": body}
        query = {"dry_run": "true"} if dry_run else {}
        query |= {} if as_of is None else {"as_of": as_of.isoformat()}
        return await self.http.post(
            f"/v1/{self.collection}/{stream}/commands", params=query, headers=headers, **content
        )

    async def read(
        self,
        path: str,
        *,
        role: str = "SAFE_SCHOOLS_OFFICER",
        reason: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or await self.token(role)}", **(headers or {})}
        if reason is not None:
            headers["Access-Reason"] = reason
        return await self.http.get(path, headers=headers)


async def know_issuer(app: FastAPI, issuer: str) -> None:
    """Wait until an API knows the issuer's keys: on a busy machine it may not answer in time, and that is no test's subject."""
    async with loopback.client() as http:
        token = await Client(http, issuer).token("AUDITOR")
    await retry_for(lambda: app.state.deps.tokens.actor(f"Bearer {token}"), 60, on=(IssuerUnavailable,))


@asynccontextmanager
async def api_of(service: Service[Any], settings: Settings, issuer: str) -> AsyncIterator[Client]:
    """Open the API of a service, with databases of its own, for a client who sends commands to it."""
    await provision_databases(settings, [service.name], ())
    app = service_api(service, settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"http://{service.name}") as http,
    ):
        await know_issuer(app, issuer)
        yield Client(http, issuer, service.collection)


@pytest.fixture(scope="session")
def built_education_app(settings: Settings) -> FastAPI:
    """Build the API once; each test opens it."""
    return service_api(service, settings, deciding_services)


@pytest.fixture
async def education_app(built_education_app: FastAPI, issuer: str) -> AsyncIterator[FastAPI]:
    async with built_education_app.router.lifespan_context(built_education_app):
        await know_issuer(built_education_app, issuer)
        yield built_education_app


@pytest.fixture
async def api(education_app: FastAPI, issuer: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(education_app), base_url="http://education") as http:
        yield Client(http, issuer)


@pytest.fixture(scope="session")
def isolated_settings(postgres_url: str, issuer: str) -> Iterator[IsolatedSettings]:
    found = IsolatedSettings(
        prefix=f"test_api_{uuid4().hex[:12]}",
        mode="local",
        database_url=postgres_url,
        issuer=issuer,
        kek=base64.b64encode(os.urandom(32)).decode(),
    )
    wanted = [(f"{found.prefix}_reporting", DATABASE[1]), (f"{found.prefix}_keyring", KEYRING_DATABASE[1])]
    asyncio.run(databases(postgres_url, wanted))
    yield found

    async def drop() -> None:
        owner = await asyncpg.connect(postgres_url)
        for name, _ in wanted:
            await owner.execute(f'drop database "{name}" with (force)')
        await owner.close()

    asyncio.run(drop())


@pytest.fixture(scope="session")
def scenarios(isolated_settings: IsolatedSettings) -> RecordedScenarios:
    """Play scenarios, one of them in another area, project their events and store their keys."""
    scenarios = RecordedScenarios()
    scenarios.play("01", "02", "03", "06", "09", "13", "14")
    scenarios.memory.area = {"area": "DEVON"}
    scenarios.play("05")

    store(isolated_settings, scenarios)
    return scenarios


def store(isolated_settings: IsolatedSettings, scenarios: RecordedScenarios) -> None:
    """Project the events of scenarios, and store their keys."""

    async def fill() -> None:
        async with asyncpg.create_pool(isolated_settings.worker_database("reporting"), min_size=1) as pool:
            await project(pool, scenarios.facts, 500)
            # The worker has held everything once; that is too long ago for a fresh answer.
            await pool.executemany(
                "insert into freshness values ($1, now() - interval '1 hour')", [(name,) for name in READ_MODELS]
            )
        kek = KeyEncryptionKeys.of(isolated_settings)
        keyring = await asyncpg.connect(isolated_settings.database("keyring", "postgres"))
        rows = [(s, key.generation, kek.epoch, kek.wrap(key)) for s, key in scenarios.memory.keyring._keys.items()]
        await keyring.executemany("insert into data_key values ($1, $2, $3, $4)", rows)
        await keyring.close()

    asyncio.run(fill())


@pytest.fixture
async def projected(isolated_settings: IsolatedSettings) -> AsyncIterator[Any]:
    """Yield a connection to reporting's database, as its owner has it."""
    connection = await asyncpg.connect(isolated_settings.database("reporting", "postgres"))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def built_reporting_app(isolated_settings: IsolatedSettings) -> FastAPI:
    """Build the API once; each test opens it."""
    return reporting_api(isolated_settings)


@pytest.fixture
async def reporting_app(
    built_reporting_app: FastAPI, isolated_settings: IsolatedSettings, scenarios: RecordedScenarios
) -> AsyncIterator[FastAPI]:
    async with built_reporting_app.router.lifespan_context(built_reporting_app):
        await know_issuer(built_reporting_app, isolated_settings.issuer)
        yield built_reporting_app


@pytest.fixture
async def reporting(reporting_app: FastAPI, issuer: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(reporting_app), base_url="http://reporting") as http:
        yield Client(http, issuer)


async def last_line(projected: Any) -> int:
    """Return the number of the last line in the access log."""
    return int(await projected.fetchval("select sequence from access_head"))


NOT_RECORDED: Final = {"access_log", "access_head", "latency"}
"""Tables of what was read and refused, and of what a process measures of itself every few seconds."""


async def rows_of(settings: Settings, service: str) -> Mapping[str, list[str]]:
    """Return every row of a service's database and of the keyring, by table, but for the access log and measurements."""
    rows: dict[str, list[str]] = {}
    for database in (service, "keyring"):
        owner = await asyncpg.connect(settings.database(database, "postgres"))
        for (table,) in await owner.fetch("select tablename from pg_tables where schemaname = 'public'"):
            if table not in NOT_RECORDED:
                found = await owner.fetch(f'select t::text from "{table}" as t')
                rows[f"{database}.{table}"] = sorted(row[0] for row in found)
        await owner.close()
    return rows
