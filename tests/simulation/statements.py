"""What each of the product's statements means, on the tables of `postgres`.

The key is the product's own text, so a statement that is changed there is unknown here until somebody has thought of it.
Those of the event store pass the suite of every event store (tests/integration/event_store). The guards are functions of their own, as in the migrations, so
that a planted fault can leave one out.
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg

from shared.domain.envelope import GENESIS, next_hash
from shared.event_store import EVENT_WEIGHT
from shared.event_store import postgres as store
from shared.event_store.log_hash import EMPTY_LOG, kept_answer, log_entry, next_log_hash
from shared.evidence import home_evidence, signer, statement, witnessed
from shared.evidence import log as evidence_log
from shared.evidence.merkle import SIZE, WIDTH, hash_leaf
from shared.messaging import linking, parking, projection_consumer, reactions, relay
from shared.messaging.consumer import batch, effects, quarantine
from shared.privacy import keyring
from tests.simulation.loop import START
from tests.simulation.postgres import Answer, Table, Transaction, refusal, rows

A = TypeVar("A", bound=Answer)

ANSWERS: Final[dict[str, Answer]] = {}
"""What answers each statement."""

RECORD: Final = "position recorded_at stream version event_id type home hash body log_hash"


def answers(*statements: str) -> Callable[[A], A]:
    """Let a function answer statements."""

    def register(answer: A) -> A:
        for sql in statements:
            # By name, so that a planted fault can replace the function.
            ANSWERS[sql] = lambda *args, name=answer.__name__: globals()[name](*args)
            ANSWERS[sql].__name__ = answer.__name__
        return answer

    return register


def empty_tables(service: str, timeline: str) -> dict[str, Table]:
    """Return the rows of a new database of a service."""
    return {
        "event_store": {None: service},
        "head": {None: (0, START - timedelta(days=1), EMPTY_LOG)},
        "compared_timeline": {None: timeline},
    }


# --- the guards of the event store ----------------------------------------------------------------


def timeline_of(tx: Transaction) -> str:
    """Return what `timeline()` does."""
    return f"{tx.node.cluster.name}/{tx.node.timeline:08X}"


def require_compared_timeline(tx: Transaction) -> None:
    """See the migration of that name."""
    compared, timeline = tx.get("compared_timeline"), timeline_of(tx)
    if compared != timeline:
        raise refusal("OOC02", f"the event store is on the timeline {timeline}, and its relay has compared {compared}")


def require_high_water_mark(tx: Transaction, position: int) -> None:
    """See the migration of that name."""
    relayed = tx.get("relayed")
    if relayed is not None:
        event = tx.get("event", relayed[0])
        if relayed[0] > position or (relayed[2] is not None and (event is None or event[7] != relayed[2])):
            raise refusal("OOC01", f"its topic has come to position {relayed[0]}, which the event store does not hold")
    for (_, name, _), detail in sorted(tx.all("alarm").items()):
        if name in {"topic_ahead_of_event_store", "log_behind_witness"}:
            raise refusal("OOC03" if name == "log_behind_witness" else "OOC01", detail)
    require_compared_timeline(tx)


def emit_where_synchronous(tx: Transaction) -> None:
    """Have the commit wait for each synchronous standby, though nothing was written."""
    if tx.node.cluster.synchronous:
        tx.synchronous = tx.emits = True


def clocks_apart(tx: Transaction, recorded: Any, now: Any) -> str | None:
    """Say by how much the next event's time is from its caller's clock, if that is a minute or more."""
    if now is None:
        return None
    apart = max(tx.node.process.now(), recorded + timedelta(microseconds=1)) - now
    return str(apart) if abs(apart) > timedelta(minutes=1) else None


@answers("select confirm()")
def confirm(tx: Transaction) -> Sequence[Any]:
    require_compared_timeline(tx)
    emit_where_synchronous(tx)
    return [(None,)]


@answers(store._APPEND)
def append(tx: Transaction, *columns: Any) -> Sequence[Any]:
    commands, digests, streams, versions, previous, takes, releases, counts, *events, now = columns
    tx.lock("head")
    position, recorded, _ = tx.get("head")
    require_high_water_mark(tx, position)
    service = tx.get("event_store")
    if (apart := clocks_apart(tx, recorded, now)) is not None:
        tx.put("alarm", (tx.session.role, "clocks_apart", service), apart)
        return rows(_APPENDED, [(n, "apart", apart, None, None) for n in range(1, len(commands) + 1)])
    tx.delete("alarm", (tx.session.role, "clocks_apart", service))
    found: list[tuple[Any, ...]] = []
    given = iter(zip(*events, strict=True))
    for i, command in enumerate(commands):
        mine = [next(given) for _ in range(counts[i])]
        taking, releasing = json.loads(takes[i]), json.loads(releases[i])
        outcome, detail = _outcome(tx, command, streams[i], (versions[i], previous[i]), taking)
        if outcome != "appended":
            found.append((i + 1, outcome, detail, None, None))
            continue
        for key in taking:
            tx.put("claim", key, streams[i])
            keep_marks(tx, [key.partition(":")[0]], [key])  # no claim that marks a home is given back
        for key in releasing:
            if tx.get("claim", key) == streams[i]:
                tx.delete("claim", key)
        found.append((i + 1, "appended", None, *_record(tx, command, digests[i], streams[i], mine)))
    return rows(_APPENDED, found)


def _last(tx: Transaction, stream: str) -> tuple[int, bytes]:
    """Return the version of a stream, and its last hash."""
    own = tx.get("stream", stream)
    return tx.get("event", own[-1])[3:8:4] if own else (0, GENESIS)


def _outcome(
    tx: Transaction, command: Any, stream: str, expected: tuple[int, bytes], taking: Sequence[str]
) -> tuple[str, str | None]:
    """Decide whether an append of a group is recorded."""
    if tx.get("answer", command) is not None:
        return "repeated", None
    if _last(tx, stream) != expected:
        return "conflict", str(_last(tx, stream)[0])
    taken = [key for key in taking if (tx.get("claim", key) or stream) != stream]
    return ("claimed", taken[0]) if taken else ("appended", None)


def _record(tx: Transaction, command: Any, digest: bytes, stream: str, events: Sequence[Any]) -> tuple[int, Any]:
    """Record the events of a command; returns position and time of the last."""
    position, recorded, log_hash = tx.get("head")
    version, hash_ = _last(tx, stream)
    for n, (event_id, type_, home, body, given_hash) in enumerate(events, start=1):
        hash_ = next_hash(hash_, body)
        if hash_ != given_hash:
            raise refusal("22000", "the hash does not follow from the one before")
        position += 1
        recorded = max(tx.node.process.now(), recorded + timedelta(microseconds=1))
        kept = kept_answer(command, digest) if n == len(events) else b""
        log_hash = next_log_hash(log_hash, log_entry(position, recorded, hash_), kept)
        record = (position, recorded, stream, version + n, event_id, type_, home, hash_, body, log_hash)
        tx.put("event", position, record)
        tx.put("stream", stream, (*(tx.get("stream", stream) or ()), position))
        tx.put("home", home, (*(tx.get("home", home) or ()), position))
    tx.put("answer", command, (digest, stream, version + 1, len(events)))
    tx.put("head", None, (position, recorded, log_hash))
    return position, recorded


_APPENDED: Final = "n outcome detail last_position last_recorded_at"


def _events(tx: Transaction, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Return the rows of events after a position, in order."""
    found: list[tuple[Any, ...]] = []
    position = after + 1
    last = tx.get("head")[0]
    while len(found) < limit and position <= last:
        if (event := tx.get("event", position)) is not None:
            found.append(event)
        position += 1
    return found


