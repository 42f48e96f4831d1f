"""Synthetic cases: the commands and events of scenarios, as often as they are wanted.

Every scenario is played once in memory. What it was accepted to do, reactions of other services included, is a
`SyntheticCase`: its commands in order, and the events that they made, byte for byte as they are stored. Further cases are
the same stories with every id changed, so that they meet neither each other nor their claims, and with days moved. A
reaction's id follows from the event that it answers, as it does in production: a worker that meets the event finds it done.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from shared.domain.execution import CommandRequest
from shared.domain.ids import event_id as event_id_of
from shared.domain.sealing import to_json
from shared.domain.service import CommandFor, Service
from shared.handling.command_handler import Accepted, CommandHandler, Result
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_DAY: Final = re.compile(r"\b20\d\d-\d\d-\d\d")


@dataclass(frozen=True)
class SentCommand:
    """An accepted command: of which service, and all of its asking, its body as JSON besides."""

    service: str
    request: CommandRequest
    body: str


@dataclass(frozen=True)
class AcceptedCommand:
    """The events of one accepted command, as they are stored: the bodies of a stream from `version` + 1."""

    service: str
    stream: str
    home: UUID
    version: int
    command_id: UUID
    events: tuple[tuple[UUID, str, str], ...]
    """Id, type and body of each."""


@dataclass(frozen=True)
class SyntheticCase:
    """One story: its commands and events in order."""

    sent: tuple[SentCommand, ...]
    accepted: tuple[AcceptedCommand, ...]

    @property
    def size(self) -> int:
        """How many events it has."""
        return sum(len(accepted.events) for accepted in self.accepted)


class _RecordingHandler(CommandHandler):
    """Handles commands, and adds each accepted one and its events to lists."""

    def __init__(self, handler: CommandHandler, sent: list[SentCommand], accepted: list[AcceptedCommand]) -> None:
        super().__init__(handler.service, handler.event_store, handler.keyring, os.urandom(32))
        self._sent = sent
        self._accepted_commands = accepted

    async def handle(self, request: CommandRequest) -> Result:
        result = await super().handle(request)
        if isinstance(result, Accepted) and not result.repeated:
            name = self.service.name
            body = json.dumps(to_json(request.command, lambda sealed: sealed.value))
            first = result.receipt.events[0].version
            loaded = await self.event_store.load(self.service.stream_name(request.stream))
            records = loaded.records[first - 1 :]
            events = tuple((record.event_id, record.type, record.body.decode()) for record in records)
            self._sent.append(SentCommand(name, request, body))
            self._accepted_commands.append(
                AcceptedCommand(name, records[0].stream, records[0].home, first - 1, request.command_id, events)
            )
        return result


class _RecordingMemory(Memory):
    """A system in memory that keeps a list of the accepted commands, and of their events."""

    def __init__(self, services: Iterable[Service[Any]]) -> None:
        self.sent: list[SentCommand] = []
        self.accepted: list[AcceptedCommand] = []
        super().__init__(services)

    def handler(self, service: Service[Any]) -> CommandHandler:
        return _RecordingHandler(super().handler(service), self.sent, self.accepted)


class SyntheticCases:
    """The cases of some scenarios, and as many more as are asked for. None is given out twice.

    Another `salt`, a number of 32 bits, makes other ids.
    """

    def __init__(self, services: Iterable[Service[Any]], files: Sequence[Path], salt: int = 0) -> None:
        self._services = {service.name: service for service in services}
        self.stories: list[SyntheticCase] = []
        for file in files:
            system = _RecordingMemory(self._services.values())
            Run(read_scenario(file), system).play()
            self.stories.append(SyntheticCase(tuple(system.sent), tuple(system.accepted)))
        self._salt = salt
        self._taken = 0

    @property
    def upcoming(self) -> SyntheticCase:
        """The story of which the next case is another."""
        return self.stories[self._taken % len(self.stories)]

    def next(self, days: int = 0) -> SyntheticCase:
        """Return a further case, its days moved back by so many."""
        again, nth = divmod(self._taken, len(self.stories))
        self._taken += 1
        return _RenamedStory(self._services, (self._salt << 96) + (again + 1) * 0x1_0001, days).again(self.stories[nth])


class _RenamedStory:
    """One story again: every id another, and every day some days earlier."""

    def __init__(self, services: Mapping[str, Service[Any]], step: int, days: int) -> None:
        self._services = services
        self._step = step
        self._back = timedelta(days=days)
        self._ids: dict[UUID, UUID] = {}
        self._events: dict[UUID, tuple[str, str, str]] = {}
        """Service, body and new body of each event so far, by its first id."""

    def again(self, case: SyntheticCase) -> SyntheticCase:
        pairs = [self._pair(*pair) for pair in zip(case.sent, case.accepted, strict=True)]
        return SyntheticCase(tuple(sent for sent, _ in pairs), tuple(accepted for _, accepted in pairs))

    def _pair(self, sent: SentCommand, accepted: AcceptedCommand) -> tuple[SentCommand, AcceptedCommand]:
        request = sent.request
        body = self._text(sent.body)
        effect_again = self._effect_again(sent)
        if effect_again is None:
            told = json.loads(body)
            if (
                told["type"] == "LinkPerson"
            ):  # everybody of the story is known by that name and birth date from the story before
                told["rationale"] = {**(told.get("rationale") or {}), "N2": "Another person of the same story."}
                body = json.dumps(told)
            command = self._services[sent.service].command_adapter.validate_json(body)
        else:
            self._ids[request.actor.id] = request.actor.id
            effect, self._ids[request.command_id] = effect_again
            self._ids[request.stream], command = effect.stream, effect.command
            body = json.dumps(to_json(command, lambda sealed: sealed.value))
            self._ids.update(zip(*(map(UUID, _ID.findall(text)) for text in (sent.body, body)), strict=False))
        # An event's id follows from its command's, so that what corrects an event names the one that there will be.
        for n, (event_id, *_) in enumerate(accepted.events):
            self._ids[event_id] = event_id_of(self._id(request.command_id), n)
        changed = replace(
            request,
            command=command,
            actor=request.actor.model_copy(update={"id": self._id(request.actor.id)}),
            stream=self._id(request.stream),
            command_id=self._id(request.command_id),
            correlation_id=self._id(request.correlation_id),
            causation_id=None if request.causation_id is None else self._id(request.causation_id),
            about={name: self._id(id_) for name, id_ in request.about.items()},
        )
        renamed = replace(
            accepted,
            stream=self._text(accepted.stream),
            home=self._id(accepted.home),
            command_id=changed.command_id,
            events=tuple((self._id(event_id), type_, self._text(text)) for event_id, type_, text in accepted.events),
        )
        for (event_id, _, text), (_, _, new) in zip(accepted.events, renamed.events, strict=True):
            self._events[event_id] = (accepted.service, text, new)
        return replace(sent, request=changed, body=body), renamed

    def _effect_again(self, sent: SentCommand) -> tuple[CommandFor, UUID] | None:
        """Make the effect of a reaction again, from the new event; with its id. None for a person's command."""
        if sent.request.causation_id is None:
            return None
        source, old, new = self._events[sent.request.causation_id]
        book = self._services[source].events
        fact, now = book.read(old.encode()), book.read(new.encode())
        for reaction in self._services[sent.service].reactions:
            if reaction.service == source and isinstance(fact.event, reaction.event):
                for effect, again in zip(reaction.react(fact), reaction.react(now), strict=True):
                    if reaction.command_id(fact, effect) == sent.request.command_id:
                        return again, reaction.command_id(now, again)
        raise LookupError(f"no reaction of {sent.service} makes the command {sent.request.command_id}")

    def _id(self, id_: UUID) -> UUID:
        return self._ids.get(id_) or UUID(int=id_.int ^ self._step)

    def _text(self, text: str) -> str:
        text = _ID.sub(lambda found: str(self._id(UUID(found[0]))), text)
        if not self._back:
            return text
        return _DAY.sub(lambda found: (date.fromisoformat(found[0]) - self._back).isoformat(), text)
