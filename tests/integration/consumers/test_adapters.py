"""Both adapters, Faust's and aiokafka's, hold the same promises on real Kafka and PostgreSQL."""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import faust
import faust.types.tuples
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.faust_consumer import EventSchema
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.publishing import Author, Publisher, publishing
from tests.integration.consumers.worker import consumer
from tests.integration.local.waiting import PATIENCE

SERVICE = "note"


@pytest.fixture(params=[pytest.param("feed", marks=pytest.mark.nightly), "stream"])
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def publisher(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Publisher]:
    async with publishing(kafka_bootstrap, topic_prefix, SERVICE) as one:
        yield one


@asynccontextmanager
async def running(adapter: str, pool: Pool, bootstrap: str, namespace: str) -> AsyncIterator[Any]:
    one = consumer(adapter, pool, bootstrap, namespace, SERVICE)
    await one.start()
    try:
        yield one
    finally:
        await asyncio.wait_for(one.stop(), PATIENCE)


async def versions(pool: Pool) -> dict[str, list[int]]:
    """Return the versions applied of each stream, in the order in which they were."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in await pool.fetch("select stream, version from effect order by nth"):
        found[row["stream"]].append(row["version"])
    return dict(found)


def every_version(author: Author) -> dict[str, list[int]]:
    return {stream: list(range(1, last + 1)) for stream, last in author.versions.items()}


async def applied(pool: Pool, author: Author, seconds: float = PATIENCE) -> None:
    """Wait until as many events were applied as written; then each was, once and in order."""

    async def enough() -> bool:
        return bool(await pool.fetchval("select count(*) >= $1 from effect", author.position))

    await until(enough, seconds, f"{author.position} events applied")
    assert await versions(pool) == every_version(author)


def aiokafka_of(one: Any) -> Any:
    """Return the client that reads for an adapter."""
    return one._consumer if hasattr(one, "_consumer") else one.app.consumer._thread._consumer


async def test_aborted_transactions_are_never_seen(
    adapter: str, projection: Pool, publisher: Publisher, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given events written, aborted and written again, when they are consumed, then each comes once and in order."""
    author, homes = Author(SERVICE), [uuid4() for _ in range(20)]
    async with running(adapter, projection, kafka_bootstrap, topic_prefix) as one:
        assert aiokafka_of(one)._isolation_level == "read_committed"
        for n in range(10):
            batch = [author.write(home) for home in homes]
            if n % 2:
                await publisher.publish(batch, abort=True)
            await publisher.publish(batch)
        await applied(projection, author)


async def test_offsets_in_kafka_are_not_trusted_and_every_assignment_seeks(
    adapter: str, projection: Pool, publisher: Publisher, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given a group whose committed offsets lie past what was taken, when consumers come and go, then nothing is missed."""
    author, homes = Author(SERVICE), [uuid4() for _ in range(30)]
    await publisher.publish([author.write(home) for _ in range(5) for home in homes])
    await commit_to_the_end(kafka_bootstrap, f"{topic_prefix}-{adapter}", publisher.topic)
    async with running(adapter, projection, kafka_bootstrap, topic_prefix) as one:
        await applied(projection, author)
        alone = one.assignments
        assert alone >= 1
        async with running(adapter, projection, kafka_bootstrap, topic_prefix) as another:

            async def both() -> bool:
                return bool(one.assignments > alone and another.assignments)

            await until(both, why="both assigned")
            await publisher.publish([author.write(home) for home in homes])
            await applied(projection, author)
            shared = one.assignments
        await until(lambda: until_more(one, shared), why="the partitions given back")
        await publisher.publish([author.write(home) for home in homes])
        await applied(projection, author)


async def test_a_partition_that_is_taken_away_while_its_checkpoint_is_read_ends_no_consumer(
    projection: Pool, publisher: Publisher, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given a partition that another member has by now, when its checkpoint was read, then it is left alone, and the rest goes on."""
    author = Author(SERVICE)
    async with running("feed", projection, kafka_bootstrap, topic_prefix) as one:
        await one.resume([TopicPartition(publisher.topic, 99)])
        await publisher.publish([author.write(uuid4())])
        await applied(projection, author)


async def until_more(one: Any, than: int) -> bool:
    return bool(one.assignments > than)


async def commit_to_the_end(bootstrap: str, group: str, topic: str) -> None:
    """Commit offsets as a broken consumer would leave them."""
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await client.start()
    partitions = [TopicPartition(topic, n) for n in range(12)]
    client.assign(partitions)
    await client.commit(await client.end_offsets(partitions))
    await client.stop()


class Workers:
    """Worker processes of one consumer."""

    def __init__(self, *arguments: str, log: Path) -> None:
        self._arguments = arguments
        self._log = log
        self.alive: list[asyncio.subprocess.Process] = []

    async def join(self, *instance: str) -> asyncio.subprocess.Process:
        """Start a worker, and wait until it has partitions."""
        process = await self.start(*instance)
        joined = f"[{process.pid}] [INFO] Setting newly assigned partitions"

        async def has_joined() -> bool:
            return joined in await asyncio.to_thread(self._log.read_text)

        await until(has_joined, why="the worker joined")
        return process

    async def start(self, *instance: str) -> asyncio.subprocess.Process:
        with self._log.open("a") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.consumers.worker", *self._arguments, *instance),
                stdout=log,
                stderr=log,
            )
        self.alive.append(process)
        return process

    async def end(self, process: asyncio.subprocess.Process, how: signal.Signals) -> int:
        process.send_signal(how)
        code = await asyncio.wait_for(process.wait(), PATIENCE)
        self.alive.remove(process)
        return code

    async def end_all(self) -> None:
        for process in list(self.alive):
            if process.returncode is None:
                os.kill(process.pid, signal.SIGCONT)
                await self.end(process, signal.SIGKILL)