@answers(store._LOAD)
def load(tx: Transaction, stream: str, command: Any) -> Sequence[Any]:
    answer = tx.get("answer", command) or (None, None, None, None)
    records = [tx.get("event", position)[:9] for position in tx.get("stream", stream) or ()] or [(None,) * 9]
    return rows(
        f"{RECORD.removesuffix(' log_hash')} digest answered first_version events", [(*r, *answer) for r in records]
    )


@answers(store._RANGE)
def load_range(tx: Transaction, stream: str, first: int, count: int) -> Sequence[Any]:
    return [tx.get("event", p)[:9] for p in (tx.get("stream", stream) or ())[first - 1 : first - 1 + count]]


@answers(store._READ)
def read(tx: Transaction, after: int, limit: int) -> Sequence[Any]:
    return [event[:9] for event in _events(tx, after, limit)]


@answers("select position, recorded_at, log_hash from head")
def head(tx: Transaction) -> Sequence[Any]:
    return rows("position recorded_at log_hash", [tx.get("head")])


@answers(store._HOLDERS)
def holders(tx: Transaction, keys: Sequence[str]) -> Sequence[Any]:
    return rows("key stream", [(key, tx.get("claim", key)) for key in keys if tx.get("claim", key)])


@answers(store._SIZE)
def size_of_home(tx: Transaction, home: Any, labels: str) -> Sequence[Any]:
    there = [tx.get("event", position) for position in tx.get("home", home) or ()]
    opened = {
        one[2] for one in there if one[3] == 1 and json.loads(labels).items() <= json.loads(one[8])["labels"].items()
    }
    there = [one for one in there if one[2] in opened]
    heavy = sum(len(one[8]) + EVENT_WEIGHT for one in there)
    return rows("streams weight", [(sum(one[3] == 1 for one in there), heavy)])


