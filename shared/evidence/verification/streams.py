"""The streams, one after the other: gapless versions, whole chains, readable events, histories, claims and data keys."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

import asyncpg

from shared.domain.data_rights import data_rights_service, is_data_right
from shared.domain.decider import BrokenHistory, check_gapless
from shared.domain.envelope import GENESIS, Fact, UnknownEvent, next_hash
from shared.domain.execution import claims_and_state_after
from shared.domain.sealing import key_ids_in
from shared.domain.service import Service
from shared.domain.waiting import is_wait, waiting_service
from shared.evidence.verification.log import PAGE, READABLE_TIME, place_of
from shared.evidence.verification.problems import MOST_LINES, Passed, Problems, ignore_passed, or_else, to_the_end
from shared.servers.database import Pool

_PAGE_OF_STREAMS: Final = f"""
    select position, {READABLE_TIME}, stream, version, event_id, type, home, hash, body
    from event where (stream, version) > ($1, $2) and position <= $3 order by stream, version limit $4
"""  # noqa: S608 - the expression above
_HELD: Final = "select key, stream from claim where stream = any($1::text[]) or key = any($2::text[])"
_INVENTED: Final = """
    select key, stream from claim where not exists (select from event where event.stream = claim.stream) limit $1
"""
# One look into an index for each: a join would read every data key for each page.
_KEYS: Final = """
    select used.subject, used.generation, data_key.subject is not null as there, tombstone.subject is not null as destroyed
    from unnest($1::text[], $2::integer[], $3::timestamptz[]) as used (subject, generation, recorded_at)
    left join lateral (
        select subject, created_at from data_key as k where k.subject = used.subject and k.generation = used.generation limit 1
    ) as data_key on true
    left join lateral (select subject from tombstone as t where t.subject = used.subject limit 1) as tombstone on true
    where (data_key.subject is null) = (tombstone.subject is null)
        or data_key.created_at > used.recorded_at + interval '1 minute'
"""
_GREATEST_GENERATION: Final = 2**31 - 1
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Where no calendar has the moment at which an event was recorded."""


@dataclass
class StreamChecks:
    """What a walk through the streams finds, and how many there are."""

    versions: Problems = field(default_factory=Problems)
    chains: Problems = field(default_factory=Problems)
    histories: Problems = field(default_factory=Problems)
    claims: Problems = field(default_factory=Problems)
    keys: Problems = field(default_factory=Problems)
    named: set[tuple[str, int]] = field(default_factory=set)
    """The subject and generation of every data key that an event names."""
    streams: int = 0


async def check_streams(
    service: Service[Any],
    database: Pool,
    keyring: Pool,
    head: int,
    checks: StreamChecks,
    passed: Passed = ignore_passed,
) -> None:
    claims = Problems()
    async for streams in _streams(database, head):
        due = dict[str, str]()
        for rows in streams:
            checks.streams += 1
            try:
                _check_stream(service, rows, checks, due)
            except Exception as error:  # noqa: BLE001 - one stream must not hide the others
                checks.histories.note(f"{rows[0]['stream']}: cannot be checked: {type(error).__name__}: {error}")
        rows_of_keys = [row for rows in streams for row in rows]
        await to_the_end(_check_keys(keyring, rows_of_keys, checks), checks.keys)
        held = database.fetch(_HELD, [rows[0]["stream"] for rows in streams], list(due))
        await to_the_end(_check_claims(held, due, claims), claims)
        passed(len(rows_of_keys))
    await to_the_end(_check_claims(database.fetch(_INVENTED, MOST_LINES), {}, claims), claims)
    # Claims are as of now, so they are compared only if nothing was appended since.
    if await or_else(head, database.fetchval("select position from head"), claims) == head:
        checks.claims = claims


async def _streams(database: Pool, head: int) -> AsyncIterator[Sequence[Sequence[asyncpg.Record]]]:
    """Whole streams, some at a time: a page of events at least, and the rest of the last one's stream."""
    pending: list[asyncpg.Record] = []
    after = ("", 0)
    while rows := await database.fetch(_PAGE_OF_STREAMS, *after, head, PAGE):
        after = (rows[-1]["stream"], rows[-1]["version"])
        pending += rows
        streams = [list(events) for _, events in itertools.groupby(pending, key=itemgetter("stream"))]
        pending = streams.pop()
        yield streams
        await asyncio.sleep(0)
    if pending:
        yield [pending]