@pytest.fixture
async def workers(
    adapter: str, database: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Workers]:
    pack = Workers(adapter, database, kafka_bootstrap, topic_prefix, SERVICE, log=tmp_path / "workers.log")
    yield pack
    await pack.end_all()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_paused_joining_and_leaving_workers_lose_and_repeat_nothing(
    projection: Pool, publisher: Publisher, workers: Workers
) -> None:
    """Given workers killed, paused, joining and leaving, and their connections cut, then each event is applied once and in order."""
    author, homes = Author(SERVICE), [uuid4() for _ in range(40)]
    stop = asyncio.Event()

    async def no_backlog() -> bool:
        return bool(await projection.fetchval("select count(*) >= $1 from effect", author.position - 1_000))

    async def publish_on() -> None:
        while not stop.is_set():
            batch = [author.write(home) for _ in range(2) for home in homes]
            if author.position % 400 == 0:
                await publisher.publish(batch, abort=True)
            await publisher.publish(batch)
            await cut_connections(projection)
            await until(no_backlog, why="the backlog taken")

    writing = asyncio.create_task(publish_on())
    try:
        named, paused = await workers.join("named"), await workers.join()
        await moved(projection)
        paused.send_signal(signal.SIGSTOP)  # past its session: a zombie
        for _ in range(2):
            assert await workers.end(named, signal.SIGKILL) < 0
            named = await workers.join("named")
            await moved(projection)
        guest = await workers.join()
        await moved(projection)
        paused.send_signal(signal.SIGCONT)  # it finds its batch taken, or its retries run out, and it ends
        await moved(projection)
        assert await workers.end(guest, signal.SIGTERM) == 0
        assert await workers.end(named, signal.SIGKILL) < 0
        await workers.join("named")
        await moved(projection)
    finally:
        stop.set()
        await writing
    await applied(projection, author)


async def moved(pool: Pool) -> None:
    """Wait until another five hundred events have been applied."""
    before = await pool.fetchval("select count(*) from effect")

    async def more() -> bool:
        return bool(await pool.fetchval("select count(*) >= $1 from effect", before + 500))

    await until(more, why="five hundred more applied")


async def cut_connections(pool: Pool) -> None:
    """End some of the workers' sessions, and none of the test's, of which some have asked for this before."""
    await pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and random() < 0.3 and query like '%checkpoint%' and query not like '%pg_terminate_backend%'"
    )


async def test_an_error_that_no_retry_heals_ends_the_process(
    projection: Pool, publisher: Publisher, workers: Workers
) -> None:
    """Given a table that is not there, when an event comes, then the process ends with an error, and its successor takes the event."""
    author = Author(SERVICE)
    await projection.execute("alter table effect rename to hidden")
    await publisher.publish([author.write(uuid4())])
    process = await workers.start()
    assert await asyncio.wait_for(process.wait(), PATIENCE) not in {0, None}
    workers.alive.remove(process)
    await projection.execute("alter table hidden rename to effect")
    await workers.start()
    await applied(projection, author)


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00"])
async def test_the_schema_never_raises(value: bytes | None) -> None:
    """Given a record that cannot be read, when Faust decodes it, then the event carries the bytes and the error."""
    message = faust.types.tuples.Message("t", 0, 5, 0.0, 0, [("zero", b"\x00")], None, value, None)
    topic = faust.App("schema-under-test", broker="kafka://127.0.0.1:1").topic("t", schema=EventSchema())
    event = await topic.decode(message)
    assert isinstance(event.value, ConsumedEvent)
    assert (event.value.body, event.value.offset) == (value or b"", 5)
    assert event.value.error
