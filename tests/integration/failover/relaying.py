"""A relay in a process of its own, to be stopped in its tracks: `python -m tests.integration.failover.relaying` and its names."""

import asyncio
import sys

from shared.messaging.relay import Relay
from tests.integration.event_store.streams import SERVICE
from tests.position_keys import signers


async def main() -> None:
    """Publish for ever."""
    dsn, bootstrap, events, position = sys.argv[1:]
    keys = signers(SERVICE)
    async with Relay(SERVICE, events_topic=events, position_topic=position, dsn=dsn, bootstrap=bootstrap, signers=keys):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
