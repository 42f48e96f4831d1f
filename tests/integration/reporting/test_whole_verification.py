"""`ooc verify` over every service and reporting: it says at once where reporting holds what no event store does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from ooc.evidence.service_verification import Finding
from ooc.evidence.verification import verify
from services.system.registry import DECIDING, databases_without_events
from shared.evidence.verification.topic import PATIENCE_SECONDS
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import every_database, provision_topics
from shared.servers.database import create_pool
from shared.servers.settings import Settings
from tests.bench.corpus import Corpus
from tests.bench.verification import System
from tests.copied_databases import databases
from tests.corruption import spoil_page
from tests.integration.relay.conftest import committed
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, project
from tests.isolated_settings import IsolatedSettings
from tests.release_before import FIRST_VERSION
from tests.release_before import SERVICES as BEFORE


@pytest.fixture
async def settings(postgres_url: str, kafka_bootstrap: str) -> AsyncIterator[Settings]:
    """Every database and topic, with nothing in them."""
    wanted = every_database((service.name for service in DECIDING), databases_without_events())
    settings = IsolatedSettings(
        prefix=f"test_verify_{uuid4().hex[:12]}",
        database_url=postgres_url,
        kafka=kafka_bootstrap,
        kafka_replication=1,
        mode="local",
    )
    named = [(name.replace("ooc", settings.prefix, 1), folders) for name, folders in wanted]
    await databases(postgres_url, named)
    await provision_topics(settings, [service.name for service in DECIDING], ["reporting"])
    yield settings
    owner = await asyncpg.connect(postgres_url)
    for name, _ in named:
        await owner.execute(f'drop database "{name}" with (force)')
    await owner.close()


async def broken(settings: Settings) -> list[Finding]:
    """Return the findings that are not whole, soon."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [found async for found in verify(settings) if not found.ok]


async def test_reporting_ahead_of_its_stores_is_said_at_once(settings: Settings) -> None:
    """Given an empty system, all is whole; given events in reporting that no store and topic holds, each service is named, and who is merged counts once."""
    assert await broken(settings) == []
    scenarios = RecordedScenarios()
    scenarios.play("107")
    database = await create_pool(settings.database("reporting", role_name(RoleKind.WORKER, "reporting")))
    await project(database, scenarios.facts, 500)
    await database.close()
    findings = [finding async for finding in verify(settings)]
    (found,) = [finding for finding in findings if finding.problems]
    assert (found.service, found.check) == ("reporting", "holds nothing that the event stores do not")
    (folded,) = [finding for finding in findings if finding.check == "projection equals a fresh fold"]
    assert folded.looked_at.endswith(" that name 2 persons")
    services = {fact.envelope.stream.partition("/")[0] for fact in scenarios.facts}
    assert {line.partition("/")[0] for line in found.problems} == services


async def test_a_spoilt_page_ends_no_verification(settings: Settings) -> None:
    """Given a page of each of two databases that PostgreSQL refuses, the checks that read them say so, and all others are made."""
    whole = [found.check async for found in verify(settings)]
    scenarios = RecordedScenarios()
    scenarios.play("01")
    database = await create_pool(settings.database("reporting", role_name(RoleKind.WORKER, "reporting")))
    await project(database, scenarios.facts, 500)
    await database.close()
    await spoil_page(settings.database("reporting", "postgres"), "fact")
    await spoil_page(settings.database("education", "postgres"), "head")
    findings = [found async for found in verify(settings)]
    assert [found.check for found in findings] == whole
    spoilt = {found.check for found in findings if any("DataCorruptedError" in line for line in found.problems)}
    assert spoilt >= {
        "holds nothing that the event stores do not",
        "positions dense, recorded_at growing",
        "projection equals a fresh fold",
    }


KINDS: dict[str, tuple[str, ...]] = {
    "education": (
        "update event set body = set_byte(body, 60, 7) where position = 2",
        "delete from event where position = 4",
        r"update event set body = '\x80ff00' where position = 6",
        "update event set type = 'ooc.education.Unknown.v1' where position = 8",
        "update event set recorded_at = recorded_at - interval '1 hour' where position = 10",
        "update event set recorded_at = 'infinity' where position = 12",
        "update event set home = gen_random_uuid() where position = 14",
        r"update event set stream = E'\n\x1b[31m' where position = 16",
        "delete from event where position = (select position from head)",
    ),
    "referral": (
        "delete from answer where command_id = (select min(command_id::text)::uuid from answer)",
        "update answer set digest = sha256('x') where command_id = (select max(command_id::text)::uuid from answer)",
        "insert into answer select gen_random_uuid(), 'd', stream, 1, 1 from event where position = 1",
        "update event set log_hash = sha256('x') where position = 3",
        """
        delete from linked_mark where (home, mark) =
        (select home, mark from linked_mark where mark like 'disposal.OPENER:%@%' limit 1)
        """,
        "update signed_checkpoint set root = sha256('x') where size = (select max(size) from signed_checkpoint)",
        "delete from relayed",
    ),
    "disposal": (
        "delete from claim where key = (select min(key) from claim)",
        "insert into claim (key, stream) values ('a claim of nobody', 'disposal/nobody')",
        "insert into linked_mark (home, mark) values (gen_random_uuid(), 'rj_conference.LEADER:nobody')",
        "update kept_event set home = gen_random_uuid() where ctid = (select min(ctid) from kept_event)",
        "delete from kept_event where ctid = (select min(ctid) from kept_event)",
    ),
    "keyring": (
        "delete from data_key where subject = (select min(subject) from data_key)",
        "insert into tombstone (subject) select max(subject) from data_key",
        "insert into data_key (subject, generation, epoch, wrapped) values ('person/nobody', 1, 'x', decode(repeat('00', 60), 'hex'))",
    ),
    "notifications": (
        "insert into stream_event values ('education/forged', 1, gen_random_uuid(), now(), '{}')",
        """
        insert into agency_event values
        ('NHS', 9, gen_random_uuid(), 'nobody/forged', 1, gen_random_uuid(), now(), sha256('x'), '{}')
        """,
    ),
    "reporting": (
        "update stream set state = 'NOWHERE' where stream = (select min(stream::text)::uuid from stream)",
        "update stream set view = '{}' where stream = (select max(stream::text)::uuid from stream)",
        "delete from duty where stream = (select max(stream::text)::uuid from duty)",
        "update fact set body = set_byte(body, 60, 7) where service = 'rj_conference' and position = 1",
        "update fact set hash = sha256('x') where service = 'rj_conference' and position = 3",
        "delete from fact where service = 'rj_conference' and position = 5",
        """
        update fact as moved set version = 99, stream = (
            select max(stream::text)::uuid from fact where service = 'referral' and stream <> moved.stream
        )
        where service = 'referral' and position = 1
        """,
    ),
}
"""What somebody with every right over each database does to it."""

