"""What is set on aiokafka's objects where it has no setting: each is read there still."""

import inspect

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (Fetcher._get_actions_per_node, "self._fetch_max_wait_ms"),
        (AIOKafkaConsumer.start, "fetcher_timeout=self._consumer_timeout"),
        (AIOKafkaConsumer.start, "isolation_level=self._isolation_level"),
    ],
)
def test_aiokafka_reads_what_is_set(where: object, name: str) -> None:
    """Given the release that is installed, then it reads the attribute when it fetches, or when it starts."""
    assert name in inspect.getsource(where)  # type: ignore[arg-type]
