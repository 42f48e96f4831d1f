"""A login is made when every broker lets it in with the rights it has, however late a broker learns of it."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka.conn import create_conn

from services.system.kafka_access import accesses, principals, provision_kafka
from shared.runtime.kafka_grants import grant_access
from shared.runtime.provision import ProvisionFailed
from shared.servers.kafka import PROVISIONER, KafkaLogin, client_options
from shared.servers.settings import Settings
from tests.conftest import _Background
from tests.ports import free_ports
from tools.local import child_process, kafka
from tools.local.supervisor import Process, Supervisor

HOST = "127.0.0.1"
LOGIN = "kafka_referral"
RAFT = b"raft-client"
"""What a node names itself when it asks the controller for new metadata; its other requests have other names."""


class LateMetadata:
    """A relay of TCP before the controller, which can hold back new metadata, and nothing else, from a broker."""

    def __init__(self) -> None:
        self.flows = asyncio.Event()
        self.flows.set()

    @contextlib.contextmanager
    def held_back_for(self, seconds: float) -> Iterator[None]:
        """Hold new metadata back for so many seconds, at most until the block ends."""
        self._loop.call_soon_threadsafe(self.flows.clear)  # after the release of the block before
        timer = asyncio.get_running_loop().call_later(seconds, self._release)
        try:
            yield
        finally:
            timer.cancel()
            self._release()

    def _release(self) -> None:
        self._loop.call_soon_threadsafe(self.flows.set)

    @asynccontextmanager
    async def listening(self, port: int, controller: int) -> AsyncIterator[None]:
        """Pass on what comes to a port to the controller's, and what it answers."""
        self._loop = asyncio.get_running_loop()

        async def relay(broker: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
            of_raft = asyncio.Event()
            upstream, questions = await asyncio.open_connection(HOST, controller)

            async def ask() -> None:
                while data := await broker.read(65536):
                    if RAFT in data:
                        of_raft.set()
                    questions.write(data)
                questions.close()

            async def answer() -> None:
                while data := await upstream.read(65536):
                    if of_raft.is_set():
                        await self.flows.wait()
                    answers.write(data)
                answers.close()

            with contextlib.suppress(OSError):
                await asyncio.gather(ask(), answer())

        async with await asyncio.start_server(relay, HOST, port):
            yield


@dataclass(frozen=True)
class TwoBrokers:
    """A closed Kafka of two brokers, of which the second learns everything through `late`."""

    settings: Settings
    second: int
    late: LateMetadata

    def with_password(self, folder: Path, password: str) -> Settings:
        """Return settings in which one login has another password."""
        assert self.settings.kafka_passwords is not None
        for file in self.settings.kafka_passwords.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / LOGIN).write_text(password, encoding="ascii")
        return self.settings.model_copy(update={"kafka_passwords": folder})

    async def log_in_at_second(self, settings: Settings) -> None:
        """Log in at the second broker, once."""
        login = settings.kafka_as(LOGIN)
        assert isinstance(login, KafkaLogin)
        options = client_options(replace(login, servers=""))
        del options["bootstrap_servers"]
        (await create_conn(HOST, self.second, request_timeout_ms=10_000, **options)).close()


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory, _background: _Background) -> Iterator[TwoBrokers]:
    folder = tmp_path_factory.mktemp("brokers")
    first, controller, second, relay = free_ports(4)
    late = LateMetadata()
    stack = contextlib.AsyncExitStack()
    node = kafka.process(folder / "first", first, controller, closed=True)
    # The broker that joins is told where the controller is by the controller, so this too must be the relay.
    advertised = {"advertised.listeners": f"CLIENT://{HOST}:{first},CONTROLLER://{HOST}:{relay}"}
    nodes = [changed(node, advertised), joining(node, folder, second, relay)]
    try:
        _background.run(stack.enter_async_context(late.listening(relay, controller)))
        _background.run(stack.enter_async_context(Supervisor(folder, nodes)))
        passwords = kafka.passwords_in(folder / "first")
        for principal in principals():
            (passwords / principal).write_text(secrets.token_urlsafe() + "\n", encoding="ascii")
        settings = Settings(
            mode="local", kafka=f"{HOST}:{first}", kafka_passwords=passwords, kafka_replication=1, kek="unused"
        )
        _background.run(provision_kafka(settings))
        yield TwoBrokers(settings, second, late)
    finally:
        _background.run(stack.aclose())


