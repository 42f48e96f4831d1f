"""What `ooc verify` finds: each break of an event store, its topic or its log is named, and a whole one has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from ooc.evidence.service_verification import Finding, verify_service
from shared.api.access_log import AccessLog
from shared.domain.messages import Command
from shared.domain.service import Service
from shared.evidence.verification.topic import PATIENCE_SECONDS
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import PostgresKeyring
from shared.servers import database as connections
from tests.corruption import spoil_page
from tests.integration.event_store.streams import as_application, as_verifier
from tests.integration.event_store.tallies import KEEPER, SERVICE, CloseTally, Count, opening, request_for
from tests.integration.keyring.rings import new_kek, ring_database
from tests.integration.relay.conftest import RelayedService, committed

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STORE = "event store holds what its topic holds"
PLACES = "positions dense, recorded_at growing"
LOG = "log hash whole over positions, times and answers"
VERSIONS = "versions gapless"
CHAINS = "chains whole"
FOLDS = "events readable, histories fold"
FOLLOWS = "answers and claims follow from events"
KEYS = "data keys there, or destroyed with a tombstone"
TOPIC = "topic equals event store, byte for byte"
ACCESS = "access log dense and chained"
SIGNED = "the log events is what was signed"
READS_SIGNED = "the log access is what was signed"
CHECKS = [STORE, PLACES, LOG, VERSIONS, CHAINS, FOLDS, FOLLOWS, KEYS, TOPIC, ACCESS, SIGNED, READS_SIGNED]

CUT_TAIL = (
    "delete from answer where (stream, first_version) in (select stream, version from event where position > 4)",
    "delete from event where position > 4",
    "update head set position = 4, recorded_at = e.recorded_at, log_hash = e.log_hash from event as e where e.position = 4",
)
CHAIN_AGAIN = """
    do $$ declare
        v_hash bytea := decode(repeat('00', 32), 'hex');
        v record;
    begin
        for v in select e.*, a.command_id, a.digest from event as e left join answer as a
            on a.stream = e.stream and a.first_version + a.events - 1 = e.version order by e.position
        loop
            v_hash := next_log_hash(v_hash, v.position, v.recorded_at, v.hash, v.command_id, v.digest);
            update event set log_hash = v_hash where position = v.position;
        end loop;
        update head set log_hash = v_hash, recorded_at = v.recorded_at;
    end $$
