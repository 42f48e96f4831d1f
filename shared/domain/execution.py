"""Execution of a command on a history, without a database. The command handler, tests and simulations share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.decisions import BrokenRule, EventAt, NeedsRationale, Refused
from shared.domain.duties_by_day import all_duties
from shared.domain.envelope import Envelope, Fact, Origin
from shared.domain.ids import event_id
from shared.domain.messages import Actor, Command, Correction
from shared.domain.persons import NOBODY_ALIKE, NOTHING_KNOWN, Alike, Known
from shared.domain.rules import Approved, Context, Linked, broken_rules, no_marks, not_before_the_stream_began
from shared.domain.sealing import Sealed
from shared.domain.service import Claims, Service

LIVE: Final = Origin()

MOST_DUTIES: Final = 5_000
"""The most duties of a record that a command adds to: some are for each of many and each decision, so that few events make them."""


@dataclass(frozen=True)
class CommandRequest:
    """A command with its stream, actor, times and trace ids."""

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
    """Labels for a new stream that a reaction opens: those of the event that it follows. None: the actor's labels."""
    about: Mapping[str, UUID] = field(default_factory=dict)
    """Ids that the events of the stream must name, by field (`CommandFor.about`)."""

    @property
    def occurred_at(self) -> datetime:
        """The time of the occurrence, in UTC: that of the command, that of the field that dates it, or that of its receipt."""
        dated_by = self.command.dated_by
        otherwise: datetime | None = getattr(self.command, dated_by) if dated_by else None
        return self.command.occurred_at or otherwise or self.received_at


@dataclass(frozen=True)
class Decision:
    """The outcome of an approved command: facts, not yet sealed or recorded, and the claims that they take or release."""

    facts: tuple[Fact, ...]
    claims: tuple[Claims, ...]
    warnings: tuple[BrokenRule, ...] = ()
    """The warnings that apply, each of which the command's rationale answers."""
    overfills: bool = False
    """Whether they add duties to a record that has more of them than `MOST_DUTIES`."""


def execute(
    service: Service[Any],
    request: CommandRequest,
    history: Sequence[Fact],
    linked: Linked = no_marks,
    kept: Sequence[Fact] = (),
    known: Known = NOTHING_KNOWN,
    alike: Alike = NOBODY_ALIKE,
) -> Decision | Refused | NeedsRationale:
    """Evaluate and decide a command on the whole history of its stream (decrypted, in order of version).

    `linked` are the marks, and `kept` the events, of other services that its rules look at; `known` is what is known of
    the persons whom the record or the command names, and `alike` who is like one of these.

    Raises `NoPolicy` for a day before the first policy, and `BeyondCalendar`, also if no duty could be told afterwards.
    """
    decider = service.decider
    occurred_at = request.occurred_at
    policy = service.policy.on(local_day(occurred_at)).require_any()
    began_at = history[0].occurred_at if history else None
    context = Context(
        request.stream,
        request.actor,
        occurred_at,
        request.received_at,
        policy,
        service.policy.on,
        partial(service.prints, known=known),
        began_at,
        linked,
        kept,
        known,
        alike,
    )
    state = decider.state_at(history, known=known)
    verdict = decider.evaluate_and_decide(request.command, state, context)
    if isinstance(verdict, (Refused, NeedsRationale)):
        return verdict
    new_events, approved = verdict
    facts = tuple(_new_facts(service, request, context, new_events, approved, history))
    times = {fact.occurred_at for fact in facts}
    contexts = (context if at == occurred_at else replace(context, occurred_at=at) for at in times)
    if not all(not_before_the_stream_began(state, then) for then in contexts):  # one takes the time of another record
        return Refused(
            broken_rules(rule for rule in decider.rules.rules if rule.function is not_before_the_stream_began)
        )
    claims, after = claims_and_state_after(service, facts, history, state)
    overfills = False
    if facts:  # a record whose duties no calendar tells would be lost to every reader
        duties = len(service.read_model.duties(after, service.policy.on))
        overfills = duties > MOST_DUTIES and duties > len(all_duties(service.read_model, history, known))
    return Decision(facts, claims, approved.warnings, overfills)


def claims_and_state_after(
    service: Service[Any], facts: Sequence[Fact], history: Sequence[Fact] = (), state: Any = None
) -> tuple[tuple[Claims, ...], Any]:
    """Fold new facts after a history with its state: the claims that they take and release, in order, and the last state."""
    claims: list[Claims | None] = []
    for n, fact in enumerate(facts, start=1):
        claims.append(service.claims(state, fact))
        if isinstance(fact.event, Correction):
            state = service.decider.fold(history_at([*history, *facts[:n]]))
        else:
            state = service.decider.evolve(state, fact)
    return tuple(filter(None, claims)), state


def _new_facts(
    service: Service[Any],
    request: CommandRequest,
    context: Context,
    new_events: Sequence[Any],
    approved: Approved,
    history: Sequence[Fact],
) -> list[Fact]:
    first = history[0].envelope if history else None
    name = service.stream_name(request.stream)
    facts: list[Fact] = []
    for n, item in enumerate(new_events):
        event, occurred_at = (
            (item.event, item.occurred_at) if isinstance(item, EventAt) else (item, context.occurred_at)
        )
        cls = type(event)
        if first is not None:
            home = first.home
            inherited = {label: value for label, value in first.labels.items() if label in service.inherited_labels}
        else:
            home = (facts[0].envelope.home if facts else service.home(event)) or request.stream
            source = request.actor.labels if request.labels is None else request.labels
            inherited = {label: source[label] for label in sorted(service.inherited_labels) if label in source}
        envelope = Envelope(
            event_id=event_id(request.command_id, n),
            type=service.events.type_name(cls),
            stream=name,
            version=len(history) + n + 1,
            home=home,
            command_id=request.command_id,
            occurred_at=occurred_at,
            actor=request.actor,
            correlation_id=request.correlation_id,
            causation_id=request.causation_id,
            traceparent=request.traceparent,
            policy=context.policy.stamp,
            rules=approved.rules,
            rationale={rule: Sealed(text) for rule, text in sorted(approved.rationale.items())},
            labels=dict(sorted({**inherited, **service.events.labels(cls)}.items())),
            origin=request.origin,
        )
        facts.append(Fact(envelope, event))
    return facts


def as_recorded(fact: Fact, position: int, recorded_at: datetime) -> Fact:
    """Add a position and a recording time to a fact, for tests and simulations."""
    return replace(fact, position=position, recorded_at=recorded_at)
