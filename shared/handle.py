"""The one path of a command: load, fold, decide, seal, append. Nothing else writes to a ledger.

Order of the answers: a repeated key (the first answer again), an unknown stream, an expected version, the rules.
Token, shape and role have been judged before (api.py); a reaction has none of the three to fear.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.deciding import Asked, Outcome, decide
from shared.keyring import Keyring
from shared.ledger import (
    Append,
    Appended,
    AppendResult,
    Claimed,
    Kept,
    Ledger,
    LedgerUnavailable,
    Loaded,
    Moved,
    NewEvent,
    Record,
    Repeated,
)
from shared.messages import (
    GENESIS,
    Answer,
    BrokenRule,
    Fact,
    NeedsRationale,
    RecordedEvent,
    Refused,
    chain,
    derive,
    write,
)
from shared.recent import Recent
from shared.sealing import plain, seal_model, sealed_fields
from shared.service import Claims, Service

ATTEMPTS: Final = 40
"""How often a command without an expected version is decided again when its stream has moved meanwhile."""

EVERY: Final = "*"
"""The value of a label that stands for all of them, in a token."""

CONFLICT: Final = "a conflict of interest is declared for this case"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Recorded, now or by an earlier use of the same key."""

    answer: Answer
    repeated: bool


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The idempotency key was used before with another body or for another stream."""


@dataclass(frozen=True, slots=True)
class UnknownStream:
    """The command does not begin a stream, and there is none of this id."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The stream has moved on from the expected version."""

    expected: int
    actual: int


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """The actor's label (such as the area) is not the stream's, or a conflict of interest is declared."""

    why: str


@dataclass(frozen=True, slots=True)
class NoEffect:
    """No rule refuses, and there is nothing to be done: a reaction whose purpose has been met or has passed."""


Result = Accepted | NoEffect | Refused | NeedsRationale | KeyReused | UnknownStream | Conflict | OutOfBounds


