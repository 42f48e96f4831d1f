"""Three Kafka nodes, each broker and controller, with a proxy before each: to be killed, wiped, frozen and rolled."""

import asyncio
import base64
import shutil
import signal
import uuid
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from tests.failover.proxy import Proxy
from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local import child_process, kafka
from tools.local.ports import HOST

NODES: Final = 3
START_SECONDS: Final = 300

_CLUSTER: Final = """
node.id={node}
controller.quorum.voters={voters}
listeners=CLIENT://{host}:{client},BROKERS://{host}:{brokers},CONTROLLER://{host}:{controller}
advertised.listeners=CLIENT://{host}:{proxy},BROKERS://{host}:{brokers}
listener.security.protocol.map=CLIENT:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKERS
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
replica.lag.time.max.ms=10000
"""
"""What a node of a cluster has otherwise than the only node of a local system."""


class Broker:
    """One node."""

    def __init__(self, folder: Path, node: int, ports: list[int]) -> None:
        self.node = node
        self.folder = folder
        self.proxy_port, self.client, self.brokers, self.controller = ports
        self.proxy = Proxy(self.proxy_port, self.client)
        self._running: asyncio.subprocess.Process | None = None

    async def prepare(self, cluster: str, voters: str) -> None:
        """Write its settings, and format its disk if that is empty."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        places = {"host": HOST, "port": self.client, "controller": self.controller, "data": data}
        own = _CLUSTER.format(
            node=self.node,
            voters=voters,
            host=HOST,
            client=self.client,
            brokers=self.brokers,
            controller=self.controller,
            proxy=self.proxy_port,
        )
        settings = self.folder / "server.properties"
        settings.write_text(kafka._filled("server.properties", **places) + own, encoding="utf-8")
        log = "log4j2.properties"
        (self.folder / log).write_text(kafka._filled(log), encoding="utf-8")
        if not (data / "meta.properties").exists():
            await self._format(data, cluster, settings)

    async def _format(self, data: Path, cluster: str, settings: Path) -> None:
        """Make an empty disk: what the first node's was, with an identity of its own."""
        first = self.folder.with_name("formatted")
        if not first.exists():
            format_ = ("format", f"--cluster-id={cluster}", "--config", str(settings))
            java = kafka._java(self.folder, "log4j2.properties", "kafka.tools.StorageTool", *format_)
            await child_process.run(java, otherwise=f"Kafka could not format {data}:")
            await asyncio.to_thread(shutil.copytree, data, first)
        await asyncio.to_thread(shutil.copytree, first, data, dirs_exist_ok=True)
        meta = data / "meta.properties"
        lines = [line.partition("=")[0::2] for line in meta.read_text(encoding="ascii").splitlines()]
        own = {"node.id": str(self.node), "directory.id": _identity()}
        meta.write_text("".join(f"{name}={own.get(name, value)}\n" for name, value in lines if value), encoding="ascii")

    async def start(self) -> None:
        """Start the node; it may take a while until it answers."""
        java = kafka._java(self.folder, "log4j2.properties", "kafka.Kafka", str(self.folder / "server.properties"))
        with (self.folder / "log").open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *child_process.tied_to_parent(java), stdout=log, stderr=log
            )

    async def answers(self) -> bool:
        """Whether the node takes part."""
        return await kafka.answers(self.client)

    def send(self, what: signal.Signals) -> None:
        """Stop its process in its tracks, or let it go on."""
        assert self._running is not None
        self._running.send_signal(what)

    async def end(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default as a loss of power does. It may have ended already."""
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(signal.SIGCONT)
            self._running.send_signal(by)
            await self._running.wait()

    async def wipe(self) -> None:
        """Lose its disk."""
        await asyncio.to_thread(shutil.rmtree, self.folder / "data")


class Brokers:
    """A cluster of three, which confirms what two of them have."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(4 * NODES)
        self.nodes = [Broker(folder / f"node-{n}", n, ports[4 * n - 4 : 4 * n]) for n in range(1, NODES + 1)]
        self._cluster = _identity()
        self._voters = ",".join(f"{node.node}@{HOST}:{node.controller}" for node in self.nodes)

    @property
    def bootstrap(self) -> str:
        """Where clients begin: the proxies."""
        return ",".join(f"{HOST}:{node.proxy_port}" for node in self.nodes)

    async def start(self) -> None:
        """Start all, and return when each answers."""
        for node in self.nodes:
            await node.proxy.start()
            await self.back(node)
        for node in self.nodes:
            await eventually(node.answers, START_SECONDS)

    async def stop(self) -> None:
        """End all."""
        for node in self.nodes:
            await node.end()
            await node.proxy.stop()

    async def back(self, node: Broker) -> None:
        """Start a node that has ended, with an empty disk if it was wiped."""
        await node.prepare(self._cluster, self._voters)
        await node.start()

    async def in_sync(self) -> bool:
        """Whether every partition has all its replicas."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        await admin.start()
        try:
            topics = await admin.describe_topics()
        finally:
            await admin.close()
        return all(len(part["isr"]) == len(part["replicas"]) for topic in topics for part in topic["partitions"])


def _identity() -> str:
    """Return an identity as Kafka writes them; none begins with what begins an option."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
