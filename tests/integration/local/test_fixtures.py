"""The servers that every other test stands on."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.integration.local.waiting import eventually


async def test_the_database_is_not_there_and_its_server_writes_through(database: str, postgres_url: str) -> None:
    """A database is there once it is made, and its server speaks UTF-8, and waits for the disk."""
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(database)
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("show fsync") == "on"
        assert await connection.fetchval("show server_encoding") == "UTF8"
    finally:
        await connection.close()


async def is_listed(admin: AIOKafkaAdminClient, topic: str) -> bool:
    return topic in await admin.list_topics()


async def test_the_broker_creates_a_topic_when_told_to_and_not_before(kafka_bootstrap: str, topic_prefix: str) -> None:
    """A topic is not there until it is created, and there soon after."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        assert not await is_listed(admin, topic_prefix)
        await admin.create_topics([NewTopic(topic_prefix, num_partitions=3, replication_factor=1)])
        await eventually(lambda: is_listed(admin, topic_prefix))
    finally:
        await admin.delete_topics([topic_prefix])
        await admin.close()
