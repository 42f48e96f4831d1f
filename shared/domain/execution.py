"""From a command to facts, without a database: the pure middle of `handle`, which tests and simulations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.messages import (
    Actor,
    Command,
    Correction,
    Envelope,
    EventAt,
    Fact,
    NeedsRationale,
    Origin,
    Refused,
    event_id,
)
from shared.domain.policy import NoPolicy
from shared.domain.rules import Approved, Context
from shared.privacy.sealing import Sealed
from shared.runtime.service import Claims, Service

LIVE: Final = Origin()


@dataclass(frozen=True)
class CommandRequest:
    """A command with everything that `handle` knows of its asking."""

    command: Command
    stream: UUID
    command_id: UUID
    actor: Actor
    received_at: datetime
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None
    origin: Origin = LIVE
    labels: Mapping[str, str] | None = None
    """Labels of the event that a reaction follows, for a stream that it opens; None: the actor's own."""

    @property
    def occurred_at(self) -> datetime:
        """When it happened: as the command says, else when it was received."""
        return self.command.occurred_at or self.received_at


@dataclass(frozen=True)
class Decision:
    """What a command makes happen: facts not yet sealed or recorded, and the claims they take or release."""

    facts: tuple[Fact, ...]
    claims: tuple[Claims, ...]


def execute(
    service: Service[Any],
    asked: CommandRequest,
    history: Sequence[Fact],
    fold: Callable[[Sequence[Fact]], Any] | None = None,
) -> Decision | Refused | NeedsRationale:
    """Judge and decide a command on the whole history of its stream (opened, in order of version).

    `fold` makes the state of the history where the caller knows a shorter way to the same.

    Raises `NoPolicy` for a day that the policy does not reach.
    """
    decider = service.decider
    occurred_at = asked.occurred_at
    policy = service.policy.on(local_day(occurred_at))
    if policy.later and not policy.values:
        raise NoPolicy(f"no policy of this service was in force yet on {policy.day}")
    context = Context(
        asked.stream, asked.actor, occurred_at, asked.received_at, policy, service.policy.on, service.prints
    )
    state = decider.state_at(history) if fold is None else fold(history)
    answer = decider.evaluate_and_decide(asked.command, state, context)
    if isinstance(answer, (Refused, NeedsRationale)):
        return answer
    decided, passed = answer
    facts = tuple(_facts(service, asked, context, decided, passed, history))
    return Decision(facts, tuple(claims_of(service, facts, history, state)))


def claims_of(
    service: Service[Any], facts: Sequence[Fact], history: Sequence[Fact] = (), state: Any = None
) -> Iterator[Claims]:
    """What facts take and give back, in order, behind a history that has come to a state."""
    for n, fact in enumerate(facts, start=1):
        claims = service.claims(state, fact)
        if claims is not None:
            yield claims
        if isinstance(fact.event, Correction):
            state = service.decider.fold(history_at([*history, *facts[:n]]))
        else:
            state = service.decider.evolve(state, fact)


def _facts(
    service: Service[Any],
    asked: CommandRequest,
    context: Context,
    decided: Sequence[Any],
    passed: Approved,
    history: Sequence[Fact],
) -> list[Fact]:
    first = history[0].envelope if history else None
    name = service.stream_name(asked.stream)
    facts: list[Fact] = []
    for n, item in enumerate(decided):
        event, occurred_at = (
            (item.event, item.occurred_at) if isinstance(item, EventAt) else (item, context.occurred_at)
        )
        cls = type(event)
        if first is not None:
            home = first.home
            inherited = {label: value for label, value in first.labels.items() if label in service.inherited_labels}
        else:
            home = (facts[0].envelope.home if facts else service.home(event)) or asked.stream
            source = asked.actor.labels if asked.labels is None else asked.labels
            inherited = {label: source[label] for label in sorted(service.inherited_labels) if label in source}
        envelope = Envelope(
            event_id=event_id(asked.command_id, n),
            type=service.events.type_name(cls),
            stream=name,
            version=len(history) + n + 1,
            home=home,
            command_id=asked.command_id,
            occurred_at=occurred_at,
            actor=asked.actor,
            correlation_id=asked.correlation_id,
            causation_id=asked.causation_id,
            traceparent=asked.traceparent,
            policy=context.policy.stamp,
            rules=passed.rules,
            rationale={rule: Sealed(text) for rule, text in sorted(passed.rationale.items())},
            labels=dict(sorted({**inherited, **service.events.labels(cls)}.items())),
            origin=asked.origin,
        )
        facts.append(Fact(envelope, event))
    return facts


def as_recorded(fact: Fact, position: int, recorded_at: datetime) -> Fact:
    """The fact with a place in an event store; for tests and simulations."""
    return replace(fact, position=position, recorded_at=recorded_at)
