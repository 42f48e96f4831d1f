"""Kafka is closed: nobody connects without a password, and a login does what services/system/kafka_access.py says, no more."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidTransactionTimeout,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Int64, Schema, String
from confluent_kafka import Consumer
from confluent_kafka import KafkaError as OtherError

from ooc.system.running import PARTNER
from services.system.kafka_access import principals, provision_kafka
from shared.servers.kafka import PARTITIONS, PROVISIONER, VERIFIER, Kafka, client_options
from shared.servers.settings import NoPassword, Settings
from tests.confluent import confluent_options
from tests.conftest import _Background
from tests.integration.local.waiting import eventually
from tests.local_servers import servers as local_servers
from tests.ports import free_ports
from tools.local.kafka import BROKER, passwords_in

EVENTS = "ooc.referral.events"
TOPIC, WRITE, LITERAL, ALLOW, ANY = 2, 4, 3, 3, 1
"""A kind of resource, an operation, a pattern, a permission, and any of them, as Kafka numbers them."""
TOO_MANY_MEMBERS = 81
"""GROUP_MAX_SIZE_REACHED, as Kafka numbers its errors."""
NOT_YET = (14, 16)
"""COORDINATOR_LOAD_IN_PROGRESS and NOT_COORDINATOR: the broker does not know the group yet."""


@dataclass(frozen=True)
class Closed:
    """A closed Kafka of this file's own, with every topic and login of the system."""

    settings: Settings
    controller: int

    def as_(self, principal: str) -> Kafka:
        return self.settings.kafka_as(principal)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, _background: _Background) -> Iterator[Closed]:
    folder = tmp_path_factory.mktemp("closed")
    port, controller = free_ports(2)
    stack = contextlib.AsyncExitStack()
    servers = local_servers(folder, kafka_ports=(port, controller), kafka_closed=True)
    _background.run(stack.enter_async_context(servers))
    try:
        passwords = passwords_in(folder / "kafka")
        for principal in (*principals(), PARTNER):
            (passwords / principal).write_text(secrets.token_urlsafe() + "\n", encoding="ascii")
        settings = Settings(
            mode="local", kafka=f"127.0.0.1:{port}", kafka_passwords=passwords, kafka_replication=1, kek="unused"
        )
        _background.run(provision_kafka(settings))
        yield Closed(settings, controller)
    finally:
        _background.run(stack.aclose())


@asynccontextmanager
async def producing(login: Kafka, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer; whatever it is refused, it is closed."""
    producer = AIOKafkaProducer(**client_options(login), request_timeout_ms=20_000, **more)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(login: Kafka, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(login),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def read_one(login: Kafka, topic: str) -> Any:
    async with reading(login) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return await consumer.getone()


async def publish(login: Kafka, transactional_id: str, *topics: str) -> bytes:
    """Write a record into each topic in one transaction, as a relay does; return its value."""
    value = uuid4().hex.encode()
    async with (
        producing(login, transactional_id=transactional_id, transaction_timeout_ms=10_000) as producer,
        producer.transaction(),
    ):
        for topic in topics:
            await producer.send_and_wait(topic, value, b"key", partition=0)
    return value


async def test_a_service_publishes_and_a_partner_reads_it(kafka: Closed) -> None:
    """The login of a service writes its own topics in a transaction of its own name, its checkpoints too; a partner's reads them."""
    login = kafka.as_("kafka_referral")
    await publish(login, "ooc-referral-relay", EVENTS, "ooc.referral.position")
    async with producing(login, enable_idempotence=True, acks="all") as signer:
        await signer.send_and_wait("ooc.referral.checkpoints", b"signed", partition=0)
    for principal in (PARTNER, VERIFIER, "kafka_reporting", "kafka_referral"):
        assert (await read_one(kafka.as_(principal), EVENTS)).topic == EVENTS
    assert (await read_one(kafka.as_(PARTNER), "ooc.referral.checkpoints")).value
    async with reading(kafka.as_(PARTNER), "wessex_trust") as consumer:
        consumer.assign([TopicPartition(EVENTS, 0)])
        await consumer.getone()
        await consumer.commit()
        assert await consumer.committed(TopicPartition(EVENTS, 0)) == await consumer.position(TopicPartition(EVENTS, 0))


async def test_a_service_cannot_leave_a_transaction_open_for_long(kafka: Closed) -> None:
    """A login that asks for a transaction of a minute is refused, and readers pass one that was left open when its time is over."""
    login, topic = kafka.as_("kafka_disposal"), "ooc.disposal.events"
    with pytest.raises(InvalidTransactionTimeout):
        async with producing(login, transactional_id="ooc-disposal-relay", transaction_timeout_ms=60_000):
            pass
    async with producing(login, transactional_id="ooc-disposal-relay", transaction_timeout_ms=5_000) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"left open", partition=0)
        async with producing(login, enable_idempotence=True, acks="all") as other:
            await other.send_and_wait(topic, b"behind it", partition=0)
        async with asyncio.timeout(60):
            assert (await read_one(kafka.as_(VERIFIER), topic)).value == b"behind it"