"""
LATER = "update event set recorded_at = recorded_at + interval '30 days'"
INVENTED = "insert into answer values (gen_random_uuid(), 'd', {stream}, 1, 1)"

TAMPERED = {
    "a byte": ("update event set body = set_byte(body, 60, 7) where position = 2", {CHAINS, FOLDS, TOPIC}),
    "the last event": ("delete from event where position = 6", {STORE, PLACES, TOPIC}),
    "an event between": ("delete from event where position = 3", {PLACES, LOG, VERSIONS, CHAINS}),
    "a time": ("update event set recorded_at = recorded_at - interval '1 hour' where position = 4", {PLACES, LOG, TOPIC}),
    "every time": (LATER, {LOG, TOPIC}),
    "every time, chained again": ((LATER, CHAIN_AGAIN), {STORE, TOPIC}),
    "a time that no calendar has": ("update event set recorded_at = 'infinity' where position = 4", {PLACES, TOPIC}),
    "a time beyond Python's": ("update event set recorded_at = '290000-01-01' where position = 4", {PLACES, TOPIC}),
    "a type": ("update event set type = 'ooc.tallies.TallyClosed.v1' where position = 2", {FOLDS, TOPIC}),
    "bytes of no sense": (r"update event set body = '\x80ff00' where position = 4", {CHAINS, FOLDS, FOLLOWS, TOPIC}),
    "bytes without a floor": ("update event set body = convert_to(repeat('[', 200000), 'UTF8') where position = 4", {FOLDS, TOPIC}),
    "a stream of no sense": ("update event set stream = E'\\n\\x1b[31m' where position = 6", {VERSIONS, FOLDS, FOLLOWS, TOPIC}),
    "an event before all": ("insert into event select 0, recorded_at, 'x', 1, gen_random_uuid(), type, home, hash, body, log_hash from event limit 1", {PLACES, LOG}),
    "an event beyond the head": ("insert into event select 1000000000000, recorded_at, 'x', 1, gen_random_uuid(), type, home, hash, body, log_hash from event limit 1", {PLACES}),
    "a head far away": ("update head set position = 1000000000000", {PLACES}),
    "no head": ("delete from head", {STORE, PLACES}),
    "the tail, its head and its answers": (CUT_TAIL, {STORE, TOPIC}),
    "the tail, all that knows of it": ((*CUT_TAIL, "delete from relayed"), {STORE, TOPIC}),
    "an answer": ("delete from answer where command_id = (select command_id from answer limit 1)", {LOG, FOLLOWS}),
    "an answer's digest": ("update answer set digest = sha256('x') where first_version = 1", {LOG}),
    "an answer's digest, chained again": (("update answer set digest = sha256('x') where first_version = 1", CHAIN_AGAIN), {STORE}),
    "an answer's range": ("update answer set events = events + 1 where first_version = 1", {LOG}),
    "an answer's stream": ("update answer set stream = 'tallies/x' where first_version = 1", {LOG, FOLLOWS}),
    "an answer more": (INVENTED.format(stream="'tallies/x'"), {FOLLOWS}),
    "an answer more for what is there": (INVENTED.format(stream="(select stream from event limit 1)"), {FOLLOWS}),
    "a claim lost": ("delete from claim", {FOLLOWS}),
    "a claim more": ("insert into claim (key, stream) select 'matter:none', stream from claim limit 1", {FOLLOWS}),
    "a line of the log": ("update access_log set action = 'READ_NOTHING' where sequence = 1", {ACCESS}),
    "a line less": ("delete from access_log where sequence = 1", {ACCESS}),
    "the log's last line": ("delete from access_log where sequence = 3", {ACCESS}),
    "the whole log": ("delete from access_log", {ACCESS}),
    "the log's end and its head": ((
        "delete from access_log where sequence > 1",
        "update access_head set (sequence, at, hash) = (select sequence, at, hash from access_log)"), {ACCESS}),
    "the whole log and its head": ((
        "delete from access_log",
        "update access_head set sequence = 0, hash = decode(repeat('00', 32), 'hex')"), {ACCESS}),
    "the log's head": ("delete from access_head", {ACCESS}),
}  # fmt: skip
"""What somebody with every right over the database does -> the checks that say so, at least."""

RUBBISH: dict[str, dict[str, Any]] = {
    "no headers": {"headers": []},
    "no value": {"value": None},
    "no key": {"key": None},
    "a header without value": {"headers": [("ce_subject", None), ("ooc_position", None)]},
    "a position of no sense": {"headers": [("ooc_position", b"\xff")]},
    "a position beyond all": {"headers": [("ooc_position", b"9" * 5_000)]},
    "a position of another": {"headers": [("ooc_position", b"2")]},
    "a position to come": {"headers": [("ooc_position", b"7")]},
    "a body without a floor": {"value": b"[" * 200_000, "headers": [("ooc_position", b"1")]},
}
"""What somebody who can write to the topic leaves there: parts of a record."""


@dataclass(frozen=True)
class Tallies:
    """A service of the test's own that counts, and one of its tallies that is open."""

    service: Service[Any]
    handler: CommandHandler
    open: UUID
    keyring: PostgresKeyring
    ring: str
    """The keyring's database, as its owner."""

    async def does(self, stream: UUID, command: Command) -> None:
        assert isinstance(await self.handler.handle(request_for(self.handler, stream, command)), Accepted)

    async def fill(self, relayed_service: RelayedService, shop: UUID, school: UUID) -> None:
        """Count a shop's tally and close it, count a school's, and publish both."""
        await self.does(shop, opening("shop"))
        await self.does(shop, Count(by=1))
        await self.does(school, opening("school"))
        await self.does(school, Count(by=1))
        await self.does(shop, Count(by=1))
        await self.does(shop, CloseTally())
        async with relayed_service.relay():
            await relayed_service.relayed()


