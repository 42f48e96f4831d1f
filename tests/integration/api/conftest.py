"""An API in process on a real PostgreSQL, and a real issuer in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.education.service import service
from shared.api import service_api
from shared.database import patiently
from shared.local import free_ports
from shared.provision import provision_databases
from shared.settings import Settings


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder: Path = tmp_path_factory.mktemp("issuer")
    environment = {**os.environ, "OOC_MODE": "local", "OOC_PORT": str(port), "OOC_VAR": str(folder), "OOC_ISSUER": url}
    process = subprocess.Popen([sys.executable, "-m", "shared.local.issuer"], env=environment)

    async def answers() -> None:
        async with httpx.AsyncClient() as client:
            (await client.get(f"{url}/jwks")).raise_for_status()

    asyncio.run(patiently(answers, 30, on=(httpx.HTTPError,)))
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def settings(postgres_url: str, issuer: str) -> Settings:
    found = Settings(
        mode="local",
        database_url=postgres_url.replace("postgres@", "ooc_app@"),
        admin_database_url=postgres_url,
        issuer=issuer,
        kek=base64.b64encode(os.urandom(32)).decode(),
    )
    asyncio.run(provision_databases(found, [service.name], ()))
    return found


class Client:
    """A person who uses the API: signs in by role, sends commands with a key, reads with a reason."""

    def __init__(self, http: httpx.AsyncClient, issuer: str) -> None:
        self.http = http
        self.issuer = issuer

    async def token(self, role: str, *, area: str = "DORSET", conflicts: str = "", sub: UUID | None = None) -> str:
        form = {
            "grant_type": "client_credentials",
            "sub": str(sub or UUID(int=hash(role) % 2**128)),
            "role": role,
            "organisation": "DORSET_POLICE",
            "area": area,
            **({"conflicts": conflicts} if conflicts else {}),
        }
        async with httpx.AsyncClient() as client:
            return str((await client.post(f"{self.issuer}/token", data=form)).raise_for_status().json()["access_token"])

    async def send(
        self,
        stream: UUID,
        body: object,
        *,
        role: str = "SAFE_SCHOOLS_OFFICER",
        key: str | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token or await self.token(role)}",
            "Idempotency-Key": key or str(uuid4()),
            "Content-Type": "application/json",
        }
        content = {"content": body} if isinstance(body, (str, bytes)) else {"json": body}
        return await self.http.post(f"/v1/sessions/{stream}/commands", headers=headers, **content)

    async def read(
        self, path: str, *, role: str = "SAFE_SCHOOLS_OFFICER", reason: str | None = None, token: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or await self.token(role)}"}
        if reason is not None:
            headers["Access-Reason"] = reason
        return await self.http.get(path, headers=headers)


@pytest.fixture
async def api(settings: Settings, issuer: str) -> AsyncIterator[Client]:
    app = service_api(service, settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://education") as http,
    ):
        yield Client(http, issuer)