@pytest.mark.parametrize("topic", [EVENTS, "ooc.referral.position", "ooc.referral.checkpoints"])
@pytest.mark.parametrize("principal", [PARTNER, "kafka_education", "kafka_reporting", VERIFIER])
async def test_a_record_in_anothers_topic_is_refused(kafka: Closed, principal: str, topic: str) -> None:
    """A partner and another service write a record to a service's topic and are refused, whatever way they send it."""
    for way in ({}, {"enable_idempotence": True}):
        # Who may write no topic at all is not even given the number of an idempotent producer.
        with pytest.raises((TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
            async with producing(kafka.as_(principal), **way) as producer:
                await producer.send_and_wait(topic, b"forged", b"key", partition=0)


@pytest.mark.parametrize("principal", [PARTNER, "kafka_education"])
async def test_nobody_takes_the_transactional_id_of_a_service(kafka: Closed, principal: str) -> None:
    """A login that names the relay of another service is refused, and so fences nobody."""
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await publish(kafka.as_(principal), "ooc-referral-relay", "ooc.education.events")
    await publish(kafka.as_("kafka_referral"), "ooc-referral-relay", EVENTS)


async def test_what_is_not_declared_cannot_be_read(kafka: Closed) -> None:
    """A partner reads no topic of Kafka's own, and a service none of a service that it does not follow."""
    await publish(kafka.as_("kafka_rj_conference"), "ooc-rj_conference-relay", "ooc.rj_conference.events")
    assert await read_one(kafka.as_("kafka_disposal"), "ooc.rj_conference.events")
    assert await asyncio.to_thread(refusal, kafka.as_("kafka_disposal"), "ooc.rj_conference.events") is None
    for principal, topic in (
        (PARTNER, "__consumer_offsets"),
        (PARTNER, "__transaction_state"),
        ("kafka_education", "ooc.rj_conference.events"),
        ("kafka_education", "ooc.referral.checkpoints"),
    ):
        assert await asyncio.to_thread(refusal, kafka.as_(principal), topic) == OtherError.TOPIC_AUTHORIZATION_FAILED


def refusal(login: Kafka, topic: str) -> int | None:
    """Return the error by which a topic is refused; None where it may be read. (aiokafka asks again for ever.)"""
    consumer = Consumer(confluent_options(login) | {"group.id": "wessex_trust"})
    try:
        error = consumer.list_topics(topic, timeout=60).topics[topic].error
        return None if error is None else int(error.code())
    finally:
        consumer.close()


@pytest.mark.parametrize("group", ["ooc-reporting", "ooc-referral-reactor", "another-agency", "wessex_trust-1"])
async def test_a_partner_has_no_group_but_that_of_its_name(kafka: Closed, group: str) -> None:
    """The places of another group are neither told nor moved, and none is made up: brokers keep each in memory for a week."""
    partition = TopicPartition(EVENTS, 1)
    async with reading(kafka.as_(PARTNER), "wessex_trust") as own:
        own.assign([partition])
        assert await own.committed(partition) is None
    async with reading(kafka.as_(PARTNER), group) as consumer:
        consumer.assign([partition])
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.committed(partition)
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.commit({partition: 7})


async def test_a_request_that_is_announced_as_huge_takes_no_memory(kafka: Closed) -> None:
    """Given a login that says a hundred megabytes will come on each of ten connections, then each is closed, and a relay publishes."""
    options = client_options(kafka.as_(PARTNER))
    host, _, port = options.pop("bootstrap_servers").rpartition(":")
    connections = [await create_conn(host, int(port), request_timeout_ms=20_000, **options) for _ in range(10)]
    for connection in connections:
        connection._writer.write((100_000_000).to_bytes(4, "big"))
    await eventually(lambda: not any(connection.connected() for connection in connections))
    await publish(kafka.as_("kafka_referral"), "ooc-referral-relay", EVENTS)


class _FetchResponse(Response):  # type: ignore[misc]
    API_KEY = 1
    API_VERSION = 7
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16), ("session", Int32))


