"""Webhooks under test: events as a relay publishes them, a database of notifications, and a receiver that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from standardwebhooks import Webhook as Reference

from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks import registry
from services.notifications.webhooks.courier import Courier
from services.notifications.webhooks.follow import keep_for_agencies
from services.notifications.webhooks.sender import WebhookSender
from shared.domain.envelope import GENESIS, next_hash
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.signed_webhook import secret_text

KEY: Final = bytes(range(32))
NOW: Final = datetime(2026, 5, 4, 9, tzinfo=UTC)
HOSPITAL: Final = "DORSET_HOSPITAL"

Answer = Callable[[dict[str, Any]], int | None]


@dataclass
class Author:
    """Writes what the referral service publishes: dense positions, whole chains."""

    position: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, bytes] = field(default_factory=dict)

    def write(
        self,
        stream: UUID,
        home: UUID,
        name: str = "ReferralTriaged",
        *,
        by: tuple[str, str] = ("AGENCY", HOSPITAL),
        **data: Any,
    ) -> ConsumedEvent:
        """Return the next event of a stream, whose actor has a role and an organisation."""
        text, self.position, id_ = f"referral/{stream}", self.position + 1, uuid4()
        version = self.versions[text] = self.versions.get(text, 0) + 1
        actor = {"id": str(uuid4()), "role": by[0], "organisation": by[1]}
        type_ = f"ooc.referral.{name}.v1"
        event = {"event_id": str(id_), "type": type_, "stream": text, "version": version}
        body = json.dumps(event | {"home": str(home), "actor": actor, "data": data}).encode()
        hash_ = self.hashes[text] = next_hash(self.hashes.get(text, GENESIS), body)
        return ConsumedEvent(
            *("ooc.referral.events", 0, self.position, str(home).encode(), (), body, text, version, type_, id_),
            position=self.position,
            recorded_at=NOW + timedelta(seconds=self.position),
            hash=hash_,
        )


class Receiver:
    """An agency's address: it checks signatures with the official package, and answers as `answer` says; None: never."""

    def __init__(self, answer: Answer = lambda _event: 204) -> None:
        self.answer = answer
        self.secret: str | None = None
        self.tried: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.faults: list[Exception] = []
        self._closed = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.receive(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Take one request."""
        body = request.rfile.read(int(request.headers["content-length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            event = Reference(self.secret).verify(body, headers) if self.secret else json.loads(body)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.faults.append(error)
            return
        self.tried.append(event)
        status = self.answer(event)
        if status is None:
            self._closed.wait()
            return
        if 200 <= status < 300:
            self.taken.append(event)
            self.headers.append(headers)
            self.bodies.append(body)
        request.send_response(status)
        request.send_header("location", self.url)
        request.send_header("set-cookie", "whose=another")
        request.send_header("content-length", "0")
        request.end_headers()

    def close(self) -> None:
        """Answer nobody any more."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


@dataclass
class World:
    """A database of notifications, an author of events and a receiver."""

    pool: asyncpg.Pool[asyncpg.Record]
    receiver: Receiver
    author: Author = field(default_factory=Author)
    now: datetime = NOW
    settings: NotificationsSettings = field(default_factory=lambda: NotificationsSettings(mode="local"))

    async def subscribe(self, organisation: str = HOSPITAL, url: str | None = None, first: int = 1) -> UUID:
        """Add a webhook of an organisation, by default at the receiver, which is given its secret."""
        async with self.pool.acquire() as connection:
            made = await registry.add_webhook(connection, organisation, url or self.receiver.url, first)
        if url is None:
            self.receiver.secret = secret_text(registry.secret_of(KEY, made))
        # Rows begin when the database says; these tests say themselves what time it is.
        await self.pool.execute("update webhook_case set due = '-infinity'")
        return made

    async def follow(self, *events: ConsumedEvent) -> None:
        """Take events, as the consumer does."""
        async with self.pool.acquire() as connection, connection.transaction():
            await keep_for_agencies(connection, events)
        await self.pool.execute("update webhook_case set due = '-infinity' where tries = 0")

    async def replay(self, webhook: UUID, position: int | None = None) -> None:
        """Send again, as `ooc webhooks replay` does."""
        async with self.pool.acquire() as connection:
            assert await registry.replay(connection, webhook, position)
        await self.pool.execute("update webhook_case set due = '-infinity'")

    def sender(self) -> WebhookSender:
        """Return a worker that sends at the time of the world."""
        return WebhookSender(self.pool, Courier(self.settings), KEY, now=lambda: self.now)

    async def send(self, webhook: UUID) -> int:
        """Have a worker send what is due."""
        sender = self.sender()
        tried = await sender.send_due(webhook)
        await sender.note_dead()
        await sender.on_stop()
        return tried

    async def alarms(self) -> list[str]:
        """Return the names of the standing alarms."""
        return [row["name"] for row in await self.pool.fetch("select name from alarm")]
