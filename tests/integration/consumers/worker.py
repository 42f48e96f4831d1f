"""A worker process of one consumer, by either adapter, that writes down each event it applies; for tests to kill.

python -m tests.integration.consumers.worker ADAPTER DSN BOOTSTRAP NAMESPACE SERVICE [INSTANCE]
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import uvloop
from mode import Worker

from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.handling import GroupSettings
from shared.messaging.faust_consumer import FaustConsumer
from shared.messaging.projection_consumer import ProjectionConsumer, events_topic
from shared.servers import database
from shared.servers.database import Connection
from tests.position_keys import KEYS

CONSUMER = "under-test"
QUICK = GroupSettings(session_seconds=6.0, heartbeat_seconds=0.3, rebalance_seconds=6.0, retry_seconds=4.0)
EFFECTS = "create table effect (stream text, version integer, event_id uuid, nth bigint generated always as identity)"


class Poison(Exception):
    """What an event says that nobody can apply."""


async def write_down(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
    """Apply: a row for each event, repeated ones included, so that a test can count; a poisoned one cannot be applied."""
    rows = []
    for record in records:
        if json.loads(record.body)["data"].get("poison"):
            raise Poison(record.stream)
        rows.append((record.stream, record.version, record.event_id))
    await connection.executemany("insert into effect (stream, version, event_id) values ($1, $2, $3)", rows)


def consumer(
    adapter: str,
    pool: asyncpg.Pool[asyncpg.Record],
    bootstrap: str,
    namespace: str,
    service: str,
    *,
    apply: Any = write_down,
    membership: GroupSettings = QUICK,
) -> Any:
    """Return the consumer under test: `feed` or `stream`."""
    if adapter == "feed":
        return ProjectionConsumer(
            CONSUMER,
            services=[service],
            pool=pool,
            bootstrap=bootstrap,
            keys=KEYS,
            apply=apply,
            namespace=namespace,
            group=f"{namespace}-feed",
            membership=membership,
            reconcile_seconds=0.5,
        )
    return FaustConsumer(
        CONSUMER,
        topics=[events_topic(service, namespace)],
        pool=pool,
        bootstrap=bootstrap,
        keys=KEYS,
        apply=apply,
        app_id=f"{namespace}-stream",
        membership=membership,
    )


def main() -> None:
    """Run until a signal or an error ends it."""
    adapter, dsn, bootstrap, namespace, service, *named = sys.argv[1:]
    membership = replace(QUICK, instance=named[0] if named else None)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    pool = loop.run_until_complete(database.create_pool(dsn))
    under_test = consumer(adapter, pool, bootstrap, namespace, service, membership=membership)
    Worker(under_test, loglevel="INFO", redirect_stdouts=False, loop=loop, daemon=True).execute_from_commandline()


if __name__ == "__main__":
    main()