@pytest.fixture
async def tallies(relayed_service: RelayedService, postgres_url: str) -> AsyncIterator[Tallies]:
    """Two tallies that were looked at, counted, and published."""
    events = replace(SERVICE.events, namespace=relayed_service.namespace)
    service = replace(SERVICE, read_model=replace(SERVICE.read_model, events=events))
    shop, school = uuid4(), uuid4()
    pool = await connections.create_pool(as_application(relayed_service.owner))
    for stream in (shop, school, shop):
        await AccessLog(pool).record(KEEPER, "READ_STATE", service.stream_name(stream), outcome="GIVEN")
    await pool.close()
    async with ring_database(postgres_url) as ring:
        keys = await connections.create_pool(as_application(ring))
        keyring = PostgresKeyring(keys, new_kek())
        made = Tallies(
            service, CommandHandler(service, relayed_service.event_store, keyring, b"k" * 32), school, keyring, ring
        )
        await made.fill(relayed_service, shop, school)
        yield made
        await keys.close()


async def findings(
    relayed_service: RelayedService, tallies: Tallies, data_keys: set[tuple[str, int]] | None = None
) -> list[Finding]:
    """Every finding, soon, and each break on a line of its own; adds the data keys that events name."""
    pool = await connections.create_pool(as_verifier(relayed_service.owner))
    keys = await connections.create_pool(as_verifier(tallies.ring))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            walk = verify_service(tallies.service, pool, keys, relayed_service.bootstrap, named=data_keys)
            found = [one async for one in walk]
    finally:
        await pool.close()
        await keys.close()
    assert [one.check for one in found] == CHECKS
    assert all(line.isprintable() and len(line) < 500 for one in found for line in one.problems)
    return found


async def broken(relayed_service: RelayedService, tallies: Tallies) -> set[str]:
    """Return the checks that find a break."""
    return {finding.check for finding in await findings(relayed_service, tallies) if not finding.ok}


@asynccontextmanager
async def with_every_right(owner: Owner) -> AsyncIterator[Owner]:
    """Yield the owner, with the triggers that keep even it from changing anything switched off."""
    tables = ("event", "answer", "claim", "access_log")
    for table in tables:
        await owner.execute(f"alter table {table} disable trigger all")
    yield owner
    for table in tables:
        await owner.execute(f"alter table {table} enable trigger all")


