"""What an event costs the processor: to read it from its bytes, and to fold it. One process, no server, no waiting."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, create_model

from shared.domain.decider import history_at
from shared.domain.envelope import Envelope, Fact
from shared.domain.sealing import DecryptionContext
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tools.scenario.synthetic_cases import AcceptedCommand

EVENTS = 2_000
"""How many events of the scenarios are read or folded, again and again."""


class Working:
    """Work on so many events, over and over; the processor's time is what counts, since nothing waits."""

    def __init__(self, work: Callable[[], object], events: int) -> None:
        self._work = work
        self._events = events

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Events a second of processor time, and microseconds an event."""
        start, times = time.process_time(), 0
        while (took := time.process_time() - start) < seconds or not times:
            self._work()
            times += 1
        return {"events/s": times * self._events / took, "us an event": took / times / self._events * 1e6}


def _accepted_commands() -> list[AcceptedCommand]:
    return [accepted for case in Corpus().cases(EVENTS) for accepted in case.accepted]


@contextlib.asynccontextmanager
async def reading(_place: Place) -> AsyncIterator[Sequence[Side]]:
    """Yield the registry's reading, sealed fields closed; the limit is one `validate_json` of the same bytes into one model."""
    bodies = [
        (accepted.service, type_, text.encode())
        for accepted in _accepted_commands()
        for _, type_, text in accepted.events
    ]
    ours = [(SERVICES[service].events, body) for service, _, body in bodies]
    models: dict[str, type[BaseModel]] = {
        name: create_model("Whole", __base__=Envelope, data=(cls, ...))
        for service in SERVICES.values()
        for name, cls in service.events.by_type.items()
    }
    plain = [(models[type_], body) for _, type_, body in bodies]
    closed = DecryptionContext(ours[0][0].read(ours[0][1]).event_id)

    def read() -> None:
        for events, body in ours:
            events.read(body)

    def validate() -> None:
        for model, body in plain:
            model.model_validate_json(body, strict=False, context=closed)

    yield [
        Side(OURS, f"EventRegistry.read of {len(ours):,} events", Working(read, len(ours)).round),
        Side("limit", "pydantic, validate_json of the same bytes into one model", Working(validate, len(plain)).round),
    ]


@contextlib.asynccontextmanager
async def folding(_place: Place) -> AsyncIterator[Sequence[Side]]:
    """Yield the fold of whole streams, from facts that are read already."""
    histories: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for accepted in _accepted_commands():
        histories[accepted.service, accepted.stream] += [
            SERVICES[accepted.service].events.read(text.encode()) for *_, text in accepted.events
        ]
    folds: list[tuple[Any, list[Fact]]] = [
        (SERVICES[service].decider, history_at(history)) for (service, _), history in histories.items()
    ]
    events = sum(map(len, histories.values()))

    def fold() -> None:
        for decider, history in folds:
            decider.fold(history)

    yield [Side(OURS, f"{len(folds):,} streams of {events:,} events", Working(fold, events).round)]