class _FetchStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 1
    API_VERSION = 7
    RESPONSE_TYPE = _FetchResponse
    SCHEMA = Schema(
        *((name, Int32) for name in ("replica", "max_wait_ms", "min_bytes", "max_bytes")),
        ("isolation", Int8),
        ("session", Int32),
        ("epoch", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("n", Int32), ("offset", Int64), ("start", Int64), ("max_bytes", Int32))),
            ),
        ),
        ("forgotten", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
    )


class Fetch(Request[_FetchStruct]):  # type: ignore[misc]
    """Fetch with a session (KIP-227), which a broker remembers with every partition that was named, also such as are not there."""

    API_KEY = 1

    def build(self, request_struct_class: type[_FetchStruct]) -> _FetchStruct:
        partitions = [(n, 0, -1, 1) for n in range(1000)]
        return request_struct_class(-1, 0, 0, 1000, 0, 0, 0, [(EVENTS, partitions)], [])


async def test_what_was_read_takes_no_memory_afterwards(kafka: Closed) -> None:
    """Given a login that asks for a thousand partitions by a session, which outlives its connection, then none is kept."""
    options = client_options(kafka.as_(PARTNER))
    host, _, port = options.pop("bootstrap_servers").rpartition(":")
    connection = await create_conn(host, int(port), request_timeout_ms=60_000, **options)
    connection._versions |= {Fetch.API_KEY: (7, 7)}
    try:
        answer = await connection.send(Fetch())
        assert (answer.error_code, answer.session) == (0, 0)
    finally:
        connection.close()


async def test_a_group_has_few_members(kafka: Closed) -> None:
    """Given forty members of one login that never read, each of which might hold sixteen megabytes, then the last are refused."""
    login, group = kafka.as_("kafka_reporting"), "ooc-reporting"
    options = client_options(login)
    host, _, port = options.pop("bootstrap_servers").rpartition(":")
    async with reading(login, group) as first:
        first.assign([TopicPartition(EVENTS, 0)])
        await first.committed(TopicPartition(EVENTS, 0))  # Kafka's own topic is there from now on

    async def answer(connection: Any) -> int:
        code = NOT_YET[0]
        while code in NOT_YET:
            join = JoinGroupRequest(group, 60_000, 60_000, "", None, "consumer", [("range", b"")])
            code = (await connection.send(join)).error_code
        return int(code)

    async with contextlib.AsyncExitStack() as stack:
        answers = []
        for _ in range(40):
            connection = await create_conn(host, int(port), request_timeout_ms=300_000, **options)
            stack.callback(connection.close)
            connection._versions |= {JoinGroupRequest.API_KEY: (2, 2)}
            answers.append(asyncio.create_task(answer(connection)))
            stack.callback(answers[-1].cancel)

        def refused() -> int:
            codes = [one.result() for one in answers if one.done()]
            assert set(codes) <= {0, TOO_MANY_MEMBERS}
            return codes.count(TOO_MANY_MEMBERS)

        # As many are in this round of the group as may wait for the next.
        await eventually(lambda: refused() >= 40 - 2 * PARTITIONS)


def test_a_group_of_the_newer_protocol_is_refused(kafka: Closed) -> None:
    """Given a member that could have a broker compile a pattern of its own, then it is refused."""
    consumer = Consumer(
        confluent_options(kafka.as_(PARTNER)) | {"group.id": "wessex_trust", "group.protocol": "consumer"}
    )
    try:
        consumer.subscribe([EVENTS])
        (answer,) = consumer.consume(timeout=120)
        assert "ConsumerGroupHeartbeat" in str(answer.error())
    finally:
        consumer.close()


@pytest.mark.parametrize(("sent", "closed"), [((500_000).to_bytes(4, "big"), 600), (b"", 100)])
async def test_a_stranger_takes_little_memory(kafka: Closed, sent: bytes, closed: int) -> None:
    """Given six hundred connections without a login, each that says half a megabyte will come, and every one above 500, is closed."""
    host, _, port = kafka.settings.kafka.rpartition(":")
    async with contextlib.AsyncExitStack() as stack:
        ended = []
        for _ in range(600):
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            writer.write(sent)
            ended.append(asyncio.ensure_future(asyncio.gather(reader.read(), return_exceptions=True)))
            stack.callback(ended[-1].cancel)
        await eventually(lambda: sum(one.done() for one in ended) >= closed)
    await eventually(lambda: connects(**client_options(kafka.as_(PARTNER))))