@answers(store._NAMING)
def naming(tx: Transaction, home: Any, ids: Sequence[str]) -> Sequence[Any]:
    there = [tx.get("event", position)[:9] for position in tx.get("home", home) or ()]
    return rows(RECORD.removesuffix(" log_hash"), [one for one in there if any(id_.encode() in one[8] for id_ in ids)])


@answers(linking._MARK)
def keep_marks(tx: Transaction, homes: Sequence[Any], marks: Sequence[str]) -> None:
    for home, mark in zip(homes, marks, strict=True):
        tx.put("linked_mark", home, frozenset({mark}).union(tx.get("linked_mark", home) or ()))


@answers(store._MARKS)
def linked_marks(tx: Transaction, homes: Sequence[Any]) -> Sequence[Any]:
    marks = {home: {*(tx.get("linked_mark", home) or ()), *(tx.get("linked_mark", str(home)) or ())} for home in homes}
    return rows("home marks", [(home, sorted(of_home)) for home, of_home in marks.items() if of_home])


@answers(linking._KEEP)
def keep_event(tx: Transaction, home: Any, service: str, position: int, *recorded: Any) -> None:
    # recorded: recorded_at stream version event_id type hash body
    kept = {(service, position): (position, *recorded[:5], home, *recorded[5:])} | (tx.get("kept_event", home) or {})
    tx.put("kept_event", home, dict(sorted(kept.items())))


@answers(relay._DISTURBED)
def disturbed(tx: Transaction, position: int, hash_: bytes | None) -> Sequence[Any]:
    relayed = tx.get("relayed")
    ahead = any(name == "topic_ahead_of_event_store" for _, name, _ in tx.all("alarm"))
    apart = tx.get("compared_timeline") != timeline_of(tx) or (
        relayed is not None and (relayed[0], relayed[2]) != (position, hash_)
    )
    return rows("exists", [(ahead or apart,)])


@answers("select place from alarm where name = $1")
def places_of_alarm(tx: Transaction, name: str) -> Sequence[Any]:
    return rows("place", [(place,) for _, other, place in sorted(tx.all("alarm")) if other == name])


@answers(store._KEPT)
def kept_events(tx: Transaction, homes: Sequence[Any]) -> Sequence[Any]:
    return [event for home in homes for event in (tx.get("kept_event", home) or {}).values()]


@answers(f"notify {store.MOVED}")
def notify(tx: Transaction) -> Sequence[Any]:
    tx.session.connection._servers.notify(tx.node, store.MOVED)
    return ()


# --- leases, alarms -------------------------------------------------------------------------------


@answers("select take_lease($1, $2)")
def take_lease(tx: Transaction, holder: Any, seconds: float) -> Sequence[Any]:
    now = tx.node.process.now()
    lease, until = tx.get("lease", tx.session.role), now + timedelta(seconds=seconds)
    if lease is not None and lease[0] != holder and (not seconds or now <= lease[1] <= until):
        return [(False,)]
    tx.put("lease", tx.session.role, (holder, until))
    return [(True,)]


@answers("select take_lease($1, 0)")
def give_lease_back(tx: Transaction, holder: Any) -> Sequence[Any]:
    return take_lease(tx, holder, 0)


@answers(
    "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)"
    " on conflict (consumer, name, place) do update set detail = excluded.detail"
)
def raise_alarm(tx: Transaction, consumer: str, name: str, place: str, detail: str) -> None:
    tx.node.loop.note(f"alarm {name} of {consumer} at {place}: {detail[:120]}")
    tx.put("alarm", (consumer, name, place), detail)


