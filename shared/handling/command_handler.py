"""Command handler, the only writer to an event store: queue, load, fold, decide, seal, append.

The checks run in this order: idempotency key (a repeat gets its first receipt), existence of the stream, boundaries of
the actor (`shared.domain.permissions`), expected version, rules.
The API has already checked token, body and role. Reactions, the process managers, skip these checks.

A dry run has another last step: it records nothing, makes no key and takes no claim.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from shared.domain.decisions import BrokenRule, NeedsRationale, Refused
from shared.domain.envelope import GENESIS, EventRegistry, Fact, encode_event, next_hash
from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.ids import RESERVED, derived_uuid, reserved_id
from shared.domain.messages import Actor, Command, ids_by_name
from shared.domain.permissions import (
    ABOUT_ANOTHER,
    CONFLICT,
    EVERY,
    SYSTEM,
    AccessFacts,
    Denial,
    Permission,
    are_named,
    boundary,
    ids_mentioned,
    ids_named,
    is_foreign,
    marks_within,
    read_denial,
)
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.receipts import Receipt, ReceiptLine
from shared.domain.rules import Linked, no_marks
from shared.domain.sealing import key_ids_in, seal_model, sealed_fields, to_json
from shared.domain.service import Claims, Service
from shared.domain.texts import texts_in
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
    weight,
)
from shared.handling.likeness import Likeness
from shared.handling.stream_queue import QueueFull, StreamQueue
from shared.privacy.keyring import KeyId, Keyring

FULL_BYTES: Final = 8_000_000
"""The weight of a home's events of a service at which it takes no long text any more, with twice as much nothing that a person
sends, and with three times nothing: who reads it needs several times as much memory, and has six seconds in a transaction."""
FULL_RECORDS: Final = 100
"""How many records of a service a home has that takes no further one, from reactions with three times as many: who decides or
sends for one of them reads all."""
SHORT: Final = 2_000
"""Letters of a command that a full record still accepts for a while, so that it can be finished."""
FULL: Final = (
    "this record holds as much as one may, alone or with those beside it: send less text, or begin another apart"
)
MAX_ATTEMPTS: Final = 40
"""The most decisions of one command without an expected version, while other processes append to its stream."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A recorded command; `repeated` if an earlier request with the same idempotency key recorded it."""

    receipt: Receipt
    repeated: bool


@dataclass(frozen=True, slots=True)
class IdempotencyKeyReused:
    """The reuse of an idempotency key with another body or for another stream."""


@dataclass(frozen=True, slots=True)
class StreamNotFound:
    """A stream that does not exist, for a command that does not begin one, or not under this id."""


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """A conflict of versions: the stream is not at the expected version (optimistic concurrency)."""

    expected: int
    actual: int


@dataclass(frozen=True, slots=True)
class Forbidden:
    """An access that a label, the organisation or a declared conflict of interest forbids.

    `hidden`: the stream must answer as one that does not exist.
    """

    why: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class NoChange:
    """An approved command without events: a reaction whose purpose is met, or has passed."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The answer to a dry run that reached the rules: the history that they judged, and the new facts or the refusal.

    The new facts are neither sealed nor recorded.
    """

    history: tuple[Fact, ...]
    outcome: tuple[Fact, ...] | Refused | NeedsRationale
    warnings: tuple[BrokenRule, ...] = ()
    """The warnings that apply to a command that no rule refuses; its rationale answers them."""


Result = (
    Accepted | NoChange | Refused | NeedsRationale | IdempotencyKeyReused | StreamNotFound | VersionConflict | Forbidden
)


R = TypeVar("R")
Judged = Decision | NoChange | Refused | NeedsRationale | Forbidden
"""The result of the rules and of the access checks of the new events."""

LastStep = Callable[[CommandRequest, LoadedStream, Sequence[Fact], Judged, bytes], Awaitable[R | None]]
"""The last step of a command: (request, stream as loaded, its history, judgement, digest) -> answer; None: load again."""