async def connects(**options: Any) -> bool:
    """Tell whether a client is let in and answered."""
    admin = AIOKafkaAdminClient(request_timeout_ms=10_000, **options)
    try:
        await admin.start()
        return bool(await admin.list_topics())
    except KafkaError:
        return False
    finally:
        await admin.close()


async def test_without_its_password_nobody_connects(kafka: Closed) -> None:
    """No password, a wrong one, another's, or a right one in clear where SCRAM is due: none of them is let in."""
    partner = client_options(kafka.as_(PARTNER))
    other = client_options(kafka.as_("kafka_referral"))["sasl_plain_password"]
    assert await connects(**partner)
    assert not await connects(bootstrap_servers=kafka.settings.kafka)
    for change in (
        {"sasl_plain_password": "wrong"},
        {"sasl_plain_password": other},
        {"sasl_plain_password": ""},
        {"sasl_plain_username": "nobody"},
        {"sasl_plain_username": PROVISIONER},
        {"sasl_mechanism": "PLAIN"},
        {"sasl_mechanism": "PLAIN", "sasl_plain_username": BROKER},
    ):
        assert not await connects(**(partner | change)), change


async def test_the_controller_lets_nobody_in_either(kafka: Closed) -> None:
    """At the controller's port the node's own login is answered; a stranger and a partner with its password are not."""
    folder = kafka.settings.kafka_passwords
    assert folder is not None

    async def rights(**login: Any) -> int:
        connection = await create_conn("127.0.0.1", kafka.controller, request_timeout_ms=10_000, **login)
        try:
            answer = await connection.send(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
            return len(answer.resources)
        finally:
            connection.close()

    def plain(principal: str) -> dict[str, Any]:
        password = (folder / principal).read_text(encoding="ascii").strip()
        own = {"sasl_plain_username": principal, "sasl_plain_password": password}
        return own | {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}

    assert await rights(**plain(BROKER)) > 10
    for stranger in ({}, plain(PARTNER)):
        with pytest.raises(KafkaError):
            await rights(**stranger)


async def test_rights_that_are_not_declared_go_and_a_new_password_replaces_the_old(
    kafka: Closed, tmp_path: Path
) -> None:
    """When `ooc topics` runs, a right that somebody added by hand goes, a new password counts, and who has none is let in no more."""
    given: dict[str, Any] = client_options(kafka.as_(PARTNER))
    admin = AIOKafkaAdminClient(**client_options(kafka.as_(PROVISIONER)))
    await admin.start()
    await admin._send_request(CreateAclsRequest(TOPIC, EVENTS, LITERAL, f"User:{PARTNER}", "*", WRITE, ALLOW))
    await admin.close()
    assert kafka.settings.kafka_passwords is not None
    renewed = tmp_path / "passwords"
    renewed.mkdir()
    for file in kafka.settings.kafka_passwords.iterdir():
        (renewed / file.name).write_bytes(file.read_bytes())
    (renewed / PARTNER).write_text("another\n", encoding="ascii")
    await provision_kafka(kafka.settings.model_copy(update={"kafka_passwords": renewed}))
    try:
        assert not await connects(**given)
        login = given | {"sasl_plain_password": "another"}
        assert await connects(**login)
        producer = AIOKafkaProducer(**login)
        await producer.start()
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(EVENTS, b"forged", partition=0)
        await producer.stop()
        (renewed / PARTNER).unlink()
        for _ in range(2):
            await provision_kafka(kafka.settings.model_copy(update={"kafka_passwords": renewed}))
            with pytest.raises(KafkaError):
                await AIOKafkaAdminClient(request_timeout_ms=10_000, **login).start()
    finally:
        await provision_kafka(kafka.settings)
    assert await connects(**given)


async def test_a_process_without_its_password_says_which_is_missing(tmp_path: Path) -> None:
    """Given a directory without a login's password, the error names the login and the file."""
    settings = Settings(kafka_passwords=tmp_path)
    with pytest.raises(NoPassword, match=r"Kafka principal kafka_referral cannot be read.*No such file"):
        settings.kafka_as("kafka_referral")