@answers("select clear_alarms($1, $2)", "select clear_alarms($1, $2, $3)")
def clear_alarms(tx: Transaction, consumer: str, names: Sequence[str], place: str | None = None) -> None:
    for key in tx.all("alarm"):
        if key[0] == consumer and key[1] in names and place in {None, key[2]}:
            tx.delete("alarm", key)


# --- the relay ------------------------------------------------------------------------------------


@answers("select timeline()")
def timeline(tx: Transaction) -> Sequence[Any]:
    return [(timeline_of(tx),)]


@answers(relay._COMPARED)
def note_compared(tx: Transaction, compared: str) -> None:
    tx.put("compared_timeline", None, compared)


@answers(relay._READ)
def read_to_relay(tx: Transaction, first: int, limit: int) -> Sequence[Any]:
    return rows(RECORD, _events(tx, first - 1, limit))


@answers(relay._ENDS)
def ends(tx: Transaction, position: int) -> Sequence[Any]:
    event, end = tx.get("event", position), tx.get("head")[0]
    last = end if end == 0 or tx.get("event", end) is not None else 0
    return rows("head last hash", [(end, last, event and event[7])])


@answers("select hash from event where position = $1")
def hash_at(tx: Transaction, position: int) -> Sequence[Any]:
    event = tx.get("event", position)
    return [] if event is None else [(event[7],)]


@answers(relay._CONFIRM)
def confirm_to_relay(tx: Transaction) -> Sequence[Any]:
    confirm(tx)
    return rows("sequence hash confirm", [(None, None, None)])


@answers(relay._NOTE)
def note_relayed(tx: Transaction, position: int, offsets: str, hash_: bytes | None) -> None:
    tx.put("relayed", None, (position, offsets, hash_))


# --- consumers ------------------------------------------------------------------------------------


@answers("select set_config('idle_in_transaction_session_timeout', $1, true)")
def set_idle_timeout(tx: Transaction, milliseconds: str) -> None:
    tx.session.local_idle_seconds = float(milliseconds.removesuffix("ms")) / 1000


@answers("select topic, partition, next_offset from checkpoint where consumer = $1")
def checkpoints(tx: Transaction, consumer: str) -> Sequence[Any]:
    return [(topic, partition, end) for (of, topic, partition), end in tx.all("checkpoint").items() if of == consumer]


@answers(batch._TAKE)
def take_checkpoints(tx: Transaction, consumer: str, topics: Sequence[str], partitions: Sequence[int]) -> Sequence[Any]:
    places = sorted(zip(topics, partitions, strict=True))
    for place in places:
        tx.lock("checkpoint", (consumer, *place))
    found = [(*place, tx.get("checkpoint", (consumer, *place)) or 0) for place in places]
    return rows("topic partition next_offset", found)


@answers(batch._MOVE)
def move_checkpoints(tx: Transaction, consumer: str, *columns: Sequence[Any]) -> None:
    for topic, partition, reached in zip(*columns, strict=True):
        tx.put("checkpoint", (consumer, topic, partition), reached)


def _held(tx: Transaction, consumer: str, stream: str) -> list[tuple[Any, dict[str, Any]]]:
    """Return what quarantine holds of a stream, in the order in which it is tried."""
    held = [(key, row) for key, row in tx.all("quarantine").items() if key[0] == consumer and row["stream"] == stream]
    return sorted(held, key=lambda item: (item[1]["version"] or 0, item[0]))


@answers(batch._STANDING)
def standing(tx: Transaction, consumer: str, streams: Sequence[str]) -> Sequence[Any]:
    found = []
    for stream in streams:
        seen = tx.get("seen", (consumer, stream)) or (0, None, b"")
        held = [row["version"] for _, row in _held(tx, consumer, stream)]
        numbers = [version for version in held if version is not None]
        last = max([seen[0], *numbers])
        found.append((stream, seen[0], seen[1], last, min(numbers, default=None), bool(held), None in held))
    return rows("stream seen hash last first quarantined untold", found)


@answers(batch._BEFORE)
def came_before(tx: Transaction, consumer: str, streams: Sequence[str], versions: Sequence[int]) -> Sequence[Any]:
    found = []
    for stream, version in zip(streams, versions, strict=True):
        held = [row for _, row in _held(tx, consumer, stream) if row["version"] == version]
        seen = tx.get("seen", (consumer, stream)) or (0, None, b"")
        digest = seen[2][8 * version - 8 : 8 * version] if seen[0] >= version else None
        found.append((stream, version, (held[0]["hash"] or b"")[:8] if held else digest, bool(held)))
    return rows("stream version digest held", found)


