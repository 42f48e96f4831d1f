"""What the benches write and read: the scenarios' own commands and events, as often as they are wanted.

Every scenario is played once in memory. What it was accepted to do, reactions of other services included, is a `Life`:
its commands in order, and the events that they made, byte for byte as they are stored. Further lives are the same
stories with every id changed, so that they meet neither each other nor their claims.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.registry import deciding_services
from services.reporting.in_memory import InMemoryReporting
from shared.command_handler import Accepted, CommandHandler, Result
from shared.domain.envelope import GENESIS
from shared.domain.envelope import next_hash as chained
from shared.domain.execution import CommandRequest
from shared.domain.ids import event_id as event_id_of
from shared.event_store import AppendRequest, EventToAppend
from shared.privacy.sealing import to_json
from shared.runtime.service import Service
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

SERVICES: Final = {service.name: service for service in deciding_services()}
STORIES: Final = Path(__file__).parents[1] / "scenarios"
AT_ONCE: Final = 300
"""How many lives are under way at once where events of many are mixed, as they would be in an event store."""

_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Spoken:
    """An accepted command: of which service, and all of its asking, its body as JSON besides."""

    service: str
    asked: CommandRequest
    body: str


@dataclass(frozen=True)
class Told:
    """The events of one accepted command, as they are stored: the bodies of a stream from `version` + 1."""

    service: str
    stream: str
    home: UUID
    version: int
    command_id: UUID
    events: tuple[tuple[UUID, str, str], ...]
    """Id, type and body of each."""


@dataclass(frozen=True)
class Life:
    """One story: its commands and events in order."""

    spoken: tuple[Spoken, ...]
    told: tuple[Told, ...]

    @property
    def size(self) -> int:
        """How many events it has."""
        return sum(len(told.events) for told in self.told)


class _RecordingHandler(CommandHandler):
    """Handles commands, and adds each accepted one and its events to lists."""

    def __init__(self, handler: CommandHandler, spoken: list[Spoken], told: list[Told]) -> None:
        super().__init__(handler.service, handler.event_store, handler.keyring, os.urandom(32))
        self._spoken = spoken
        self._told = told

    async def handle(self, asked: CommandRequest) -> Result:
        result = await super().handle(asked)
        if isinstance(result, Accepted) and not result.repeated:
            name = self.service.name
            body = json.dumps(to_json(asked.command, lambda sealed: sealed.value))
            first = result.receipt.events[0].version
            loaded = await self.event_store.load(self.service.stream_name(asked.stream))
            records = loaded.records[first - 1 :]
            events = tuple((record.event_id, record.type, record.body.decode()) for record in records)
            self._spoken.append(Spoken(name, asked, body))
            self._told.append(Told(name, records[0].stream, records[0].home, first - 1, asked.command_id, events))
        return result


class _RecordingMemory(Memory):
    """A system in memory that keeps a list of the accepted commands, and of their events."""

    def __init__(self) -> None:
        self.spoken: list[Spoken] = []
        self.told: list[Told] = []
        super().__init__(SERVICES.values(), InMemoryReporting())

    def handler(self, service: Service[Any]) -> CommandHandler:
        return _RecordingHandler(super().handler(service), self.spoken, self.told)


class Corpus:
    """The lives of all scenarios, and as many more as are asked for. No life is given out twice."""

    def __init__(self) -> None:
        self._lives: list[Life] = []
        for file in sorted(STORIES.glob("*.yaml")):
            system = _RecordingMemory()
            Run(read_scenario(file), system).play()
            self._lives.append(Life(tuple(system.spoken), tuple(system.told)))
        self._given = 0

    def lives(self, events: int) -> list[Life]:
        """Further lives with at least so many events together."""
        found: list[Life] = []
        while events > 0:
            again, nth = divmod(self._given, len(self._lives))
            found.append(_again(self._lives[nth], again + 1))
            events -= found[-1].size
            self._given += 1
        return found

    def body(self) -> bytes:
        """An event's bytes of median length."""
        bodies = sorted((text for life in self._lives for told in life.told for *_, text in told.events), key=len)
        return bodies[len(bodies) // 2].encode()


def mixed(lives: Sequence[Life]) -> Iterator[Told]:
    """What the lives tell, in the order of an event store: `AT_ONCE` at a time, in turns."""
    waiting = iter(lives)
    while several := list(islice(waiting, AT_ONCE)):
        yield from (told for told in chain(*zip_longest(*(life.told for life in several))) if told is not None)


def appends(told: Iterator[Told]) -> Iterator[AppendRequest]:
    """The appends that record what is told, chained as their writer would."""
    hashes: dict[str, bytes] = defaultdict(lambda: GENESIS)
    for one in told:
        previous = hash_ = hashes[one.stream]
        events: list[EventToAppend] = []
        for event_id, type_, text in one.events:
            body = text.encode()
            hash_ = chained(hash_, body)
            events.append(EventToAppend(event_id, type_, one.home, body, hash_))
        hashes[one.stream] = hash_
        yield AppendRequest(one.command_id, bytes(32), one.stream, one.version, previous, tuple(events))


def _again(life: Life, n: int) -> Life:
    """The same life with every id changed; the same n changes an id to the same other."""
    step = n * 0x1_0001
    # An event's id follows from its command's, so that what corrects an event names the one that there will be.
    derived = {
        event_id: event_id_of(UUID(int=told.command_id.int ^ step), nth)
        for told in life.told
        for nth, (event_id, *_) in enumerate(told.events)
    }

    def another(id_: UUID) -> UUID:
        return derived.get(id_) or UUID(int=id_.int ^ step)

    def other(text: str) -> str:
        return _ID.sub(lambda found: str(another(UUID(found[0]))), text)

    def speak(spoken: Spoken) -> Spoken:
        asked, service = spoken.asked, SERVICES[spoken.service]
        body = other(spoken.body)
        changed = replace(
            asked,
            command=_command(service, body),
            stream=another(asked.stream),
            command_id=another(asked.command_id),
            correlation_id=another(asked.correlation_id),
            causation_id=None if asked.causation_id is None else another(asked.causation_id),
        )
        return replace(spoken, asked=changed, body=body)

    def tell(told: Told) -> Told:
        return replace(
            told,
            stream=other(told.stream),
            home=another(told.home),
            command_id=another(told.command_id),
            events=tuple((another(event_id), type_, other(text)) for event_id, type_, text in told.events),
        )

    return Life(tuple(speak(spoken) for spoken in life.spoken), tuple(tell(told) for told in life.told))


def _command(service: Service[Any], body: str) -> Any:
    return service.command_adapter.validate_json(body)
