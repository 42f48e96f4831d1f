"""Events as a relay publishes them, without an event store: in transactions, some of which are aborted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from aiokafka import AIOKafkaProducer

from shared.domain.envelope import GENESIS, next_hash
from shared.messaging.consumer.position_record import HighWaterMark
from shared.messaging.relay import key_and_partition
from shared.runtime.provision import events_topic, position_topic, topics
from tests.position_keys import signers

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Message:
    """One event on its way."""

    home: UUID
    body: bytes | None
    headers: list[tuple[str, bytes]]
    stream: str
    version: int

    def without(self, header: str) -> Message:
        """Return the same, a header lost."""
        return replace(self, headers=[(name, value) for name, value in self.headers if name != header])

    def having(self, header: str, value: bytes) -> Message:
        """Return the same with another header."""
        return replace(self.without(header), headers=[*self.without(header).headers, (header, value)])


@dataclass
class Author:
    """Writes the events of a service: gapless versions, whole chains, dense positions."""

    service: str
    position: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, bytes] = field(default_factory=dict)

    def write(self, home: UUID, **data: Any) -> Message:
        """Return the next event of the stream that has this home's id."""
        stream = f"{self.service}/{home}"
        version = self.versions[stream] = self.versions.get(stream, 0) + 1
        self.position += 1
        event_id = uuid5(home, str(version))
        body = json.dumps({"event_id": str(event_id), "stream": stream, "version": version, "data": data}).encode()
        self.hashes[stream] = next_hash(self.hashes.get(stream, GENESIS), body)
        headers = [
            ("ce_id", str(event_id).encode()),
            ("ce_type", f"ooc.{self.service}.Noted.v1".encode()),
            ("ce_subject", stream.encode()),
            ("ooc_version", b"%d" % version),
            ("ooc_position", b"%d" % self.position),
            ("ooc_recorded_at", (START + timedelta(seconds=self.position)).isoformat().encode()),
            ("ooc_hash", self.hashes[stream].hex().encode()),
        ]
        return Message(home, body, headers, stream, version)


class Publisher:
    """Publishes to the topics of a service under a namespace, each batch in a transaction of its own."""

    def __init__(self, producer: Any, namespace: str, service: str) -> None:
        self._producer = producer
        self._namespace = namespace
        self.service = service
        self.reached = HighWaterMark()

    @property
    def topic(self) -> str:
        """Where the events go."""
        return f"{self._namespace}.{self.service}.events"

    async def publish(self, messages: Sequence[Message], *, position: int | None = None, abort: bool = False) -> None:
        """Publish events and the position reached, that of the last event or another one; or write them and abort."""
        await self._producer.begin_transaction()
        placed = await self._send(messages)
        if abort:
            await self._producer.abort_transaction()
            return
        if position is None:
            position = max(int(dict(message.headers).get("ooc_position", b"0")) for message in messages)
        self.reached = self.reached.after_transaction(max(position, self.reached.position), b"", placed, {})
        topic = f"{self._namespace}.{self.service}.position"
        value, headers = self.reached.signed(topic, signers(self.service))
        await self._producer.send_and_wait(topic, key=self.service.encode(), value=value, partition=0, headers=headers)
        await self._producer.commit_transaction()

    async def publish_unvouched(self, messages: Sequence[Message]) -> None:
        """Publish events whose position record comes with the next ones."""
        await self._producer.begin_transaction()
        self.reached = self.reached.after_transaction(self.reached.position, b"", await self._send(messages), {})
        await self._producer.commit_transaction()

    async def _send(self, messages: Sequence[Message]) -> list[tuple[int, int, int]]:
        sent = []
        for message in messages:
            key, partition = key_and_partition(message.home)
            sent.append(
                await self._producer.send(
                    self.topic, key=key, value=message.body, headers=message.headers, partition=partition
                )
            )
        return [(place.partition, place.offset, 1) for place in [await future for future in sent]]


@asynccontextmanager
async def publishing(bootstrap: str, namespace: str, service: str) -> AsyncIterator[Publisher]:
    """Yield a publisher whose topics exist."""
    await topics(
        bootstrap,
        [events_topic(f"{namespace}.{service}.events", 1), position_topic(f"{namespace}.{service}.position", 1)],
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"{namespace}-{service}-{uuid4()}", transaction_timeout_ms=10_000
    )
    await producer.start()
    try:
        yield Publisher(producer, namespace, service)
    finally:
        await producer.stop()