@answers(effects._SEEN)
def note_seen(tx: Transaction, consumer: str, *columns: Sequence[Any]) -> None:
    for stream, version, hash_, digests in zip(*columns, strict=True):
        before = tx.get("seen", (consumer, stream)) or (0, None, b"")
        tx.put("seen", (consumer, stream), (version, hash_, before[2] + digests))


@answers(quarantine._QUARANTINE)
def hold(tx: Transaction, consumer: str, topic: str, partition: int, offset: int, *values: Any) -> None:
    stream, version, headers, body, error, cause, key, hash_, counted = values
    place = (consumer, topic, partition, offset)
    if tx.get("quarantine", place) is None:
        tx.node.loop.note(
            f"quarantine of {consumer}: {cause} of {stream} version {version} at {place[1:]}: {error[:120]}"
        )
        row = {"stream": stream, "version": version or None, "headers": headers, "body": body, "error": error}
        tx.put("quarantine", place, row | {"cause": cause, "key": key, "hash": hash_, "counted": counted})


@answers(quarantine._FIRST_OF_EACH_CAUSE)
def first_of_each_cause(
    tx: Transaction, consumer: str, topic: str, partition: int, causes: Sequence[str]
) -> Sequence[Any]:
    held = sorted((key[3], row) for key, row in tx.all("quarantine").items() if key[:3] == (consumer, topic, partition))
    found = []
    for cause in causes:
        first = next(((offset, row["error"]) for offset, row in held if row["cause"] == cause), (None, None))
        found.append((cause, *first))
    return rows("cause offset error", found)


@answers(quarantine._OF_STREAM)
def of_stream(tx: Transaction, consumer: str, stream: str, limit: int) -> Sequence[Any]:
    names = "topic partition offset version headers body key cause error counted"
    held = _held(tx, consumer, stream)[:limit]
    return rows(names, [(*key[1:], *(row[name] for name in names.split()[3:])) for key, row in held])


@answers(f"delete from quarantine {quarantine._AT}")
def release(tx: Transaction, consumer: str, topic: str, partition: int, offset: int) -> None:
    tx.delete("quarantine", (consumer, topic, partition, offset))


@answers(f"update quarantine set error = $5, cause = $6, retry = false {quarantine._AT}")
def keep_held(tx: Transaction, consumer: str, topic: str, partition: int, offset: int, error: str, cause: str) -> None:
    place = (consumer, topic, partition, offset)
    tx.put("quarantine", place, tx.get("quarantine", place) | {"error": error, "cause": cause})


@answers("select count(*)::int from quarantine where consumer = $1 and stream = $2")
def count_held(tx: Transaction, consumer: str, stream: str) -> Sequence[Any]:
    return [(len(_held(tx, consumer, stream)),)]


@answers("select version, hash from seen where consumer = $1 and stream = $2")
def progress(tx: Transaction, consumer: str, stream: str) -> Sequence[Any]:
    seen = tx.get("seen", (consumer, stream))
    return rows("version hash", [seen[:2]] if seen else [])


@answers("select distinct stream from quarantine where consumer = $1 and retry")
def asked_to_retry(tx: Transaction, consumer: str) -> Sequence[Any]:
    return ()  # no operator asks for it


@answers(projection_consumer._NOTE)
def note_positions(tx: Transaction, *columns: Sequence[Any]) -> None:
    for service, position, offsets in zip(*columns, strict=True):
        tx.put("position_record", (service, position), json.loads(offsets))


@answers(projection_consumer._FORGET)
def forget_positions(tx: Transaction, service: str, kept: int) -> None:
    for key in sorted(key for key in tx.all("position_record") if key[0] == service)[:-kept]:
        tx.delete("position_record", key)


@answers("select name from alarm where consumer = $1 and place = $2 and name in ('lost_tail', 'surplus') limit 1")
def miscount(tx: Transaction, consumer: str, service: str) -> Sequence[Any]:
    return [(name,) for name in ("lost_tail", "surplus") if tx.get("alarm", (consumer, name, service)) is not None]


