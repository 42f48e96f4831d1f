"""Somebody holds a role that may append: what is no event of the service is refused, and changes nothing."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.domain.envelope import next_hash
from shared.event_store import Appended, AppendRequest, EventToAppend, NotAnEvent
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.privileges import RoleKind, role_name
from shared.servers import database as connections
from tests.hostile.databases import Databases
from tests.integration.event_store.streams import EventTail, Stream, event_tail, note_of


@pytest.fixture(params=[RoleKind.API, RoleKind.WORKER])
async def event_store(request: pytest.FixtureRequest, databases: Databases) -> AsyncIterator[PostgresEventStore]:
    """Yield the event store, by each role that may append."""
    pool = await connections.create_pool(
        databases.as_role("event store", role_name(request.param, "tests")), max_size=2
    )
    yield PostgresEventStore(pool)
    await pool.close()


def altered(append: AppendRequest, *, body: bytes | None = None, **columns: Any) -> AppendRequest:
    """Return the same append with other bytes or columns of its last event, the hash as a careful forger takes it."""
    *before, last = append.events
    event = replace(last, body=last.body if body is None else body, **columns)
    previous = before[-1].hash if before else append.previous
    return replace(append, events=(*before, replace(event, hash=next_hash(previous, event.body))))


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[AppendRequest], AppendRequest]:
    return lambda append: altered(append, body=change(append.events[-1].body))


def with_field(name: str, value: Any) -> Callable[[AppendRequest], AppendRequest]:
    """Return a forgery in which the bytes have another value of one field, at its place."""

    def change(body: bytes) -> bytes:
        return json.dumps(json.loads(body) | {name: value}, separators=(",", ":")).encode()

    return with_bytes(change)


def without_field(name: str) -> Callable[[AppendRequest], AppendRequest]:
    def change(body: bytes) -> bytes:
        return json.dumps(
            {key: one for key, one in json.loads(body).items() if key != name}, separators=(",", ":")
        ).encode()

    return with_bytes(change)


SOMEBODY: Final = str(UUID(int=9))
RUBBISH: Final[dict[str, Callable[[AppendRequest], AppendRequest]]] = {
    "nothing": with_bytes(lambda _body: b""),
    "no JSON": with_bytes(lambda _body: b"rubbish"),
    "an empty object": with_bytes(lambda _body: b"{}"),
    "rubbish behind a right beginning": with_bytes(lambda body: body[: body.index(b'"occurred_at"')] + b"rubbish"),
    "cut off": with_bytes(lambda body: body[:-1]),
    "something behind the end": with_bytes(lambda body: body + b"{}"),
    "a field twice, the later one other": with_bytes(
        lambda body: body[:-1] + b',"stream":"tests/' + SOMEBODY.encode() + b'"}'
    ),
    "a field twice, spelt with an escape": with_bytes(lambda body: body[:-1] + b',"\\u0074ype":"x"}'),
    "a NUL": with_bytes(lambda body: body.replace(b'"KEEPER"', b'"\\u0000"')),
    "half a surrogate pair": with_bytes(lambda body: body.replace(b'"KEEPER"', b'"\\ud800"')),
    "bytes that are no UTF-8": with_bytes(lambda body: body.replace(b"KEEPER", b"\xff\xfe")),
    "brackets without end": with_bytes(lambda body: body[: body.index(b'"data"')] + b'"data":' + b"[" * 200_000),
    "white space before": with_bytes(lambda body: b" " + body),
    "another event_id": with_field("event_id", SOMEBODY),
    "another type": with_field("type", "ooc.tests.Denied.v1"),
    "another stream": with_field("stream", f"tests/{SOMEBODY}"),
    "another version": with_field("version", 7),
    "a version that is a text": with_field("version", "1"),
    "another home": with_field("home", SOMEBODY),
    "another command": with_field("command_id", SOMEBODY),
    "data that are a list": with_field("data", []),
    "data that are nothing": with_field("data", None),
    "a field that no envelope has": with_field("nonsense", 1),
    "no data": without_field("data"),
    "more than a broker takes": with_field("data", {"note": "x" * 950_000}),
    "no actor": without_field("actor"),
    "a type of another service": lambda append: altered(
        append, type="ooc.others.Noted.v1", body=append.events[-1].body.replace(b"ooc.tests.", b"ooc.others.")
    ),
    "a type that closes its own text": lambda append: altered(
        append,
        type='ooc.tests.x","rules":"',
        body=append.events[-1].body.replace(b"ooc.tests.Noted.v1", b'ooc.tests.x","rules":"'),
    ),
}


@pytest.mark.parametrize("what", RUBBISH)
async def test_what_is_no_event_of_the_service_is_refused(event_store: PostgresEventStore, what: str) -> None:
    """Given rubbish as the second event of an append, neither is recorded, and the stream can be read and goes on."""
    stream = Stream()
    await stream.write(event_store, b"before")
    head = await event_store.head()
    good = stream.asks(b"good", b"good too")
    with pytest.raises((NotAnEvent, asyncpg.DataError, asyncpg.ProgramLimitExceededError)):
        await event_store.append(RUBBISH[what](good))
    assert await event_store.head() == head
    loaded = await event_store.load(stream.name, good.command_id)
    assert ([note_of(record.body) for record in loaded.records], loaded.receipt) == ([b"before"], None)
    assert isinstance(await event_store.append(good), Appended)


@pytest.mark.parametrize(
    "name",
    [
        "others/{id}",
        "tests2/{id}",
        "{id}",
        "/{id}",
        "tests/",
        "tests/1",
        "tests/{id}/1",
        "tests/{{{id}}}",
        "tests/{ID}",
    ],
)
async def test_a_stream_is_of_the_service_and_named_by_a_uuid(event_store: PostgresEventStore, name: str) -> None:
    """Given an event that is whole in itself, of a stream that no client of the service could name, it is refused."""
    stream = Stream(id=UUID(int=uuid4().int | 0xABCDEF << 100))
    new = name.format(id=stream.id, ID=str(stream.id).upper())
    append = stream.asks(b"note")
    body = append.events[0].body.replace(stream.name.encode(), new.encode())
    head = await event_store.head()
    with pytest.raises(
        (NotAnEvent, asyncpg.DataError), match=r"the stream is not one of tests|invalid input syntax for type uuid"
    ):
        await event_store.append(replace(altered(append, body=body), stream=new))
    assert await event_store.head() == head


async def test_a_stream_keeps_its_home(event_store: PostgresEventStore) -> None:
    """Given a stream, an event with another home, whole and agreeing with its columns, is refused: it would leave its partition."""
    stream = Stream()
    await stream.write(event_store, b"before")
    other = uuid4()
    append = stream.asks(b"after")
    body = append.events[0].body.replace(f'"home":"{stream.id}"'.encode(), f'"home":"{other}"'.encode())
    with pytest.raises(NotAnEvent, match="the home is not that of the stream"):
        await event_store.append(altered(append, body=body, home=other))


async def test_rubbish_fails_alone(event_store: PostgresEventStore) -> None:
    """Given rubbish among the appends of a group, its writer alone is refused and the others are recorded."""
    good = [Stream().asks(b"%d" % n) for n in range(20)]
    bad = RUBBISH["no JSON"](Stream().asks(b"x"))
    *results, refused = await asyncio.gather(*(event_store.append(one) for one in (*good, bad)), return_exceptions=True)
    assert all(isinstance(result, Appended) for result in results)
    assert isinstance(refused, NotAnEvent)
    assert str(refused).endswith("the bytes do not begin with its event_id, type, stream, version, home and command_id")


@pytest.mark.parametrize(
    "rest",
    [
        event_tail({}),
        event_tail({"deep": {"type": "x", "stream": ["y"]}}),
        event_tail({"text": 'é "quoted" \\ \n and \U0001f600'}, rules=["T1"], labels={"area": "DORSET"}),
        event_tail({"text": "x" * 200_000}),
    ],
    ids=["empty", "nested", "texts", "long"],
)
async def test_every_event_of_the_service_is_taken(event_store: PostgresEventStore, rest: EventTail) -> None:
    """`append` accepts every event whose bytes agree with its columns, whatever its data."""
    stream = Stream()
    await stream.write(event_store, rest, rest)
    assert all(record.body.endswith(rest) for record in (await event_store.load(stream.name)).records)


async def test_a_database_that_does_not_know_its_service_takes_nothing(databases: Databases) -> None:
    """Given a migrated database that was never provisioned, an append says what to do; whose it is can never be changed."""
    owner = await asyncpg.connect(databases.owner("event store"))
    for change in ("update event_store set service = 'others'", "delete from event_store", "truncate event_store"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(change)
    async with owner.transaction():
        await owner.execute("alter table event_store disable trigger all")
        await owner.execute("delete from event_store")
        append = Stream().asks(b"x")
        event: EventToAppend = append.events[0]
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="run `ooc migrate`"):
            async with owner.transaction():
                await owner.execute(
                    "select append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
                    *(
                        [append.command_id],
                        [hashlib.sha256().digest()],
                        [append.stream],
                        [0],
                        [bytes(32)],
                        ["[]"],
                        ["[]"],
                        [1],
                    ),
                    *([event.event_id], [event.type], [event.home], [event.body], [event.hash]),
                )
        await owner.execute("insert into event_store (service) values ('tests')")
        await owner.execute("alter table event_store enable trigger all")
    await owner.close()
