"""The one path of a command: wait for the stream's turn, load, fold, decide, seal, append. Nothing else writes to an event store.

Order of the answers: a repeated key (the first answer again), an unknown stream, or one beyond a boundary of the actor
(`shared.domain.permissions`), an expected version, the rules.
Token, shape and role have been judged before (api.py); a reaction has none of the three to fear.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.messages import (
    GENESIS,
    BrokenRule,
    Fact,
    NeedsRationale,
    Receipt,
    ReceiptLine,
    Refused,
    derived_uuid,
    encode_event,
    next_hash,
)
from shared.domain.permissions import (
    CONFLICT,
    EVERY,
    AccessFacts,
    boundary,
)
from shared.event_store import (
    Appended,
    AppendRequest,
    AppendResult,
    DuplicateCommand,
    EventStore,
    EventStoreUnavailable,
    EventToAppend,
    KeyTaken,
    LoadedStream,
    RecordedEvent,
    StoredReceipt,
    WrongExpectedVersion,
)
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import seal_model, sealed_fields, to_json
from shared.runtime.service import Claims, Service
from shared.state_cache import StateCache
from shared.stream_queue import QueueFull, StreamQueue

MAX_ATTEMPTS: Final = 40
"""How often a command without an expected version is decided again when its stream has moved meanwhile."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Recorded, now or by an earlier use of the same key."""

    answer: Receipt
    repeated: bool


@dataclass(frozen=True, slots=True)
class IdempotencyKeyReused:
    """The idempotency key was used before with another body or for another stream."""


