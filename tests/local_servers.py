"""PostgreSQL and Kafka of a test, supervised as those of a local system are, and nothing else."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tools.local import kafka, postgres
from tools.local.supervisor import Supervisor


@contextlib.asynccontextmanager
async def servers(
    var: Path,
    *,
    postgres_port: int | None = None,
    kafka_ports: tuple[int, int] | None = None,
    kafka_closed: bool = False,
) -> AsyncIterator[Supervisor]:
    """Run PostgreSQL, Kafka, or both, and nothing else: each whose port (Kafka: and its controller's) is given.

    Kafka lets everyone in unless it is `kafka_closed`.
    """
    processes = []
    if postgres_port is not None:
        processes.append(postgres.process(var / "postgres", postgres_port))
    if kafka_ports is not None:
        processes.append(kafka.process(var / "kafka", *kafka_ports, closed=kafka_closed))
    async with Supervisor(var.absolute(), processes) as supervisor:
        yield supervisor