def _check_stream(
    service: Service[Any], rows: Sequence[asyncpg.Record], checks: StreamChecks, due: dict[str, str]
) -> None:
    """Check one stream's events, in order of version, and add the claims that they make."""
    version, hash_, history = 0, GENESIS, list[Fact]()
    service = owner_of(service, rows[0]["type"])
    for row in rows:
        if row["version"] != version + 1:
            checks.versions.note(f"{place_of(row)}: version {version + 1} is missing")
        if next_hash(hash_, row["body"]) != row["hash"]:
            checks.chains.note(f"{place_of(row)}: the hash does not follow from the bytes and the hash before")
        version, hash_ = row["version"], row["hash"]
        fact = _read(service, row, checks.histories)
        if fact is not None:
            history.append(fact)
        if row["home"] != rows[0]["home"]:
            checks.histories.note(f"{place_of(row)}: the home is not that of the stream's first event")
    stream = rows[0]["stream"]
    try:
        check_gapless(history)
        due.update(dict.fromkeys(claims_after(service, history), stream))
    except BrokenHistory as error:
        checks.histories.note(f"{stream}: {error}")


def _read(service: Service[Any], row: asyncpg.Record, problems: Problems) -> Fact | None:
    """Return the event of a row; add a problem if it cannot be read, or differs from the columns of the row."""
    position, recorded_at, *in_row, hash_, body = row
    try:
        fact = service.events.read(body, position=position, recorded_at=recorded_at, hash=hash_)
    except UnknownEvent as error:
        problems.note(f"{place_of(row)}: {error}")
        return None
    envelope = fact.envelope
    if [envelope.stream, envelope.version, envelope.event_id, envelope.type, envelope.home] != in_row:
        problems.note(f"{place_of(row)}: the row's columns are not what its bytes say")
    return fact


def owner_of(service: Service[Any], type_name: str) -> Service[Any]:
    """Return what decides a stream of a service that begins with this type of event: itself, its waits or data rights."""
    if is_wait(type_name):
        return waiting_service(service)
    return data_rights_service(service) if is_data_right(type_name) else service


def claims_after(service: Service[Any], history: Sequence[Fact]) -> set[str]:
    """Fold a history, and return the keys that it holds in the end. Raises `BrokenHistory`."""
    keys = set[str]()
    for claims in claims_and_state_after(service, history)[0]:
        keys = (keys | set(claims.take)) - set(claims.release)
    return keys


async def _check_claims(held: Awaitable[list[asyncpg.Record]], due: Mapping[str, str], problems: Problems) -> None:
    """Compare the claims of some streams with those that their events make."""
    claimed = {row["key"]: row["stream"] for row in await held}
    for key in sorted(claimed.keys() | due.keys()):
        if claimed.get(key) != due.get(key):
            problems.note(f"claim {key}: held by {claimed.get(key)}, by the events it is {due.get(key)}")


async def _check_keys(keyring: Pool, rows: Sequence[asyncpg.Record], checks: StreamChecks) -> None:
    """Whether each data key that the events name is in the keyring, or has a tombstone, and not both."""
    problems = checks.keys
    used: dict[tuple[str, int], tuple[datetime, int]] = {}
    for row in rows:
        try:
            for subject, generation in key_ids_in(row["body"]):
                if "\0" in subject or not 0 < generation <= _GREATEST_GENERATION:
                    problems.note(
                        f"position {row['position']}: names a data key that cannot be: {subject} {generation}"
                    )
                else:
                    moment = (row["recorded_at"] or _NEVER, row["position"])
                    used[subject, generation] = min(used.get((subject, generation), moment), moment)
        except (ValueError, TypeError) as error:
            problems.note(f"position {row['position']}: the data keys that it names cannot be read: {error}")
    checks.named.update(used)
    columns = [[*column] for column in zip(*used, strict=True)] or [[], []]
    for key in await keyring.fetch(_KEYS, *columns, [recorded_at for recorded_at, _ in used.values()]):
        if not key["there"]:
            why = "is gone without a tombstone"
        elif key["destroyed"]:
            why = "was destroyed and is there again"
        else:
            why = "was made after an event that it seals: the keyring was rolled back"
        place = used[key["subject"], key["generation"]][1]
        problems.note(f"the data key of {key['subject']}, generation {key['generation']}, {why} (position {place})")