class CommandHandler:
    """The handler of the commands of one service. Clock and randomness come with the request.

    `sign` signs each receipt; without it receipts are for this process alone.
    """

    def __init__(
        self,
        service: Service[Any],
        event_store: EventStore,
        keyring: Keyring,
        digest_key: bytes,
        sign: Callable[[Receipt], Receipt] | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        self.service = service
        self.event_store = event_store
        self.keyring = keyring
        self._likeness = likeness or Likeness(service, event_store, self.open)
        self._digest_key = digest_key
        self._sign = sign
        self._queue = StreamQueue()
        self._is_the_kernels = not service.commanding_roles

    def for_service(self, service: Service[Any]) -> CommandHandler:
        """Return a handler for another declaration on the same event store, such as that of its waits."""
        return CommandHandler(service, self.event_store, self.keyring, self._digest_key, self._sign)

    def on(self, event_store: EventStore, keyring: Keyring) -> CommandHandler:
        """Return a handler of the same service that reads and writes elsewhere, such as in memory for a dry run."""
        return CommandHandler(self.service, event_store, keyring, self._digest_key, self._sign, self._likeness)

    def command_id(self, actor: UUID, key: str) -> UUID:
        """Derive the command id: UUIDv5 of service, actor and idempotency key."""
        return derived_uuid("command", self.service.name, actor, key)

    async def handle(self, request: CommandRequest) -> Result:
        """Execute a command and record its events.

        Raises `EventStoreUnavailable`, `KeyringUnavailable`, `UnusableKey`, `KeyDestroyed`, `NoPolicy` or `BeyondCalendar`.
        """
        return await self._run(request, self._record)

    async def dry_run(self, request: CommandRequest) -> Result | DryRun:
        """Answer what `handle` would do now, and record nothing: no event, no receipt, no key, no claim.

        Returns `Accepted` if the command was recorded before. Raises what `handle` raises.
        """
        return await self._run(request, self._foresee)

    async def _run(self, request: CommandRequest, last_step: LastStep[R]) -> Result | R:
        """Wait for a turn on the stream, then run the command to its last step."""
        digest = self.digest(request)
        name = self.service.stream_name(request.stream)
        try:
            async with self._queue.turn(name):
                return await self._attempt(request, name, digest, last_step)
        except QueueFull as error:
            raise EventStoreUnavailable(f"{error}: send it again with the same key") from error

    async def _attempt(self, request: CommandRequest, name: str, digest: bytes, last_step: LastStep[R]) -> Result | R:
        """Load, decide and take the last step; repeat while other processes append to the stream."""
        for _ in range(MAX_ATTEMPTS):
            loaded = await self.event_store.load(name, request.command_id)
            if loaded.receipt is not None:
                return self._repeated(request, loaded.receipt, digest)
            if self._is_the_kernels and loaded.records and not self.service.is_own(loaded.records[0].type):
                # A person's record has the id, which all can derive.
                request = replace(request, stream=reserved_id(request.stream))
                name = self.service.stream_name(request.stream)
                continue
            failure = await self._check_preconditions(request, loaded)
            if failure is not None:
                return failure
            if await self._is_full(request, loaded.records):
                return Forbidden(FULL)
            history = await self.open(loaded.records)
            judged = await self._judge(request, loaded, history)
            result = await last_step(request, loaded, history, judged, digest)
            if result is not None:
                return result
        raise EventStoreUnavailable(
            f"{name} changed {MAX_ATTEMPTS} times while this command was decided: send it again with the same key"
        )

    async def _judge(self, request: CommandRequest, loaded: LoadedStream, history: Sequence[Fact]) -> Judged:
        """Fold and decide, and check access to the new events."""
        if not are_named(self.service.events, history, request.about):
            return Forbidden(ABOUT_ANOTHER)
        if (denial := await self._may_not_judge(request, history)) is not None:
            return Forbidden(denial.why, denial.hidden)
        kept = await self.kept_for(request.actor, history, request.command)
        labels = dict(history[0].envelope.labels if history else _labels_of_new(request))
        alike = await self._likeness.alike(request.actor, request.command, labels)
        known = await self.known_for(request.stream, history, request.command, labels, also=alike.found | alike.unseen)
        execute_ = partial(execute, self.service, request, history, await self._linked(request, history), kept)
        decision = await self._execute(request, partial(execute_, known=known, alike=alike))
        if not isinstance(decision, Decision):
            return decision
        if not decision.facts:
            return NoChange()
        if decision.overfills:
            return Forbidden(FULL)
        return self._check_new_events(request, decision, loaded) or decision

    async def _record(
        self, request: CommandRequest, loaded: LoadedStream, _history: Sequence[Fact], judged: Judged, digest: bytes
    ) -> Result | None:
        """Seal and append. Returns None if another process appended first: repeat the command."""
        if not isinstance(judged, Decision):
            return judged
        append = await self._seal(request, judged, loaded, digest)
        return self._interpret(request, judged, append, await self.event_store.append(append))

    async def _foresee(
        self, _request: CommandRequest, _loaded: LoadedStream, history: Sequence[Fact], judged: Judged, _digest: bytes
    ) -> NoChange | Forbidden | DryRun:
        """Look up what `_record` would find: the keys of the owners of sealed fields, and the holders of the claims."""
        if isinstance(judged, (NoChange, Forbidden)):
            return judged
        if not isinstance(judged, Decision):
            return DryRun(tuple(history), judged)
        await self.keyring.existing_keys(_key_owners(judged))
        stream = judged.facts[0].envelope.stream
        takes = _keys_to_take(judged.claims)
        holders = await self.event_store.holders(takes) if takes else {}
        for key in takes:
            if holders.get(key, stream) != stream:
                return DryRun(tuple(history), Refused((self._rule_of_claim(judged, key),)))
        return DryRun(tuple(history), judged.facts, judged.warnings)

    async def _may_not_judge(self, request: CommandRequest, history: Sequence[Fact]) -> Denial | None:
        """Check that the actor may read the record, if its permission asks that: rules would tell others what is in it."""
        permission = self.service.permissions.get(request.actor.role)
        if not history or permission is None or permission.acts_on_unread or not permission.where:
            return None  # the boundaries of every access are checked before
        return await self.read_denial(request.actor, permission, AccessFacts.of_history(self.service.events, history))

    async def read_denial(self, actor: Actor, permission: Permission, facts: AccessFacts) -> Denial | None:
        """Check the permission of an actor for a record with these access facts. Returns None if it may be read."""
        linked: Iterable[str] = ()
        facts = await self._with_case(actor, facts)
        if permission.linked or is_foreign(actor, facts, self.service.inherited_labels):
            linked = await self._linked_marks(facts)
        return read_denial(actor, permission, facts, self.service.inherited_labels, linked)

    async def access_of(self, actor: Actor, records: Sequence[RecordedEvent]) -> AccessFacts:
        """Return the facts of a stream by which an actor reaches it, also as one of those who hold the case."""
        facts = AccessFacts.of_records(self.service.events, records, whole=bool(actor.conflicts))
        facts = await self._with_case(actor, facts)
        if not is_foreign(actor, facts, self.service.inherited_labels):
            return facts
        return replace(facts, marks=facts.marks.union(await self._linked_marks(facts)))

    async def _with_case(self, actor: Actor, facts: AccessFacts) -> AccessFacts:
        """Add the ids of an actor's conflicts that other records of the home name: who is torn about one is about all."""
        if not actor.conflicts:
            return facts
        records = [*await self.event_store.naming(facts.home, actor.conflicts)]
        records += (await self.event_store.kept_events({facts.home})).get(facts.home, ())
        books = {book.service: book for book in (*self.service.kept, self.service.events)}
        named: set[UUID] = set()
        for record in records:
            book = books[record.stream.partition("/")[0]]
            if book is not self.service.events or self.service.is_own(record.type):
                fact = book.read_record(record)
                if all(
                    facts.labels.get(name) == fact.envelope.labels.get(name) for name in self.service.inherited_labels
                ):
                    named.update(ids_mentioned(book, [fact]))
        return replace(facts, mentions=facts.mentions | (named & actor.conflicts))

    async def _linked_marks(self, facts: AccessFacts) -> frozenset[str]:
        marks = await self.event_store.linked_marks({facts.home})
        return marks_within(marks.get(facts.home, ()), facts.labels, self.service.inherited_labels)

    async def _linked(self, request: CommandRequest, history: Sequence[Fact]) -> Linked:
        """Look up the marks that the rules look at. Raises `EventStoreUnavailable`."""
        if not self.service.asks_marks_of:
            return no_marks
        homes = {*ids_mentioned(self.service.events, history), *ids_named(self.service.events, request.command)}
        if not history and (home := self.service.home(request.command)) is not None:
            homes.add(home)
        marks = await self.event_store.linked_marks(homes)
        labels = history[0].envelope.labels if history else _labels_of_new(request)
        return lambda home: marks_within(marks.get(home, ()), labels, self.service.inherited_labels)

    async def kept_for(self, actor: Actor, history: Sequence[Fact], opening: Command | None = None) -> Sequence[Fact]:
        """Look up and open the kept events of the home of a stream, or of that which the command names that opens it.

        Events whose labels are not the actor's are left out (`Service.inherited_labels`).

        Raises `EventStoreUnavailable`, `KeyringUnavailable` or `UnusableKey`.
        """
        if not self.service.keeps:
            return ()
        home = history[0].envelope.home if history else None if opening is None else self.service.home(opening)
        homes = set() if home is None else {home}
        records = [record for kept in (await self.event_store.kept_events(homes)).values() for record in kept]
        facts = await self._open_kept(records)
        return [fact for fact in facts if fact.envelope.home == home and self._shares_labels(actor.labels, fact)]

    async def known_for(
        self,
        stream: UUID,
        history: Sequence[Fact],
        command: Command | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        also: Collection[UUID] = (),
        opened: bool = True,
    ) -> Known:
        """Look up what is known of the persons whom a record or a command names, under every id that names them.

        `labels` are those of a stream that is not begun; `also` are further persons. Events whose labels are not the
        record's are left out. If they are not to be `opened`, what is sealed in them stays closed.

        Raises `EventStoreUnavailable`, `KeyringUnavailable` or `UnusableKey`.
        """
        if not self.service.keeps_of_people:
            return NOTHING_KNOWN
        of_record = history[0].envelope.labels if history else labels or {}
        wanted = {stream, *also, *ids_mentioned(self.service.events, history)}
        wanted.update(() if command is None else ids_named(self.service.events, command))
        facts: dict[UUID, Fact] = {}
        seen: set[UUID] = set()
        while missing := wanted - seen:
            kept = await self.event_store.kept_events(missing)
            records = [record for of_person in kept.values() for record in of_person]
            read = await self._open_kept(records) if opened else self.read_kept(records)
            for fact in read:
                if type(fact.event) in self.service.keeps_of_people and self._shares_labels(of_record, fact):
                    facts[fact.event_id] = fact
            seen |= missing
            found = Known(list(facts.values()))
            wanted.update(*(found.ever_same_as(person) for person in seen))
        return Known(sorted(facts.values(), key=lambda fact: (fact.envelope.stream, fact.version)))

    async def _open_kept(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        facts: list[Fact] = []
        for book in self.service.kept:
            of_book = [record for record in records if record.stream.startswith(f"{book.service}/")]
            facts += await self._open(book, of_book)
        return facts

    def read_kept(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        """Read kept events; what is sealed in them stays closed."""
        books = {book.service: book for book in self.service.kept}
        return [books[record.stream.partition("/")[0]].read_record(record) for record in records]

    def _shares_labels(self, own: Mapping[str, str], fact: Fact) -> bool:
        labels = fact.envelope.labels
        return all(own.get(name) in {EVERY, labels.get(name)} for name in self.service.inherited_labels)

    async def _execute(
        self, request: CommandRequest, execute_: Callable[[], Decision | Refused | NeedsRationale]
    ) -> Decision | Refused | NeedsRationale:
        """Evaluate and decide. Commands that print documents run in a thread, so that they do not block the event loop."""
        return await asyncio.to_thread(execute_) if request.command.prints else execute_()

    def _check_new_events(self, request: CommandRequest, decision: Decision, loaded: LoadedStream) -> Forbidden | None:
        """Check rule T2 on the new events: declared conflicts with mentioned ids, and one value of each label for a new stream."""
        if request.actor.conflicts:
            facts = AccessFacts.of_history(self.service.events, decision.facts)
            if facts.mentions & request.actor.conflicts:
                return Forbidden(CONFLICT)
        if loaded.records:
            return None
        first = decision.facts[0].envelope
        for label in sorted(self.service.inherited_labels):
            if first.labels.get(label) == EVERY:
                return Forbidden(
                    f"a token for every {label} cannot open a record: sign in for the {label} that it belongs to"
                )
        return None

    def _interpret(
        self, request: CommandRequest, decision: Decision, append: AppendRequest, result: AppendResult
    ) -> Result | None:
        """Translate the result of the append. Returns None if the command must be repeated."""
        match result:
            case Appended() as appended:
                return Accepted(self._new_receipt(request.command_id, append, appended), repeated=False)
            case KeyTaken(key):
                return Refused((self._rule_of_claim(decision, key),))
            case WrongExpectedVersion(version) if request.command.expected_version is not None:
                return VersionConflict(request.command.expected_version, version)
            case WrongExpectedVersion() | DuplicateCommand():
                return None  # the next load finds the receipt of a duplicate

    async def _check_preconditions(self, request: CommandRequest, loaded: LoadedStream) -> Result | None:
        """Check existence, access and expected version, before any rule. Returns None if all hold."""
        command = request.command
        if loaded.records:
            if not self.service.is_own(loaded.records[0].type):
                return StreamNotFound()
        elif not type(command).opens or (request.stream.version == RESERVED and not self._is_the_kernels):
            return StreamNotFound()
        forbidden = await self._check_access(request, loaded.records)
        if forbidden is not None:
            return forbidden
        version = loaded.records[-1].version if loaded.records else 0
        if command.expected_version is not None and command.expected_version != version:
            return VersionConflict(command.expected_version, version)
        return None

    async def _is_full(self, request: CommandRequest, records: Sequence[RecordedEvent]) -> bool:
        """Tell whether a home has no room for a command. Raises `EventStoreUnavailable`.

        It is not asked for a record that is no larger than its share.
        """
        if records and weight(records) <= 2 * FULL_BYTES // FULL_RECORDS:
            return False
        home = records[0].home if records else self.service.home(request.command)
        if home is None:
            return False
        labels = AccessFacts.of_opening(records[0].body).labels if records else _labels_of_new(request)
        inherited = {name: labels[name] for name in self.service.inherited_labels if name in labels}
        count, size = await self.event_store.size_of_home(home, inherited)
        texts = texts_in(to_json(request.command, lambda sealed: sealed.value))
        short = records and sum(map(len, texts)) <= SHORT
        permission = self.service.permissions.get(request.actor.role)
        # Other agencies fill half of a case at most: the rest is for those whose work it is.
        share = 0.5 if permission is not None and permission.own_organisation else 1
        times = share * (3 if request.actor.role == SYSTEM else 2 if short else 1)
        return size > FULL_BYTES * times or (not records and count >= FULL_RECORDS * times)

    async def _check_access(self, request: CommandRequest, records: Sequence[RecordedEvent]) -> Forbidden | None:
        """Check rule T2: labels, organisation, and declared conflicts of interest with the record and with whom the command names.

        Returns None if they allow access.
        """
        named = ids_by_name((request.command,)) if request.actor.conflicts else {}
        mentions = self.service.events.mentions
        torn = any(not request.actor.conflicts.isdisjoint(named.get(name, ())) for name in mentions)
        actor, labels = request.actor, self.service.inherited_labels
        if not records:
            home = self.service.home(request.command)
            if home is not None:
                case = AccessFacts(_labels_of_new(request), actor.organisation, home, frozenset())
                torn = torn or bool((await self._with_case(actor, case)).mentions)
            return Forbidden(CONFLICT) if torn else None
        facts = await self.access_of(actor, records)
        permission = self.service.permissions.get(actor.role)
        denial = boundary(actor, permission, facts, labels, type(request.command))
        if denial is not None:
            return Forbidden(denial.why, denial.hidden)
        return Forbidden(CONFLICT) if torn else None

    async def open(self, records: Sequence[RecordedEvent]) -> list[Fact]:
        """Parse and decrypt recorded events. Raises `KeyringUnavailable`, `UnusableKey` or `UnknownEvent`."""
        return await self._open(self.service.events, records)

    async def _open(self, book: EventRegistry, records: Sequence[RecordedEvent]) -> list[Fact]:
        key_ids = set[KeyId]().union(*(key_ids_in(record.body) for record in records))
        keys = await self.keyring.open(key_ids) if key_ids else {}
        return [
            book.read(
                record.body, keys=keys, position=record.position, recorded_at=record.recorded_at, hash=record.hash
            )
            for record in records
        ]

    async def _seal(
        self, request: CommandRequest, decision: Decision, loaded: LoadedStream, digest: bytes
    ) -> AppendRequest:
        """Seal, encode and hash the facts. The data key of a new owner is committed before the append."""
        owners = _key_owners(decision)
        keys = await self.keyring.keys_for_sealing(owners) if owners else {}
        previous = loaded.records[-1].hash if loaded.records else GENESIS
        events: list[EventToAppend] = []
        hash_ = previous
        for fact in decision.facts:
            sealed_for = fact.sealing_home
            event = seal_model(fact.event, sealed_for, fact.event_id, keys)
            envelope = seal_model(fact.envelope, sealed_for, fact.event_id, keys)
            body = encode_event(envelope, event)
            self.service.events.read(body)  # what could not be read again would make its stream unreadable for ever
            hash_ = next_hash(hash_, body)
            events.append(EventToAppend(fact.event_id, envelope.type, envelope.home, body, hash_))
        return AppendRequest(
            request.command_id,
            digest,
            decision.facts[0].envelope.stream,
            loaded.records[-1].version if loaded.records else 0,
            previous,
            tuple(events),
            _keys_to_take(decision.claims),
            _keys_to_release(decision.claims),
        )

    def _rule_of_claim(self, decision: Decision, key: str) -> BrokenRule:
        """Find the rule behind a claim whose key another stream has."""
        rule_id = next(claims.rule for claims in decision.claims if key in claims.take)
        rule = next((rule for rule in self.service.decider.rules.rules if rule.id == rule_id), None)
        if rule is not None:
            return rule.broken
        text, source = self.service.claim_rules.get(
            rule_id,
            (
                "another record has this already: use that record, or give another value",
                "uniqueness in the event store",
            ),
        )
        return BrokenRule(rule_id, text, source)

    def _repeated(self, request: CommandRequest, stored: StoredReceipt, digest: bytes) -> Result:
        """Return the first receipt again, if the request is the same."""
        if stored.digest and not hmac.compare_digest(stored.digest, digest):
            return IdempotencyKeyReused()
        return Accepted(self.receipt_of(request.command_id, stored), repeated=True)

    def receipt_of(self, command_id: UUID, stored: StoredReceipt) -> Receipt:
        events = tuple(_receipt_line(record, record.version, record.position) for record in stored.records)
        return self._receipt(command_id, stored.stream, stored.records[-1].recorded_at, events)

    def _new_receipt(self, command_id: UUID, append: AppendRequest, appended: Appended) -> Receipt:
        """Build the receipt of a new append. Positions are dense, so the last one gives the others."""
        before = appended.position - len(append.events)
        events = tuple(
            _receipt_line(event, append.version + n, before + n) for n, event in enumerate(append.events, start=1)
        )
        return self._receipt(command_id, append.stream, appended.recorded_at, events)

    def _receipt(
        self, command_id: UUID, stream: str, recorded_at: datetime, events: tuple[ReceiptLine, ...]
    ) -> Receipt:
        last = events[-1]
        receipt = Receipt(
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
        return receipt if self._sign is None else self._sign(receipt)

    def digest(self, request: CommandRequest) -> bytes:
        """Compute HMAC-SHA256 (RFC 2104) over stream and command. The key keeps a stored digest from revealing the command."""
        body = to_json(request.command, lambda sealed: sealed.value)
        body.pop("expected_version", None)
        text = json.dumps([str(request.stream), body], sort_keys=True, separators=(",", ":"))
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).digest()


def _receipt_line(event: EventToAppend | RecordedEvent, version: int, position: int) -> ReceiptLine:
    return ReceiptLine(
        event_id=event.event_id, type=event.type, version=version, position=position, hash=event.hash.hex()
    )


def _key_owners(decision: Decision) -> list[str]:
    """List the owners of the keys that seal the personal fields of new facts."""
    owners = {
        subject
        for fact in decision.facts
        for model in (fact.event, fact.envelope)
        for _, subject, sealed in sealed_fields(model, fact.sealing_home)
        if not sealed.is_forgotten
    }
    return sorted(owners)


def _keys_to_take(claims_in_order: Sequence[Claims]) -> tuple[str, ...]:
    return tuple(key for claims in claims_in_order for key in claims.take)


def _keys_to_release(claims_in_order: Sequence[Claims]) -> tuple[str, ...]:
    """List the keys to release after all events. A key that a later event takes again is not released."""
    released: dict[str, None] = {}
    for claims in claims_in_order:
        for key in claims.take:
            released.pop(key, None)
        released.update(dict.fromkeys(claims.release))
    return tuple(released)


def _labels_of_new(request: CommandRequest) -> Mapping[str, str]:
    return request.actor.labels if request.labels is None else request.labels