@answers(projection_consumer._COUNT)
def count_taken(tx: Transaction, consumer: str, service: str, topic: str, counted: int) -> Sequence[Any]:
    ends = {place[2]: end for place, end in tx.all("checkpoint").items() if place[:2] == (consumer, topic)}
    for (of, position), offsets in sorted(tx.all("position_record").items(), reverse=True):
        if of != service or position <= counted:
            continue
        if any(end > 0 and ends.get(int(partition), 0) < end for partition, end in offsets.items()):
            continue
        seen = [
            row[0] for key, row in tx.all("seen").items() if key[0] == consumer and key[1].startswith(f"{service}/")
        ]
        held = [1 for key, row in tx.all("quarantine").items() if key[:2] == (consumer, topic) and row["counted"]]
        nothing_later = not any(end > offsets.get(str(partition), 0) for partition, end in ends.items())
        return rows("position taken nothing_later", [(position, sum(seen) + len(held), nothing_later)])
    return ()


# --- reactions ------------------------------------------------------------------------------------


@answers(parking._CLOSED)
def closed_waits(tx: Transaction, streams: Sequence[str]) -> Sequence[Any]:
    return ()  # nobody closes one


@answers("select coalesce(max(version), 0) from event where stream = $1")
def version_of(tx: Transaction, stream: str) -> Sequence[Any]:
    return [(len(tx.get("stream", stream) or ()),)]


@answers(parking._PARK)
def park(tx: Transaction, command: Any, consumer: str, reaction: str, *values: Any) -> None:
    _, _, target, body, _, reason, tried, _ = values
    tx.put("parked", command, (consumer, reaction, target, body, reason, tried))


@answers(parking._KEEP)
def keep_parked(tx: Transaction, command: Any, rules: Any, reason: str, tried: int) -> None:
    if (parked := tx.get("parked", command)) is not None:
        tx.put("parked", command, (*parked[:4], reason, tried))


@answers("delete from parked where command_id = any($1::uuid[])")
def unpark(tx: Transaction, commands: Sequence[Any]) -> None:
    for command in commands:
        tx.delete("parked", command)


@answers("select reaction, target_stream, body from parked where command_id = $1 for update skip locked")
def lock_parked(tx: Transaction, command: Any) -> Sequence[Any]:
    parked = tx.get("parked", command)
    if parked is None or not tx.lock("parked", command, skip=True):
        return ()
    return rows("reaction target_stream body", [parked[1:4]])


@answers(reactions._RIPE)
def ripe(tx: Transaction, consumer: str) -> Sequence[Any]:
    found = [
        (command,)
        for command, parked in tx.all("parked").items()
        if parked[0] == consumer and len(tx.get("stream", parked[2]) or ()) > parked[5]
    ]
    return rows("command_id", found)


@answers("select count(*) as many, coalesce(clock_timestamp() - min(parked_at), interval '0') as age from parked")
def parked_summary(tx: Transaction) -> Sequence[Any]:
    return rows("many age", [(len(tx.all("parked")), timedelta(0))])


@answers("insert into nothing_to_do (command_id, stream) values ($1, $2) on conflict do nothing")
def keep_nothing_to_do(tx: Transaction, command: Any, stream: str) -> None:
    tx.put("nothing_to_do", command, stream)


# --- the keyring ----------------------------------------------------------------------------------


@answers(keyring._OPEN)
def open_keys(tx: Transaction, subjects: Sequence[str], generations: Sequence[int]) -> Sequence[Any]:
    found = []
    for subject, generation in zip(subjects, generations, strict=True):
        key = tx.get("data_key", (subject, generation)) or (None, None)
        found.append((subject, generation, *key, tx.get("tombstone", subject) is not None))
    return rows("subject generation epoch wrapped destroyed", found)


@answers(keyring._CURRENT)
def current_keys(tx: Transaction, subjects: Sequence[str]) -> Sequence[Any]:
    found = []
    for subject in subjects:
        key = tx.get("data_key", (subject, 1))
        found.append((subject, 1 if key else None, *(key or (None, None)), tx.get("tombstone", subject) is not None))
    return rows("subject generation epoch wrapped destroyed", found)


@answers(keyring._CREATE)
def create_keys(
    tx: Transaction, subjects: Sequence[str], epochs: Sequence[str], wrapped: Sequence[bytes], now: Any
) -> Sequence[Any]:
    if abs(tx.node.process.now() - now) > timedelta(seconds=30):
        return []
    for subject, epoch, key in sorted(zip(subjects, epochs, wrapped, strict=True)):
        if tx.get("data_key", (subject, 1)) is None and tx.get("tombstone", subject) is None:
            tx.put("data_key", (subject, 1), (epoch, key))
    emit_where_synchronous(tx)
    return current_keys(tx, subjects)