FOREIGN: tuple[dict[str, Any], ...] = (
    {"headers": []},
    {"value": None},
    {"key": b"another"},
    {"value": b"another"},
    {"headers": [("ooc_position", b"2")]},
    {"headers": [("ooc_position", b"9" * 5_000)]},
)
"""What somebody who can write to a topic leaves there: parts of a record."""

FOUND = {
    "marks and copies follow from others' events",
    "holds nothing that the event stores do not",
    "data keys are of open epochs",
    "positions dense, recorded_at growing",
    "log hash whole over positions, times and answers",
    "versions gapless",
    "chains whole",
    "events readable, histories fold",
    "answers and claims follow from events",
    "data keys there, or destroyed with a tombstone",
    "topic equals event store, byte for byte",
    "the log events is what was signed",
    "projection equals a fresh fold",
}
"""The checks that say so, at least."""


async def tamper(settings: IsolatedSettings) -> None:
    """Do everything in every database, past its triggers."""
    for name, statements in KINDS.items():
        owner = await asyncpg.connect(settings.database(name, "postgres"))
        await owner.execute("set session_replication_role = replica")
        for statement in statements:
            done = await owner.execute(statement)
            assert not done.endswith(" 0"), statement
        await owner.close()


async def intrude(settings: Settings, topic: str) -> None:
    """Write records that are not the relay's."""
    one = (await committed(settings.kafka, topic))[0]
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        for parts in FOREIGN:
            record = {"value": one.value, "key": one.key, "headers": list(one.headers), "partition": one.partition}
            await producer.send_and_wait(topic, **record | parts)


def require_progress(reached: list[tuple[float, int]], events: int) -> None:
    """See that the progress goes from check to check to the number of events, and never back."""
    assert {of for _, of in reached} == {events}
    assert reached == sorted(reached)
    steps = [done for done, _ in reached]
    assert steps[-1] == events
    assert len(set(steps)) >= 10, "more steps than there are services"


async def test_every_kind_of_break_is_found(postgres_url: str, kafka_bootstrap: str) -> None:
    """Given a whole system, all is whole and the progress complete; given every kind of break, each check names its own.

    Some events are of a version that the release before recorded. A broken event hides no other, and a fact in another stream's history is named.
    """
    system = System(postgres_url, kafka_bootstrap)
    try:
        await system.fill(400, Corpus(files="[01]*.yaml", services=BEFORE))
        store = await asyncpg.connect(system.settings.database("disposal", "postgres"))
        assert await store.fetchval("select count(*) from event where type = $1", FIRST_VERSION)
        await store.close()
        reached: list[tuple[float, int]] = []
        whole = [found async for found in verify(system.settings, lambda *now: reached.append(now))]
        assert [found for found in whole if not found.ok] == []
        require_progress(reached, system.events)
        await tamper(system.settings)
        await intrude(system.settings, "ooc.rj_conference.events")
        findings = [found async for found in verify(system.settings)]
        assert {found.check for found in findings if not found.ok} >= FOUND
        assert [found.check for found in findings] == [found.check for found in whole]
        (marks,) = [found for found in findings if found.check.startswith("marks and copies")]
        lacking = [line.rpartition("gives the home")[2] for line in marks.problems if "not kept" in line]
        assert len(marks.problems) - len(lacking) == 4
        named = sorted(kept.split()[1].partition(":")[0] for kept in set(lacking))
        assert named == ["a", "a", "disposal.OPENER"], "several disposals of a case may give the mark"
        assert not marks.looked_at.startswith("1 "), "the marks that events give are looked at too"
        (copies,) = [found.problems for found in findings if found.check.startswith("holds nothing")]
        assert any(line.startswith("rj_conference/") for line in copies), "not the last fact alone is compared"
        (projection,) = [found.problems for found in findings if found.check == "projection equals a fresh fold"]
        assert any("the event is one of referral/" in line for line in projection)
    finally:
        await system.remove()