class Handler:
    """Handles a service's commands on a ledger and a keyring; clock and randomness come with the command."""

    def __init__(self, service: Service[Any], ledger: Ledger, keyring: Keyring, digest_key: bytes) -> None:
        self.service = service
        self.ledger = ledger
        self.keyring = keyring
        self._recent = Recent(service.events, service.decider, keyring)
        self._digest_key = digest_key

    def command_id(self, actor: UUID, key: str) -> UUID:
        """UUIDv5 of service, actor and idempotency key."""
        return derive("command", self.service.name, actor, key)

    async def handle(self, asked: Asked) -> Result:
        """Take a command all the way; raises `LedgerUnavailable`, `KeyringUnavailable` or `OwnerForgotten`."""
        digest = self.digest(asked)
        name = self.service.stream_name(asked.stream)
        for _ in range(ATTEMPTS):
            loaded = await self.ledger.load(name, asked.command_id)
            if loaded.kept is not None:
                return self._kept(asked, loaded.kept, digest)
            early = self._early(asked, loaded)
            if early is not None:
                return early
            result = await self._decided(asked, loaded, digest)
            if result is not None:
                return result
        raise LedgerUnavailable(
            f"{name} moved {ATTEMPTS} times while this command was decided; ask again with the same key"
        )

    async def _decided(self, asked: Asked, loaded: Loaded, digest: bytes) -> Result | None:
        """Fold, decide, seal and append; None where the ledger has moved meanwhile and all is to be looked at again."""
        outcome = decide(self.service, asked, await self.open(loaded.records), self._recent.fold)
        if not isinstance(outcome, Outcome):
            return outcome
        if not outcome.facts:
            return NoEffect()
        if not loaded.records and (barred := self._may_not_begin(asked, outcome)) is not None:
            return barred
        append = await self._seal(asked, outcome, loaded, digest)
        return self._settled(asked, outcome, append, await self.ledger.append(append))

    def _may_not_begin(self, asked: Asked, outcome: Outcome) -> OutOfBounds | None:
        """Rule T2 where a stream begins: its home is known only now, and it belongs to one area, never to all."""
        first = outcome.facts[0].envelope
        if first.home in asked.actor.conflicts:
            return OutOfBounds(CONFLICT)
        for label in sorted(self.service.inherits):
            if first.labels.get(label) == EVERY:
                return OutOfBounds(f"who acts in every {label} begins nothing: sign in for the {label} it belongs to")
        return None

    def _settled(self, asked: Asked, outcome: Outcome, append: Append, result: AppendResult) -> Result | None:
        """What the ledger's answer means; None where all is to be looked at again."""
        match result:
            case Appended() as appended:
                return Accepted(self._answer(asked.command_id, append, appended), repeated=False)
            case Claimed(key):
                return Refused((self._lost(outcome, key),))
            case Moved(version) if asked.command.expected_version is not None:
                return Conflict(asked.command.expected_version, version)
            case Moved() | Repeated():
                return None  # for a repeated one, the next load finds the answer of the use that came first

    def _early(self, asked: Asked, loaded: Loaded) -> Result | None:
        """What is answered before any rule is asked."""
        command = asked.command
        if not loaded.records and not type(command).opens:
            return UnknownStream()
        bounds = self._bounds(asked, loaded.records)
        if bounds is not None:
            return bounds
        version = loaded.records[-1].version if loaded.records else 0
        if command.expected_version is not None and command.expected_version != version:
            return Conflict(command.expected_version, version)
        return None

    def _bounds(self, asked: Asked, records: Sequence[Record]) -> OutOfBounds | None:
        """Rule T2: within the actor's own area, and without a declared conflict of interest."""
        if not records:
            return None
        return bounds(asked.actor.labels, asked.actor.conflicts, records[0], self.service.inherits)

    async def open(self, records: Sequence[Record]) -> list[Fact]:
        """The facts of some records, their sealed fields opened."""
        return await self._recent.open(records)

    async def _seal(self, asked: Asked, outcome: Outcome, loaded: Loaded, digest: bytes) -> Append:
        """Seal the facts, write their bytes and chain them. A new owner's key is committed before the append."""
        subjects = {
            subject
            for fact in outcome.facts
            for model in (fact.event, fact.envelope)
            for _, subject, sealed in sealed_fields(model, fact.envelope.home)
            if not sealed.is_forgotten
        }
        keys = await self.keyring.for_sealing(sorted(subjects)) if subjects else {}
        previous = loaded.records[-1].hash if loaded.records else GENESIS
        events: list[NewEvent] = []
        hash_ = previous
        for fact in outcome.facts:
            home = fact.envelope.home
            event = seal_model(fact.event, home, fact.event_id, keys)
            envelope = seal_model(fact.envelope, home, fact.event_id, keys)
            body = write(envelope, event)
            hash_ = chain(hash_, body)
            events.append(NewEvent(fact.event_id, envelope.type, home, body, hash_))
        return Append(
            asked.command_id,
            digest,
            outcome.facts[0].envelope.stream,
            loaded.records[-1].version if loaded.records else 0,
            previous,
            tuple(events),
            tuple(key for claims in outcome.claims for key in claims.take),
            _given_back(outcome.claims),
        )

    def _lost(self, outcome: Outcome, key: str) -> BrokenRule:
        """The rule that a lost claim breaks."""
        rule_id = next(claims.rule for claims in outcome.claims if key in claims.take)
        known = next((rule for rule in self.service.decider.rules.rules if rule.id == rule_id), None)
        if known is not None:
            return known.broken
        text, source = self.service.claim_rules.get(rule_id, ("this is taken already", "the ledger's claims"))
        return BrokenRule(rule_id, text, source)

    def _kept(self, asked: Asked, kept: Kept, digest: bytes) -> Result:
        """The first answer again, if it was given to the same request."""
        if not hmac.compare_digest(kept.digest, digest):
            return KeyReused()
        events = tuple(_recorded(record, record.version, record.position) for record in kept.records)
        receipt = self._receipt(asked.command_id, kept.stream, kept.records[-1].recorded_at, events)
        return Accepted(receipt, repeated=True)

    def _answer(self, command_id: UUID, append: Append, appended: Appended) -> Answer:
        """The receipt of what has just been recorded; positions are dense, so the last one gives the others."""
        before = appended.position - len(append.events)
        events = tuple(
            _recorded(event, append.version + n, before + n) for n, event in enumerate(append.events, start=1)
        )
        return self._receipt(command_id, append.stream, appended.recorded_at, events)

    def _receipt(
        self, command_id: UUID, stream: str, recorded_at: datetime, events: tuple[RecordedEvent, ...]
    ) -> Answer:
        last = events[-1]
        return Answer(
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

    def digest(self, asked: Asked) -> bytes:
        """HMAC-SHA256 (RFC 2104) over the target and the command as asked, so that a kept digest reveals nothing."""
        body = plain(asked.command, lambda sealed: sealed.value)
        body.pop("expected_version", None)
        text = json.dumps([str(asked.stream), body], sort_keys=True, separators=(",", ":"))
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).digest()


def bounds(labels: Any, conflicts: Any, first: Record, inherits: frozenset[str]) -> OutOfBounds | None:
    """Whether an actor with these labels and conflicts may touch a stream that begins with this record."""
    if first.home in conflicts or UUID(first.stream.rpartition("/")[2]) in conflicts:
        return OutOfBounds(CONFLICT)
    marked = json.loads(first.body)["labels"]
    for label in inherits:
        if label in marked and labels.get(label) not in (EVERY, marked[label]):
            return OutOfBounds(f"this belongs to another {label}")
    return None


def _recorded(event: NewEvent | Record, version: int, position: int) -> RecordedEvent:
    """A receipt's line for an event."""
    return RecordedEvent(
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