# --- the signer -----------------------------------------------------------------------------------


@answers("select clock_timestamp()")
def clock(tx: Transaction) -> Sequence[Any]:
    return [(tx.node.process.now(),)]


@answers("insert into log_key (name, key) values ($1, $2) on conflict do nothing")
def keep_log_key(tx: Transaction, name: str, key: str) -> None:
    if tx.get("log_key", key) is None:
        tx.put("log_key", key, name)


@answers(home_evidence._KEYS)
def log_keys(tx: Transaction) -> Sequence[Any]:
    return rows("key", [(key,) for key in tx.all("log_key")])


@answers(evidence_log.EVENTS.entries)
def log_entries(tx: Transaction, after: int, limit: int) -> Sequence[Any]:
    return [(event[0], event[1], event[7]) for event in _events(tx, after, limit)]


@answers(evidence_log.EVENTS.end)
def log_end(tx: Transaction) -> Sequence[Any]:
    return [(max(tx.all("event"), default=None),)]


@answers(evidence_log._TILES)
def tiles(tx: Transaction, log: str, levels: Sequence[int], numbers: Sequence[int]) -> Sequence[Any]:
    places = zip(levels, numbers, strict=True)
    found = [(*place, hashes) for place in places if (hashes := tx.get("tree_tile", (log, *place)))]
    return rows("level number hashes", found)


@answers(evidence_log._KEEP_TILES)
def keep_tiles(tx: Transaction, log: str, *columns: Sequence[Any]) -> None:
    for level, number, hashes in zip(*columns, strict=True):
        place = (log, level, number)
        tx.lock("tree_tile", place)
        kept: bytes = tx.get("tree_tile", place) or b""
        if not hashes.startswith(kept):
            raise refusal("42501", "a tile of a tree only grows")
        first, new = number * WIDTH + len(kept) // SIZE, len(hashes) - len(kept)
        entries = [log_entry(row[0], row[1], row[7]) for row in _events(tx, first, new // SIZE)]
        if level == 0 and hashes[len(kept) :] != b"".join(map(hash_leaf, entries)):
            raise refusal("23514", f"the tile {number} does not follow from the log {log}")
        tx.put("tree_tile", place, hashes)


def _signed(tx: Transaction, log: str) -> list[tuple[int, bytes, str]]:
    """Return the checkpoints of a log, the last one first."""
    return sorted(((key[1], *row) for key, row in tx.all("signed_checkpoint").items() if key[0] == log), reverse=True)


@answers(evidence_log._LAST)
def last_checkpoint(tx: Transaction, log: str) -> Sequence[Any]:
    return rows("size root", [row[:2] for row in _signed(tx, log)[:1]])


@answers(signer._LAST_NOTE)
def last_note(tx: Transaction, log: str) -> Sequence[Any]:
    return [(note,) for _, _, note in _signed(tx, log)[:1]]


@answers(signer._LAST_COSIGNED)
def last_cosigned(tx: Transaction, log: str, pattern: str) -> Sequence[Any]:
    return [(size,) for size, _, note in _signed(tx, log) if pattern.strip("%") in note][:1]


@answers(witnessed._SIZE)
def signed_size(tx: Transaction, log: str) -> Sequence[Any]:
    return [(max((size for size, *_ in _signed(tx, log)), default=0),)]


@answers(signer._KEEP)
def keep_checkpoint(tx: Transaction, log: str, size: int, root: bytes, note: str) -> None:
    if tx.get("signed_checkpoint", (log, size)) is not None:
        raise asyncpg.UniqueViolationError("a checkpoint of this size is signed")
    tx.put("signed_checkpoint", (log, size), (root, note))


@answers(statement._UNSIGNED)
def unsigned_statements(tx: Transaction, asked_by: Any) -> Sequence[Any]:
    return ()  # nobody asks for one


# --- the projection of the simulation -------------------------------------------------------------

PROJECT: Final = "insert into projected: stream $1, version $2, position $3, hash $4"


@answers(PROJECT)
def project(tx: Transaction, stream: str, version: int, position: int, hash_: bytes) -> None:
    tx.put("projected", stream, (*(tx.get("projected", stream) or ()), (version, position, hash_)))
