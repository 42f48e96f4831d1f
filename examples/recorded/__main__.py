"""Write the topics of a story, as the relay publishes them, to test a consumer without Kafka: `python -m examples.recorded`.

A line of topics.jsonl is a record: topic, partition, offset, key, headers and value, the last two as text; the last line of
each service is its position record, unsigned. Sealed values have random nonces, so hashes differ each time it is written;
all else follows from the story.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import structlog

from services.system.registry import deciding_services
from shared.domain.envelope import Fact
from shared.messaging.relay import headers_of, key_and_partition
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

FILE: Final = Path(__file__).parent / "topics.jsonl"
STORY: Final = Path(__file__).parents[2] / "tests/integration/partner/absences.yaml"
RUN: Final = "recorded"
RECORDED_AT: Final = datetime(2026, 7, 1, tzinfo=UTC)


def recorded_topics() -> Iterator[Mapping[str, Any]]:
    """Play the story, and yield the records of each service's topics."""
    played = Memory(deciding_services(), clock=lambda: RECORDED_AT)
    Run(read_scenario(STORY), played, run=RUN).play()
    facts: dict[str, list[Fact]] = {}
    for service, history in played.histories:
        facts.setdefault(service, []).extend(history)
    for service, of_service in facts.items():
        offsets: dict[int, Iterator[int]] = {}
        ends: dict[str, int] = {}
        for fact in sorted(of_service, key=lambda fact: fact.position or 0):
            key, partition = key_and_partition(fact.envelope.home)
            offset = next(offsets.setdefault(partition, count()))
            ends[str(partition)] = offset + 1
            yield {
                "topic": f"ooc.{service}.events",
                "partition": partition,
                "offset": offset,
                "key": key.decode(),
                "headers": {name: value.decode() for name, value in headers_of(_row(fact), f"/ooc/{service}".encode())},
                "value": (fact.body or b"").decode(),
            }
        position = {"service": service, "position": len(of_service), "offsets": ends, "foreign": {}}
        record = {"topic": f"ooc.{service}.position", "partition": 0, "offset": 0, "key": service, "headers": {}}
        yield record | {"value": json.dumps(position)}


def _row(fact: Fact) -> Any:
    """Return a fact as a row of the event store, which the relay reads."""
    envelope = fact.envelope
    identity = (fact.position, fact.recorded_at, envelope.stream, fact.version, fact.event_id, envelope.type)
    return (*identity, None, fact.hash, fact.body)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    FILE.write_text("".join(f"{json.dumps(record)}\n" for record in recorded_topics()), encoding="utf-8")
