"""A whole system in this process: declared services, their streams, and reactions that happen at once.

It is faithful where it matters: commands come as JSON, roles are enforced, keys repeat the first answer, claims are
kept, and every event passes through its bytes: sealed when recorded, opened for its own service, closed for others.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from pydantic import ValidationError

from shared.domain.dates import local_day
from shared.domain.duties_by_day import duties_on
from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.messages import (
    GENESIS,
    Actor,
    BrokenRule,
    Command,
    Fact,
    NeedsRationale,
    Origin,
    Receipt,
    ReceiptLine,
    Refused,
    derived_uuid,
    encode_event,
    next_hash,
)
from shared.domain.permissions import AccessFacts, boundary
from shared.privacy.sealing import DataKey, seal_model
from shared.runtime.service import (
    Claims,
    CommandFor,
    Reaction,
    Service,
)
from tools.scenario.backend import BackendError, Request, Response
from tools.scenario.story import Officer, Result

AREA = {"area": "DORSET"}
READER = "AUDITOR"


class Counting(Protocol):
    """What counts: told of every fact (closed, as others see it) and asked for measures."""

    def record(self, service: str, fact: Fact) -> None:
        """Take a fact into account."""
        ...

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """A measure, as reporting answers with it."""
        ...


class _Keys(dict[str, DataKey]):
    """A key for whoever asks first."""

    def __missing__(self, subject: str) -> DataKey:
        key = self[subject] = DataKey(subject, 1, os.urandom(32))
        return key


@dataclass
class _Parked:
    service: str
    reaction: Reaction
    fact: Fact
    effect: CommandFor
    why: str


@dataclass
class _House:
    """One service with everything that it has recorded."""

    service: Service[Any]
    streams: dict[UUID, list[Fact]] = field(default_factory=dict)
    position: int = 0
    claims: dict[str, UUID] = field(default_factory=dict)
    answers: dict[UUID, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    done: set[UUID] = field(default_factory=set)


class Memory:
    """A backend in memory over the services given."""

    patience = 0.0

    def __init__(
        self,
        services: Iterable[Service[Any]],
        counting: Counting | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._houses = {service.name: _House(service) for service in services}
        self._counting = counting
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._keys = _Keys()
        self._parked: list[_Parked] = []

    @property
    def parked(self) -> Sequence[str]:
        """The reactions that were refused and wait for their stream to move, in words."""
        return [f"{item.reaction.name} in {item.service}: {item.why}" for item in self._parked]

    @property
    def histories(self) -> Sequence[tuple[str, Sequence[Fact]]]:
        """Every stream's facts, with the service that owns it."""
        return [(name, facts) for name, house in self._houses.items() for facts in house.streams.values()]

    # --- the backend's side -----------------------------------------------------------------------

    def officer(self, officer: Officer) -> UUID:
        """The same person for a role and number every time."""
        return derived_uuid("officer", officer.role, officer.number)

    def settle(self) -> None:
        """Nothing is ever under way here."""

    def now(self) -> datetime:
        """A time that lies after everything recorded, and before everything to come."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last

    def state(
        self, service: str, stream: UUID, *, as_of: datetime | None, known_at: datetime | None
    ) -> Mapping[str, Any] | None:
        """The view of a stream, as JSON would carry it."""
        house = self._read(service, "state")
        view = house.service.read_model.view_of(house.streams.get(stream, ()), as_of=as_of, known_at=known_at)
        if view is None:
            return None
        as_sent: Mapping[str, Any] = json.loads(json.dumps(view))
        return as_sent

    def history(self, service: str, stream: UUID) -> Sequence[Mapping[str, Any]]:
        """The events of a stream, in order."""
        return [
            {
                "type": fact.name,
                "event_id": fact.event_id,
                "occurred_at": fact.occurred_at,
                "recorded_at": fact.recorded_at,
            }
            for fact in self._read(service, "history").streams.get(stream, ())
        ]

    def duties(
        self, service: str, stream: UUID, *, as_of: date | None, known_at: datetime | None
    ) -> Sequence[Mapping[str, Any]]:
        """The duties of a stream on a day, in the form of the API."""
        house = self._read(service, "duties")
        day = as_of or local_day(self._clock())
        return [
            duty.as_json(day)
            for duty in duties_on(house.service.read_model, house.streams.get(stream, ()), day, known_at)
        ]

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        """What the counting part says; None without one."""
        return None if self._counting is None else self._counting.measure(name, params)

    def send(self, request: Request) -> Response:
        """Answer a command in the order of rules.md: shape, role, repeated key, unknown stream, version, rules.

        A role that may send nothing to the service is refused before the shape.
        """
        house = self._houses[request.service]
        role = request.by.role
        if role not in house.service.commanding_roles:
            return Response(Result.FORBIDDEN)
        body = json.dumps(request.body)
        try:
            command = house.service.parse_command(body, received_at := self._clock())
        except ValidationError as error:
            return Response(Result.INVALID, why=_where(error))
        if role not in house.service.roles_for(type(command)):
            return Response(Result.FORBIDDEN)
        actor = Actor(id=self.officer(request.by), role=role, organisation="SCENARIO", labels=AREA)
        command_id = derived_uuid("command", request.service, actor.id, request.key)
        digest = hashlib.sha256(f"{request.stream}{body}".encode()).hexdigest()
        history = house.streams.get(request.stream, [])
        if kept := house.answers.get(command_id):
            return _again(digest, *kept)
        if (early := _early(house.service, actor, command, history)) is not None:
            return early
        asked = CommandRequest(command, request.stream, command_id, actor, received_at, correlation_id=command_id)
        result = self._record(house, asked)
        if not isinstance(result, Response):
            answer = _receipt(request.service, request.stream, command_id, result)
            house.answers[command_id] = (digest, answer)
            self._react(request.service, result)
            result = Response(Result.ACCEPTED, events=tuple(fact.name for fact in result), receipt=answer)
        return result

    # --- recording and reacting -------------------------------------------------------------------

    def _read(self, service: str, what: str) -> _House:
        house = self._houses[service]
        permission = house.service.permissions.get(READER)
        if permission is None or what not in permission.parts:
            raise BackendError(f"{service} lets no {READER} read its {what}: add it to the service's access.py.")
        return house

    def _record(self, house: _House, asked: CommandRequest) -> list[Fact] | Response:
        """Decide a command and record what it makes happen, unless a rule or a lost claim refuses."""
        history = house.streams.get(asked.stream, [])
        outcome = execute(house.service, asked, history)
        if isinstance(outcome, Refused):
            return _refused(Result.REFUSED, outcome.rules)
        if isinstance(outcome, NeedsRationale):
            return _refused(Result.NEEDS_RATIONALE, outcome.rules)
        if lost := [claim.rule for claim in outcome.claims if _lost(house, claim, asked.stream)]:
            return Response(Result.REFUSED, rules=tuple(lost), why="claimed by another stream")
        for claim in outcome.claims:
            house.claims.update(dict.fromkeys(claim.take, asked.stream))
            for key in claim.release:
                house.claims.pop(key, None)
        return self._append(house, asked.stream, outcome)

    def _append(self, house: _House, stream: UUID, outcome: Decision) -> list[Fact]:
        facts = house.streams.setdefault(stream, [])
        recorded_at = self.now()
        recorded = []
        for fact in outcome.facts:
            home, event_id = fact.envelope.home, fact.event_id
            body = encode_event(
                seal_model(fact.envelope, home, event_id, self._keys),
                seal_model(fact.event, home, event_id, self._keys),
            )
            house.position += 1
            keys = {(subject, key.generation): key for subject, key in self._keys.items()}
            previous = facts[-1].hash if facts else None
            opened = house.service.events.read(
                body,
                keys=keys,
                position=house.position,
                recorded_at=recorded_at,
                hash=next_hash(previous or GENESIS, body),
            )
            facts.append(opened)
            recorded.append(opened)
        return recorded

    def _react(self, service: str, facts: Sequence[Fact]) -> None:
        """Carry facts to everyone who reacts or counts, and what follows from them, until nothing does."""
        waiting = deque((service, fact) for fact in facts)
        while waiting:
            source, fact = waiting.popleft()
            assert fact.body is not None
            closed = self._houses[source].service.events.read(
                fact.body, position=fact.position, recorded_at=fact.recorded_at, hash=fact.hash
            )
            if self._counting is not None:
                self._counting.record(source, closed)
            for house in self._houses.values():
                for reaction in house.service.reactions:
                    if reaction.service == source and isinstance(closed.event, reaction.event):
                        for effect in reaction.react(closed):
                            waiting.extend(self._effect(house, reaction, closed, effect))
            waiting.extend(self._try_again(source, fact.stream_id))

    def _effect(self, house: _House, reaction: Reaction, fact: Fact, effect: CommandFor) -> list[tuple[str, Fact]]:
        """Do what a reaction asks, or park it with the reason; what was done before is not done again."""
        name = house.service.name
        command_id = reaction.command_id(fact, effect)
        self._parked = [
            item for item in self._parked if item.reaction.command_id(item.fact, item.effect) not in effect.supersedes
        ]
        if command_id in house.done:
            return []
        actor = Actor(
            id=derived_uuid("system", name), role="SYSTEM", organisation="SYSTEM", labels=fact.envelope.labels
        )
        asked = CommandRequest(
            effect.command,
            effect.stream,
            command_id,
            actor,
            self._clock(),
            correlation_id=fact.envelope.correlation_id,
            causation_id=fact.event_id,
            origin=Origin(kind="REACTION", reference=reaction.name),
            labels=fact.envelope.labels,
        )
        if effect.stream in house.streams or effect.command.opens:
            result = self._record(house, asked)
        else:
            result = Response(Result.UNKNOWN)
        if isinstance(result, Response) and result.word is Result.UNKNOWN and effect.if_begun:
            return []
        if isinstance(result, Response):
            self._parked.append(_Parked(name, reaction, fact, effect, str(result)))
            return []
        house.done.add(command_id)
        return [(name, recorded) for recorded in result]

    def _try_again(self, service: str, stream: UUID) -> list[tuple[str, Fact]]:
        """Try what is parked for a stream that has moved."""
        again = [item for item in self._parked if (item.service, item.effect.stream) == (service, stream)]
        self._parked = [item for item in self._parked if item not in again]
        made: list[tuple[str, Fact]] = []
        for item in again:
            made += self._effect(self._houses[service], item.reaction, item.fact, item.effect)
        return made


def _early(service: Service[Any], actor: Actor, command: Command, history: Sequence[Fact]) -> Response | None:
    """What is answered before any rule is evaluated: an unknown stream, a boundary of rule T2, the expected version."""
    if not history and not command.opens:
        return Response(Result.UNKNOWN)
    if history:
        facts = AccessFacts.of_history(service.events, history)
        denial = boundary(actor, service.permissions.get(actor.role), facts, service.inherited_labels)
        if denial is not None:
            return Response(Result.UNKNOWN if denial.hidden else Result.FORBIDDEN, why=denial.why)
    return Response(Result.CONFLICT) if command.expected_version not in {None, len(history)} else None


def _where(error: ValidationError) -> str:
    """The fields that are wrong; never what stood in them."""
    return ", ".join(
        ".".join(map(str, found["loc"][1:] or found["loc"])) or found["msg"]
        for found in error.errors(include_input=False, include_url=False)
    )


def _again(digest: str, kept: str, answer: Mapping[str, Any]) -> Response:
    if digest != kept:
        return Response(Result.INVALID, why="the key was used with another body")
    return Response(Result.REPEATED, receipt=answer)


def _refused(word: Result, rules: Sequence[BrokenRule]) -> Response:
    return Response(word, rules=tuple(rule.id for rule in rules), why="; ".join(rule.text for rule in rules))


def _lost(house: _House, claim: Claims, stream: UUID) -> bool:
    return any(house.claims.get(key, stream) != stream for key in claim.take)


def _receipt(service: str, stream: UUID, command_id: UUID, facts: Sequence[Fact]) -> Mapping[str, Any]:
    lines = []
    for fact in facts:
        assert fact.position is not None
        assert fact.hash is not None
        lines.append(
            ReceiptLine(
                event_id=fact.event_id,
                type=fact.envelope.type,
                version=fact.version,
                position=fact.position,
                hash=fact.hash.hex(),
            )
        )
    last = lines[-1]
    assert facts[-1].recorded_at is not None
    return Receipt(
        command_id=command_id,
        service=service,
        stream=f"{service}/{stream}",
        version=last.version,
        position=last.position,
        position_token=f"{service}:{last.position}",
        recorded_at=facts[-1].recorded_at,
        hash=last.hash,
        events=tuple(lines),
    ).model_dump(mode="json")