def changed(node: Process, properties: dict[str, str]) -> Process:
    """Return a node that starts with other properties."""

    async def before() -> None:
        assert node.before is not None
        await node.before()
        write_properties(Path(node.argv[-1]), Path(node.argv[-1]), properties)

    return replace(node, before=before)


def joining(node: Process, folder: Path, port: int, controller: int) -> Process:
    """Return a broker that joins a node, with its logins, and finds its controller at a port."""
    file, old = folder / "second.properties", Path(node.argv[-1])
    *java, _, _ = node.argv
    listener = f"CLIENT://{HOST}:{port}"
    properties = {
        "process.roles": "broker",
        "node.id": "2",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": listener,
        "advertised.listeners": listener,
        "log.dirs": str(folder / "second"),
    }

    async def before() -> None:
        write_properties(old, file, properties)
        lines = (old.parent / "data" / "meta.properties").read_text(encoding="utf-8").splitlines()
        cluster = next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))
        arguments = (f"--cluster-id={cluster}", "--config", str(file))
        await child_process.run([*java, "kafka.tools.StorageTool", "format", *arguments], otherwise="not formatted:")

    async def ready() -> bool:
        password = (kafka.passwords_in(old.parent) / PROVISIONER).read_text(encoding="ascii").strip()
        return await kafka.answers(port, KafkaLogin(f"{HOST}:{port}", PROVISIONER, password))

    argv = [*java, "kafka.Kafka", str(file)]
    return replace(node, name="second", argv=argv, after=(node.name,), before=before, ready=ready, ports=(port,))


def write_properties(old: Path, new: Path, properties: dict[str, str]) -> None:
    """Write the properties of a node that has some of another's changed."""
    lines = old.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in properties]
    new.write_text("\n".join([*kept, *(f"{key}={value}" for key, value in properties.items())]), encoding="utf-8")


async def test_a_login_is_made_when_the_last_broker_lets_it_in(brokers: TwoBrokers, tmp_path: Path) -> None:
    """Given a broker that learns late of a new password, making it returns after the broker has, and the login is let in at once."""
    renewed = brokers.with_password(tmp_path, "another")
    with brokers.late.held_back_for(5):
        await provision_kafka(renewed)
        await brokers.log_in_at_second(renewed)
        assert brokers.late.flows.is_set()


async def test_a_broker_that_learns_nothing_is_named(brokers: TwoBrokers, tmp_path: Path) -> None:
    """Given a broker that learns neither of a new password nor of a new right, the error names it and the login."""
    renewed = brokers.with_password(tmp_path, "a third")
    provisioner = renewed.kafka_as(PROVISIONER)
    assert isinstance(provisioner, KafkaLogin)
    granted = accesses()
    lacking = [replace(access, reads=access.reads[1:]) if access.principal == LOGIN else access for access in granted]
    place = f"broker {HOST}:{brokers.second}"
    with brokers.late.held_back_for(60):
        with pytest.raises(ProvisionFailed, match=f"{place} does not let {LOGIN} in: .*Authentication"):
            await grant_access(provisioner, granted, renewed.kafka_password_of, seconds=10)
        with pytest.raises(ProvisionFailed, match=f"{place} does not have the rights of {LOGIN} yet"):
            await grant_access(provisioner, lacking, renewed.kafka_password_of, seconds=10)
    await grant_access(provisioner, granted, renewed.kafka_password_of)