@dataclass(frozen=True, slots=True)
class StreamNotFound:
    """The command does not begin a stream, and there is none of this id."""


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """The stream has moved on from the expected version."""

    expected: int
    actual: int


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The actor's label (such as the area) is not the stream's, or a conflict of interest is declared.

    `hidden`: the stream must answer as one that does not exist.
    """

    why: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class NoChange:
    """No rule refuses, and there is nothing to be done: a reaction whose purpose has been met or has passed."""


Result = (
    Accepted | NoChange | Refused | NeedsRationale | IdempotencyKeyReused | StreamNotFound | VersionConflict | Forbidden
)


class CommandHandler:
    """Handles a service's commands on an event store and a keyring; clock and randomness come with the command."""

    def __init__(self, service: Service[Any], event_store: EventStore, keyring: Keyring, digest_key: bytes) -> None:
        self.service = service
        self.event_store = event_store
        self.keyring = keyring
        self._recent = StateCache(service.events, service.decider, keyring)
        self._digest_key = digest_key
        self._queue = StreamQueue()

    def command_id(self, actor: UUID, key: str) -> UUID:
        """UUIDv5 of service, actor and idempotency key."""
        return derived_uuid("command", self.service.name, actor, key)

    async def handle(self, asked: CommandRequest) -> Result:
        """Take a command all the way; raises `EventStoreUnavailable`, `KeyringUnavailable` or `OwnerForgotten`."""
        digest = self.digest(asked)
        name = self.service.stream_name(asked.stream)
        try:
            async with self._queue.turn(name):
                return await self._attempt(asked, name, digest)
        except QueueFull as error:
            raise EventStoreUnavailable(f"{error}; ask again with the same key") from error

    async def _attempt(self, asked: CommandRequest, name: str, digest: bytes) -> Result:
        """Load, decide and append; again where another process moved the stream meanwhile."""
        for _ in range(MAX_ATTEMPTS):
            loaded = await self.event_store.load(name, asked.command_id)
            if loaded.kept is not None:
                return self._kept(asked, loaded.kept, digest)
            early = self._early(asked, loaded)
            if early is not None:
                return early
            result = await self._decided(asked, loaded, digest)
            if result is not None:
                return result
        raise EventStoreUnavailable(
            f"{name} moved {MAX_ATTEMPTS} times while this command was decided; ask again with the same key"
        )

    async def _decided(self, asked: CommandRequest, loaded: LoadedStream, digest: bytes) -> Result | None:
        """Fold, decide, seal and append; None where the event store has moved meanwhile and all is to be looked at again."""
        outcome = await self._judged(asked, await self.open(loaded.records))
        if not isinstance(outcome, Decision):
            return outcome
        if not outcome.facts:
            return NoChange()
        if (barred := self._may_not_record(asked, outcome, loaded)) is not None:
            return barred
        append = await self._seal(asked, outcome, loaded, digest)
        return self._settled(asked, outcome, append, await self.event_store.append(append))

    async def _judged(self, asked: CommandRequest, history: Sequence[Fact]) -> Decision | Refused | NeedsRationale:
        """Judge and decide; where documents are printed for it, in a thread, so that nobody else waits."""
        if not asked.command.prints:
            return execute(self.service, asked, history, self._recent.fold)
        state = self._recent.fold(history)
        return await asyncio.to_thread(execute, self.service, asked, history, lambda _history: state)

    def _may_not_record(self, asked: CommandRequest, outcome: Decision, loaded: LoadedStream) -> Forbidden | None:
        """Rule T2 for what is known only now: whom the new events mention, and that a stream belongs to one area."""
        if asked.actor.conflicts:
            facts = AccessFacts.of_history(self.service.events, outcome.facts)
            if facts.mentions & asked.actor.conflicts:
                return Forbidden(CONFLICT)
        if loaded.records:
            return None
        first = outcome.facts[0].envelope
        for label in sorted(self.service.inherited_labels):
            if first.labels.get(label) == EVERY:
                return Forbidden(f"who acts in every {label} begins nothing: sign in for the {label} it belongs to")
        return None

    def _settled(
        self, asked: CommandRequest, outcome: Decision, append: AppendRequest, result: AppendResult
    ) -> Result | None:
        """What the event store's answer means; None where all is to be looked at again."""
        match result:
            case Appended() as appended:
                return Accepted(self._answer(asked.command_id, append, appended), repeated=False)
            case KeyTaken(key):
                return Refused((self._lost(outcome, key),))
            case WrongExpectedVersion(version) if asked.command.expected_version is not None:
                return VersionConflict(asked.command.expected_version, version)
            case WrongExpectedVersion() | DuplicateCommand():
                return None  # for a repeated one, the next load finds the answer of the use that came first

    def _early(self, asked: CommandRequest, loaded: LoadedStream) -> Result | None:
        """What is answered before any rule is asked."""
        command = asked.command
        if not loaded.records and not type(command).opens:
            return StreamNotFound()
        bounds = self._bounds(asked, loaded.records)
        if bounds is not None:
            return bounds
        version = loaded.records[-1].version if loaded.records else 0
        if command.expected_version is not None and command.expected_version != version:
            return VersionConflict(command.expected_version, version)
        return None

    def _bounds(self, asked: CommandRequest, records: Sequence[RecordedEvent]) -> Forbidden | None:
        """Rule T2: within the actor's own area, or own organisation, and without a declared conflict of interest."""
        if not records:
            return None
        book = self.service.events
        facts = (
            AccessFacts.of_history(book, [book.read(record.body) for record in records])
            if asked.actor.conflicts
            else AccessFacts.of_opening(records[0].body)
        )
        denial = boundary(
            asked.actor, self.service.permissions.get(asked.actor.role), facts, self.service.inherited_labels
        )
        return None if denial is None else Forbidden(denial.why, denial.hidden)

    async def open(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        """The facts of some records, their sealed fields opened."""
        return await self._recent.open(records)

    async def _seal(
        self, asked: CommandRequest, outcome: Decision, loaded: LoadedStream, digest: bytes
    ) -> AppendRequest:
        """Seal the facts, write their bytes and chain them. A new owner's key is committed before the append."""
        subjects = {
            subject
            for fact in outcome.facts
            for model in (fact.event, fact.envelope)
            for _, subject, sealed in sealed_fields(model, fact.envelope.home)
            if not sealed.is_forgotten
        }
        keys = await self.keyring.keys_for_sealing(sorted(subjects)) if subjects else {}
        previous = loaded.records[-1].hash if loaded.records else GENESIS
        events: list[EventToAppend] = []
        hash_ = previous
        for fact in outcome.facts:
            home = fact.envelope.home
            event = seal_model(fact.event, home, fact.event_id, keys)
            envelope = seal_model(fact.envelope, home, fact.event_id, keys)
            body = encode_event(envelope, event)
            hash_ = next_hash(hash_, body)
            events.append(EventToAppend(fact.event_id, envelope.type, home, body, hash_))
        return AppendRequest(
            asked.command_id,
            digest,
            outcome.facts[0].envelope.stream,
            loaded.records[-1].version if loaded.records else 0,
            previous,
            tuple(events),
            tuple(key for claims in outcome.claims for key in claims.take),
            _given_back(outcome.claims),
        )

    def _lost(self, outcome: Decision, key: str) -> BrokenRule:
        """The rule that a lost claim breaks."""
        rule_id = next(claims.rule for claims in outcome.claims if key in claims.take)
        known = next((rule for rule in self.service.decider.rules.rules if rule.id == rule_id), None)
        if known is not None:
            return known.broken
        text, source = self.service.claim_rules.get(rule_id, ("this is taken already", "the event store's claims"))
        return BrokenRule(rule_id, text, source)

    def _kept(self, asked: CommandRequest, kept: StoredReceipt, digest: bytes) -> Result:
        """The first answer again, if it was given to the same request."""
        if not hmac.compare_digest(kept.digest, digest):
            return IdempotencyKeyReused()
        events = tuple(_recorded(record, record.version, record.position) for record in kept.records)
        receipt = self._receipt(asked.command_id, kept.stream, kept.records[-1].recorded_at, events)
        return Accepted(receipt, repeated=True)

    def _answer(self, command_id: UUID, append: AppendRequest, appended: Appended) -> Receipt:
        """The receipt of what has just been recorded; positions are dense, so the last one gives the others."""
        before = appended.position - len(append.events)
        events = tuple(
            _recorded(event, append.version + n, before + n) for n, event in enumerate(append.events, start=1)
        )
        return self._receipt(command_id, append.stream, appended.recorded_at, events)

    def _receipt(
        self, command_id: UUID, stream: str, recorded_at: datetime, events: tuple[ReceiptLine, ...]
    ) -> Receipt:
        last = events[-1]
        return Receipt(
            command_id=command_id,
            service=self.service.name,
            stream=stream,
            version=last.version,
            position=last.position,
            position_token=f"{self.service.name}:{last.position}",
            recorded_at=recorded_at,
            hash=last.hash,
            events=events,
        )

    def digest(self, asked: CommandRequest) -> bytes:
        """HMAC-SHA256 (RFC 2104) over the target and the command as asked, so that a kept digest reveals nothing."""
        body = to_json(asked.command, lambda sealed: sealed.value)
        body.pop("expected_version", None)
        text = json.dumps([str(asked.stream), body], sort_keys=True, separators=(",", ":"))
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).digest()


def _recorded(event: EventToAppend | RecordedEvent, version: int, position: int) -> ReceiptLine:
    """A receipt's line for an event."""
    return ReceiptLine(
        event_id=event.event_id, type=event.type, version=version, position=position, hash=event.hash.hex()
    )


def _given_back(made: Sequence[Claims]) -> tuple[str, ...]:
    """The keys that are released in the end: one that a later event takes again stays taken."""
    released: dict[str, None] = {}
    for claims in made:
        released.update(dict.fromkeys(claims.release))
        for key in claims.take:
            released.pop(key, None)
    return tuple(released)
