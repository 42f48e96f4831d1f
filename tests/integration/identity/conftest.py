"""An API in process on a real PostgreSQL, and Keycloak with the realm of deploy/ as its identity provider."""

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest

from services.console.database import DATABASE as CONSOLE
from services.education.service import service
from services.referral.service import service as referral
from shared.api import authentication
from shared.runtime.application import service_api
from shared.runtime.provision import KEYRING_DATABASE, provision_databases, service_database
from shared.servers.settings import Settings
from tests.conftest import _Background
from tests.integration.api.conftest import Client
from tests.integration.identity import keycloak as dist
from tests.integration.identity.signing_in import Person
from tests.integration.passwords import new_passwords
from tests.maven import NotFetched
from tests.ports import free_ports
from tools.local.supervisor import Supervisor

OFFICER: dict[str, object] = {
    "role": "SAFE_SCHOOLS_OFFICER",
    "organisation": "DORSET_POLICE",
    "area": "DORSET",
    "conflicts": ["none"],
}


class Keycloak:
    """The server, which a test may stop, and whom it knows."""

    def __init__(self, folder: Path, home: Path, background: _Background) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.url}/realms/ooc"
        password = secrets.token_urlsafe(24)
        self.admin = dist.Admin(self.url, password)
        self._folder = folder
        self._process = dist.process(home, port, password)
        self._background = background
        self._running: tuple[contextlib.AsyncExitStack, Supervisor] | None = None

    def start(self) -> None:
        if self._running is None:
            stack, supervisor = contextlib.AsyncExitStack(), Supervisor(self._folder, [self._process])
            self._background.run(stack.enter_async_context(supervisor))
            self._running = stack, supervisor

    def stop(self) -> None:
        if self._running is not None:
            stack, _ = self._running
            self._running = None
            self._background.run(stack.aclose())

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Accept connections and do not answer."""
        assert self._running is not None
        group = self._running[1].pid("keycloak")
        assert group is not None
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def person(self, *, realm: str = "ooc", **attributes: object) -> Person:
        """Return a new person: a safe schools officer of Dorset, but for what is said."""
        answer, name, password = self.admin.try_person({**OFFICER, **attributes}, realm=realm)
        assert answer.status_code == 201, answer.text
        return Person(f"{self.url}/realms/{realm}", answer.headers["location"].rpartition("/")[2], name, password)


@pytest.fixture(scope="session")
def _keycloak(tmp_path_factory: pytest.TempPathFactory, _background: _Background) -> Iterator[Keycloak]:
    folder = tmp_path_factory.mktemp("identity")
    try:
        home = dist.unpacked(folder)
    except NotFetched as error:
        pytest.skip(str(error))
    server = Keycloak(folder / "var", home, _background)
    server.start()
    yield server
    server.stop()
    server.admin.close()


@pytest.fixture
def keycloak(_keycloak: Keycloak) -> Keycloak:
    """Keycloak, running."""
    _keycloak.start()
    return _keycloak


@pytest.fixture(scope="session")
def settings(postgres_url: str, _keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    names = [service.name, referral.name]
    schemas = (KEYRING_DATABASE[1], CONSOLE[1], *(service_database(name)[1] for name in names))
    found = Settings(
        mode="production",
        database_url=postgres_url,
        database_passwords=new_passwords(tmp_path_factory.mktemp("passwords"), schemas),
        admin_database_url=postgres_url,
        issuer=_keycloak.issuer,
        kek=base64.b64encode(os.urandom(32)).decode(),
    )
    asyncio.run(provision_databases(found, names, (CONSOLE,)))
    return found


class Clock:
    """The clock by which the issuer's keys age."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(authentication, "monotonic", made)
    return made


@contextlib.asynccontextmanager
async def an_api(settings: Settings) -> AsyncIterator[Client]:
    app = service_api(service, settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://education") as http,
    ):
        yield Client(http, settings.issuer)


@pytest.fixture
async def api(settings: Settings, keycloak: Keycloak) -> AsyncIterator[Client]:
    """Yield the API of education, freshly started: it has asked for no key yet."""
    async with an_api(settings) as client:
        yield client


@pytest.fixture
def stream() -> UUID:
    return uuid4()
