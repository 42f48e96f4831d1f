"""Lag: what the relays and consumers of services have not passed through yet, read from what each says of itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.system.registry import DECIDING

Statuses = Mapping[str, Mapping[str, Any]]
"""What GET /status of each service says."""

REPORTING: Final = "reporting"
SOURCES: Final = tuple(entry.name for entry in DECIDING)
"""The services whose events others consume."""


def relayed_offsets(answers: Statuses) -> dict[str, Mapping[str, int]]:
    """Return, by service and partition, the offset after what its relay has published."""
    return {
        service: (answers[service].get("relayed") or {}).get("offsets") or {}
        for service in SOURCES
        if service in answers
    }


@dataclass(frozen=True, slots=True)
class Lag:
    """What has not passed through a relay or a consumer yet."""

    name: str
    """Who lags, and behind which service: `relay.disposal`, or `reporting.disposal`."""
    service: str
    """The service whose status reports it."""
    left: int
    """How many records."""
    words: str


def lags_of(name: str, answers: Statuses) -> list[Lag]:
    """Return what a service lags behind: its relay, and its consumers behind what the services that answer have published."""
    if name not in answers:
        return []
    goal = {name: int(answers[name]["position"])} if "position" in answers[name] else {}
    offsets = relayed_offsets({service: status for service, status in answers.items() if "relayed" in status})
    return [*relay_lags(answers, goal), *consumer_lags({name: answers[name]}, offsets)]


def relay_lags(answers: Statuses, goal: Mapping[str, int]) -> Iterator[Lag]:
    for service, position in goal.items():
        relayed = int((answers[service].get("relayed") or {}).get("position") or 0)
        if relayed < position:
            words = f"the relay of {service} is at {relayed} of {position}"
            yield Lag(f"relay.{service}", service, position - relayed, words)


def consumer_lags(answers: Statuses, offsets: Mapping[str, Mapping[str, int]]) -> Iterator[Lag]:
    for consumer, status in answers.items():
        consumed = status.get("consumed") or {}
        # What was never consumed at all has no checkpoint, so a consumer says itself what it listens to.
        topics = {*consumed, *status.get("reacts_to", ())}
        for source, partitions in offsets.items():
            topic = f"ooc.{source}.events"
            if topic not in topics and consumer != REPORTING:
                continue
            reached = consumed.get(topic) or {}
            left = sum(max(0, offset - int(reached.get(partition) or 0)) for partition, offset in partitions.items())
            if left:
                yield Lag(f"{consumer}.{source}", consumer, left, f"{consumer} is {left} behind on {topic}")
