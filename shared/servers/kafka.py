"""Connections to Kafka: who logs in, by which password, as every client library is told it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PARTITIONS: Final = 12
"""Partitions of every events topic, for ever: the key decides the partition by their number."""

PROVISIONER: Final = "kafka_provision"
"""The principal that makes topics, passwords and rights. The broker knows it from its own file, before it has passwords."""

VERIFIER: Final = "kafka_verify"


def worker_principal(service: str) -> str:
    """Return the principal of a service's worker on Kafka; an API never connects there."""
    return f"kafka_{service}"


@dataclass(frozen=True, slots=True)
class KafkaLogin:
    """The bootstrap servers of Kafka, and a login.

    `authority` is a PEM file of the authority that signed the brokers' certificates; None: no TLS.
    """

    servers: str
    principal: str
    password: str = field(repr=False)
    authority: Path | None = None

    @property
    def mechanism(self) -> str:
        """The SASL mechanism: SCRAM (RFC 5802), except for the principal that makes the others' SCRAM secrets."""
        return "PLAIN" if self.principal == PROVISIONER else "SCRAM-SHA-512"


Kafka = str | KafkaLogin
"""The address of Kafka, with a login unless the broker needs none."""


def client_options(kafka: Kafka) -> dict[str, Any]:
    """Return the connection options of a client of aiokafka; Faust's credentials are made of the same."""
    if isinstance(kafka, str):
        return {"bootstrap_servers": kafka}
    encrypted = kafka.authority is not None
    return {
        "bootstrap_servers": kafka.servers,
        "security_protocol": "SASL_SSL" if encrypted else "SASL_PLAINTEXT",
        "ssl_context": ssl.create_default_context(cafile=kafka.authority) if encrypted else None,
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": kafka.principal,
        "sasl_plain_password": kafka.password,
    }


LOOK_MILLISECONDS: Final = 2_000
"""The pause between two idle looks of an aiokafka consumer for records to fetch; its default is 200."""


def be_patient(consumer: Any, *, idle: bool) -> None:
    """Let the broker keep the next fetches of a consumer of aiokafka for longer if nothing came: each costs both sides.

    Not for longer if something came: a partition that was just read waits for the end of the fetch under way, which asks
    for the others alone.
    """
    consumer._fetcher._fetch_max_wait_ms = 2_000 if idle else 500  # noqa: SLF001 - it is set for good else


@asynccontextmanager
async def producing(kafka: Kafka, seconds: float, **options: Any) -> AsyncIterator[Any]:
    """Yield a producer that started within some seconds. Raises TimeoutError and KafkaError."""
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - an API never connects to Kafka, and need not load it

    producer = AIOKafkaProducer(**client_options(kafka), **options)
    try:
        async with asyncio.timeout(seconds):
            await producer.start()
        yield producer
    finally:
        # A sender that is in trouble may never end by itself, and its connections must not stay.
        await stop(producer, 2)


async def stop(member: Any, seconds: float) -> None:
    """Stop a producer or consumer of aiokafka, and close its client, each within some seconds; ignore their errors.

    If the broker is away, stopping a consumer raises the CancelledError of a fetch that it cancels itself. That one
    would end the task that stops it, as if somebody had cancelled it, without a word.
    """
    client = member.client if hasattr(member, "client") else member._client  # noqa: SLF001 - what stop() leaves open if it raises
    for ending in (member.stop, client.close):
        task = asyncio.ensure_future(ending())
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()


@asynccontextmanager
async def administering(kafka: Kafka, **options: Any) -> AsyncIterator[Any]:
    """Yield a client that changes Kafka itself, with more options of aiokafka. Raises KafkaError."""
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - as above

    admin = AIOKafkaAdminClient(**client_options(kafka), **options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
