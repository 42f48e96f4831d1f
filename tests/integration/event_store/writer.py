"""A process that writes: python writer.py DSN STREAMS EVENTS. Says at the end how many were recorded."""

import asyncio
import sys

from shared.event_store.postgres import PostgresEventStore
from shared.servers import database as connections
from tests.integration.event_store.streams import Stream


async def main(dsn: str, streams: int, events: int) -> None:
    pool = await connections.create_pool(dsn)
    event_store = PostgresEventStore(pool)

    async def fill(stream: Stream) -> int:
        for n in range(events):
            await stream.write(event_store, b"%d" % n)
        return events

    recorded = sum(await asyncio.gather(*(fill(Stream()) for _ in range(streams))))
    sys.stdout.write(f"{recorded}\n")
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
