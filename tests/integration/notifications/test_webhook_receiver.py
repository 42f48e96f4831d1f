"""Webhooks from Kafka to another agency's program (examples/webhook_receiver.py), and the commands of its operator."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

import ooc.messages
from ooc.main import app
from services.notifications.database import DATABASE
from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks import follow, registry, sender
from services.notifications.webhooks.courier import Courier, NotDelivered
from services.notifications.webhooks.sender import WebhookSender
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.polling import waking
from shared.messaging.projection_consumer import ProjectionConsumer
from shared.messaging.signed_webhook import secret_text, signed_headers
from shared.servers.database import as_role
from tests.copied_databases import databases
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.publishing import Message, publishing
from tests.integration.local.waiting import PATIENCE
from tests.integration.notifications.webhook_world import HOSPITAL, KEY, Author
from tests.ports import free_ports
from tests.position_keys import KEYS

EXAMPLE = Path(__file__).parents[3] / "examples" / "webhook_receiver.py"


@pytest.fixture
async def pool(database: str, postgres_url: str) -> AsyncIterator[Pool]:
    """Yield a database of notifications, by its worker's own role."""
    await databases(postgres_url, [(urlsplit(database).path[1:], DATABASE[1])])
    async with asyncpg.create_pool(as_role(database, "ooc_notifications_worker"), min_size=1, max_size=8) as made:
        yield made


def message_of(event: ConsumedEvent) -> Message:
    """Return an event on its way to its topic."""
    headers = {
        "ce_id": str(event.event_id),
        "ce_type": event.type,
        "ce_subject": event.stream,
        "ooc_version": str(event.version),
        "ooc_position": str(event.position),
        "ooc_recorded_at": event.recorded_at.isoformat(),
        "ooc_hash": event.hash.hex(),
    }
    home = UUID((event.key or b"").decode())
    return Message(home, event.body, [(k, v.encode()) for k, v in headers.items()], event.stream, event.version)


@contextlib.contextmanager
def receiving(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the agency's program, and kill it."""
    words = [sys.executable, str(EXAMPLE), str(port), str(folder / "secret"), str(folder / "received.sqlite")]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def received(folder: Path) -> list[bytes]:
    """Return what the agency's program has stored, by position."""
    with contextlib.closing(sqlite3.connect(folder / "received.sqlite", timeout=30)) as store:
        try:
            return [body for (body,) in store.execute("select body from event order by position")]
        except sqlite3.OperationalError:
            return []  # it has made no table yet


@contextlib.asynccontextmanager
async def sending(pool: Pool, bootstrap: str, namespace: str) -> AsyncIterator[None]:
    """Run consumer and sender as the worker of notifications does."""
    sends = WebhookSender(pool, Courier(NotificationsSettings(mode="local")), KEY)
    consumer = ProjectionConsumer(
        follow.CONSUMER,
        services=[follow.SERVICE],
        pool=pool,
        bootstrap=bootstrap,
        keys=KEYS,
        apply=waking(follow.keep_for_agencies, sends.poll),
        namespace=namespace,
        group=f"{namespace}-webhooks",
    )
    for part in (sends, consumer):
        await part.start()
    try:
        yield
    finally:
        for part in (consumer, sends):
            await asyncio.wait_for(part.stop(), PATIENCE)


async def test_an_agency_has_each_event_once_whoever_dies(
    pool: Pool, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given events on Kafka, a receiver that is killed and a worker that stops, then the agency has each once, byte for byte."""
    monkeypatch.setattr(sender, "pause_after", lambda _tries: timedelta(seconds=0.2))
    (port,) = free_ports(1)
    async with pool.acquire() as connection:
        made = await registry.add_webhook(connection, HOSPITAL, f"http://127.0.0.1:{port}/", 1)
    (tmp_path / "secret").write_text(secret_text(registry.secret_of(KEY, made)), encoding="ascii")
    author, cases = Author(), [uuid4() for _ in range(4)]
    own: list[bytes] = []

    async with publishing(kafka_bootstrap, topic_prefix, follow.SERVICE) as publisher:

        async def publish() -> None:
            events = [author.write(case, case) for case in cases]
            own.extend(event.body for event in events)
            foreign = uuid4()
            events.append(author.write(foreign, cases[0], by=("SUPERVISOR", "DORSET_POLICE")))
            await publisher.publish([message_of(event) for event in events])

        async def arrived() -> bool:
            return len(await asyncio.to_thread(received, tmp_path)) >= len(own)

        async with sending(pool, kafka_bootstrap, topic_prefix):
            await publish()  # nobody listens yet
            await until(lambda: pool.fetchval("select bool_or(tries > 0) from webhook_case"))
            with receiving(port, tmp_path):
                await until(arrived)
            await publish()
        async with sending(pool, kafka_bootstrap, topic_prefix):
            await publish()
            with receiving(port, tmp_path):
                await until(arrived)
                async with pool.acquire() as connection:
                    await registry.replay(connection, made, 1)
                waits = "select count(*) = 0 from webhook_case where head is not null"
                await until(lambda: pool.fetchval(waits))
                forged = signed_headers(b"another secret, long enough", str(uuid4()), b"{}") | {"ooc-position": "1"}
                with pytest.raises(NotDelivered, match="HTTP_401"):
                    await Courier(NotificationsSettings(mode="local")).post(f"http://127.0.0.1:{port}/", forged, b"{}")
    assert received(tmp_path) == own


def test_the_operator_adds_lists_replays_and_removes(
    pool: Pool, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a key file, when a webhook is added, then its secret is printed; it is listed, replayed and removed."""
    del pool
    key = tmp_path / "webhooks"
    key.write_text("k" * 44, encoding="ascii")
    monkeypatch.setenv("OOC_WEBHOOK_KEY_FILE", str(key))
    at = SimpleNamespace(database=lambda _name, role: as_role(database, role))
    monkeypatch.setattr(ooc.messages, "stores", lambda: at)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["webhooks", *words])
        return done.exit_code, done.output

    assert run("add", HOSPITAL, "http://hospital.example")[0] == 1
    code, said = run("add", HOSPITAL, "https://hospital.example/events", "--from", "7")
    assert code == 0
    made = UUID(said.split()[1].rstrip("."))
    assert secret_text(registry.secret_of(b"k" * 44, made)) in said
    code, listed = run("list", "--json")
    assert (code, str(made) in listed, "whsec_" in listed) == (0, True, False)
    for words, expected in (
        (("replay", str(made), "--from", "3"), 0),
        (("replay", str(uuid4())), 1),
        (("remove", str(made), "--yes"), 0),
        (("remove", str(made), "--yes"), 1),
    ):
        assert run(*words)[0] == expected, words