async def test_what_nobody_touched_is_whole(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given tallies that were counted and published, when they are verified, then every check is whole."""
    assert await broken(relayed_service, tallies) == set()


@pytest.mark.parametrize("what", TAMPERED)
async def test_whatever_is_changed_is_found(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner, what: str
) -> None:
    """Given somebody who may do everything in the database, whatever they change is named by the check of its kind."""
    statements, checks = TAMPERED[what]
    async with with_every_right(owner):
        for statement in (statements,) if isinstance(statements, str) else statements:
            assert not (await owner.execute(statement)).endswith(" 0"), statement
    assert checks <= await broken(relayed_service, tallies)


async def intrude(relayed_service: RelayedService, **parts: Any) -> str:
    """Write a record of some parts, the others those of the first event; where it stands, as verification names it."""
    one = (await committed(relayed_service.bootstrap, relayed_service.events))[0]
    record = {"value": one.value, "key": one.key, "headers": list(one.headers), "partition": one.partition} | parts
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as producer:
        placed = await producer.send_and_wait(relayed_service.events, **record)
    return f"{relayed_service.events} partition {placed.partition} offset {placed.offset}: "


async def named(relayed_service: RelayedService, tallies: Tallies, check: str) -> list[str]:
    """Return the breaks that a check names."""
    return [line for one in await findings(relayed_service, tallies) if one.check == check for line in one.problems]


async def test_a_record_that_was_written_again_is_named(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given an event's record that somebody wrote again, its second place is named, and nothing else."""
    where = await intrude(relayed_service)
    await tallies.does(tallies.open, Count(by=1))
    async with relayed_service.relay():
        await relayed_service.relayed()
    (line,) = await named(relayed_service, tallies, TOPIC)
    assert line.startswith(where)


@pytest.mark.parametrize("what", RUBBISH)
async def test_a_foreign_record_is_named_and_everything_else_checked(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner, what: str
) -> None:
    """Given a record that is not the relay's, it is named by its place; and a missing line of the log is found as well."""
    where = await intrude(relayed_service, **RUBBISH[what])
    async with with_every_right(owner):
        await owner.execute("delete from access_log where sequence = 1")
    found = {one.check: one.problems for one in await findings(relayed_service, tallies) if not one.ok}
    assert set(found) == {TOPIC, ACCESS}
    (line,) = found[TOPIC]
    assert line.startswith(where)


class _NoText(str):
    """A header's name as bytes that are no UTF-8, which Kafka's protocol lets through and its clients do not write."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def test_a_record_with_an_undecodable_header_name_is_named(
    relayed_service: RelayedService, tallies: Tallies
) -> None:
    """Given a header name that is not UTF-8, the record is named, and the records before and after it are compared."""
    (last,) = [
        m
        for m in await committed(relayed_service.bootstrap, relayed_service.events)
        if dict(m.headers)["ooc_position"] == b"6"
    ]
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as producer:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 16_384)
        batch.append(timestamp=None, key=None, value=b"x", headers=[(_NoText("name"), b"value")])
        placed = await (await producer.send_batch(batch, relayed_service.events, partition=last.partition))
    await tallies.does(tallies.open, Count(by=1))
    async with relayed_service.relay():
        await relayed_service.relayed()
    (line,) = await named(relayed_service, tallies, TOPIC)
    here = f"{relayed_service.events} partition {last.partition} offset {placed.offset}"
    assert line == f"{here}: not the event store's own: it names no position"


async def test_each_record_of_a_batch_is_named_by_itself(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given a batch of an event's record again and foreign ones, all are named, and no record of an aborted batch."""
    (last,) = [
        m
        for m in await committed(relayed_service.bootstrap, relayed_service.events)
        if dict(m.headers)["ooc_position"] == b"6"
    ]
    place, again = last.partition, {"key": last.key, "value": last.value, "headers": list(last.headers)}
    async with AIOKafkaProducer(
        bootstrap_servers=relayed_service.bootstrap,
        transactional_id=relayed_service.namespace,
        transaction_timeout_ms=10_000,
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(relayed_service.events, b"aborted", partition=place)
        await producer.abort_transaction()
        async with producer.transaction():
            batch = producer.create_batch()
            batch.append(timestamp=None, **again)
            batch.append(timestamp=None, **{**again, "headers": [*last.headers, ("more", b"")]})
            batch.append(timestamp=None, **{**again, "headers": [*last.headers, ("none", None)]})
            placed = await (await producer.send_batch(batch, relayed_service.events, partition=place))
    await tallies.does(tallies.open, Count(by=1))
    async with relayed_service.relay():
        await relayed_service.relayed()
    here = f"{relayed_service.events} partition {place} offset"
    assert await named(relayed_service, tallies, TOPIC) == [
        f"{here} {placed.offset}: position 6 comes after position 6",
        f"{here} {placed.offset + 1}: not what the event store holds at position 6: header more",
        f"{here} {placed.offset + 2}: not what the event store holds at position 6: header none",
    ]


async def test_a_store_that_grew_again_in_another_way_is_found(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a tail that was cut with all that knows of it, and other events in its place, both ends are named."""
    async with with_every_right(owner):
        for statement in (*CUT_TAIL, "delete from relayed"):
            await owner.execute(statement)
    await tallies.does(tallies.open, Count(by=1))
    await tallies.does(tallies.open, Count(by=1))
    assert {STORE, TOPIC} <= await broken(relayed_service, tallies)


async def test_a_relay_that_stands_still_is_said_at_once(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given events that a relay with an alarm will not publish, verification does not wait for them."""
    await tallies.does(tallies.open, Count(by=1))
    await owner.execute(
        "insert into alarm (consumer, name, place, detail) values ('relay', 'event_store_gap', 'x', 'y')"
    )
    assert any("its alarm stands" in line for line in await named(relayed_service, tallies, TOPIC))


async def test_a_position_record_of_no_sense_is_named(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given a position record that cannot be read, or that goes beyond the store, the store's check says so."""
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as producer:
        value = b'{"service":"x","position":99999999999999999999,"offsets":{}}'
        await producer.send_and_wait(relayed_service.position, value, key=b"k", partition=0)
    assert {STORE} == await broken(relayed_service, tallies)


async def test_the_data_keys_that_events_name_are_told_to_who_asks(
    relayed_service: RelayedService, tallies: Tallies
) -> None:
    """Given a keyring of which events name each key, when they are verified, then the caller knows each: none is unnamed."""
    ring, used = await asyncpg.connect(tallies.ring), set[tuple[str, int]]()
    await findings(relayed_service, tallies, used)
    there = {
        (row["subject"], row["generation"]) for row in await ring.fetch("select subject, generation from data_key")
    }
    await ring.close()
    assert used == there != set()


async def test_a_data_key_gone_without_a_tombstone_is_named(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given a keyring from which somebody took a key, its owner is named; one that was destroyed is none's fault."""
    ring = await asyncpg.connect(tallies.ring)
    subjects = [row["subject"] for row in await ring.fetch("select subject from data_key order by subject")]
    await ring.execute("select destroy_keys($1)", subjects[0])
    assert await named(relayed_service, tallies, KEYS) == []
    await ring.execute("delete from data_key where subject = $1", subjects[1])
    (line,) = await named(relayed_service, tallies, KEYS)
    assert subjects[1] in line
    assert "gone without a tombstone" in line
    await ring.execute("alter table tombstone disable trigger all")
    await ring.execute("delete from tombstone")
    await ring.execute("alter table tombstone enable trigger all")
    assert len(await named(relayed_service, tallies, KEYS)) == 2
    await ring.close()


async def test_a_destroyed_key_that_is_there_again_is_named(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given a destroyed key that somebody put back beside its tombstone, its owner is named."""
    ring = await asyncpg.connect(tallies.ring)
    subject = await ring.fetchval("select min(subject) from data_key")
    await ring.execute("insert into tombstone (subject) values ($1)", subject)
    await ring.close()
    (line,) = await named(relayed_service, tallies, KEYS)
    assert subject in line


async def test_a_keyring_that_was_rolled_back_alone_is_found(relayed_service: RelayedService, tallies: Tallies) -> None:
    """Given a key that is lost with the keyring's last hour and made anew, which opens no event before it, it is named."""
    ring = await asyncpg.connect(tallies.ring)
    subject = await ring.fetchval("select min(subject) from data_key")
    await ring.execute("delete from data_key where subject = $1", subject)
    pool = await connections.create_pool(as_application(tallies.ring))
    await PostgresKeyring(pool, new_kek()).keys_for_sealing([subject])
    await pool.close()
    assert await named(relayed_service, tallies, KEYS) == [], "within a minute it may be a clock's"
    await ring.execute(
        "update data_key set created_at = created_at + interval '61 seconds' where subject = $1", subject
    )
    await ring.close()
    (line,) = await named(relayed_service, tallies, KEYS)
    assert subject in line
    assert "was made after an event that it seals" in line


SPOILT = {
    "event": {STORE, PLACES, LOG, VERSIONS, CHAINS, FOLDS, FOLLOWS, KEYS, TOPIC},
    "head": {STORE, PLACES, FOLLOWS},
    "answer": {PLACES, LOG, FOLLOWS},
    "claim": {FOLLOWS},
    "relayed": {STORE},
    "access_log": {ACCESS},
    "access_head": {ACCESS},
    "data_key": {KEYS},
}
"""A table of which the disk has spoilt a page -> the checks that cannot be made without it, and say so."""


@pytest.mark.parametrize("table", SPOILT)
async def test_a_spoilt_page_is_a_finding_and_hides_no_other_check(
    relayed_service: RelayedService, tallies: Tallies, table: str
) -> None:
    """Given a page that PostgreSQL refuses, each check that reads it says so, and every other one is made to its end."""
    await spoil_page(tallies.ring if table == "data_key" else relayed_service.owner, table)
    found = {one.check: one.problems for one in await findings(relayed_service, tallies) if not one.ok}
    assert set(found) == SPOILT[table]
    assert any("DataCorruptedError" in line for lines in found.values() for line in lines)
