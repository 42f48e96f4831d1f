"""A batch of one partition, as tests process it."""

from collections.abc import Sequence

from shared.messaging.consumer.batch import BatchResult, process_batches
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import Apply
from shared.servers.database import Connection


async def process_batch(
    connection: Connection, consumer: str, topic: str, partition: int, records: Sequence[ConsumedEvent], apply: Apply
) -> BatchResult:
    """Process a batch of one partition in a transaction, as a handler of records does."""
    async with connection.transaction():
        return (await process_batches(connection, consumer, {(topic, partition): records}, apply))[0]
