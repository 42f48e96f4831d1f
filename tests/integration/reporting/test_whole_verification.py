"""`ooc verify` over every service and reporting: it says at once where reporting holds what no event store does."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaProducer

from services.console.service_verification import Finding, verify_checkpoints
from services.console.topic_verification import comparing_topic
from services.console.verification import verify
from services.console.verification_checks import Progress, streams_and_projection
from services.console.verification_processes import CheckFailed, Processes, connect
from services.registry import DECIDING, databases_without_events, deciding_services
from services.reporting.verify import stream_differences
from shared.database import create_pool
from shared.kafka import VERIFIER
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import (
    KEYRING_DATABASE,
    databases,
    provision_topics,
    service_database,
)
from shared.runtime.settings import Settings
from shared.runtime.verification.log import end_of_log
from shared.runtime.verification.problems import Problems
from shared.runtime.verification.streams import StreamChecks
from shared.runtime.verification.topic import PATIENCE_SECONDS
from shared.transparency.log import ACCESS, EVENTS
from tests.bench.verification import System
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import committed
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, project
from tests.isolated_settings import IsolatedSettings

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def settings(postgres_url: str, kafka_bootstrap: str) -> AsyncIterator[Settings]:
    """Every database and topic, with nothing in them."""
    wanted = [KEYRING_DATABASE, *(service_database(service.name) for service in DECIDING), *databases_without_events()]
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
    """Given an empty system, all is whole; given events in reporting that no store and topic holds, each service is named."""
    assert await broken(settings) == []
    scenarios = RecordedScenarios()
    scenarios.play("01")
    database = await create_pool(settings.database("reporting", role_name(RoleKind.WORKER, "reporting")))
    await project(database, scenarios.facts, 500)
    await database.close()
    (found,) = await broken(settings)
    assert (found.service, found.check) == ("reporting", "holds nothing that the event stores do not")
    services = {fact.envelope.stream.partition("/")[0] for fact in scenarios.facts}
    assert {line.partition(":")[0] for line in found.problems} == services


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
        "update signed_checkpoint set root = sha256('x') where size = (select max(size) from signed_checkpoint)",
        "delete from relayed",
    ),
    "disposal": (
        "delete from claim where key = (select min(key) from claim)",
        "insert into claim (key, stream) values ('a claim of nobody', 'disposal/nobody')",
    ),
    "keyring": (
        "delete from data_key where subject = (select min(subject) from data_key)",
        "insert into tombstone (subject) select max(subject) from data_key",
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


async def tamper(settings: Settings) -> None:
    """Do everything in every database, past its triggers."""
    for name, statements in KINDS.items():
        owner = await asyncpg.connect(settings.database(name, "postgres"))
        await owner.execute("set session_replication_role = replica")
        for statement in statements:
            assert not (await owner.execute(statement)).endswith(" 0"), statement
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


def lines_of(streams: StreamChecks) -> list[tuple[str, ...]]:
    """Return what is broken, check by check."""
    return [one.lines for one in (streams.versions, streams.chains, streams.histories, streams.claims, streams.keys)]


async def differences_of(
    settings: Settings, reporting: asyncpg.Pool[asyncpg.Record]
) -> dict[str, tuple[StreamChecks, list[str]]]:
    """Return what one walk through the streams of each service finds there and in reporting."""
    found = {}
    for service in deciding_services():
        async with await connect(settings, service.name) as database, await connect(settings, "keyring") as keyring:
            end = await end_of_log(database)
            sources = (service, database, keyring, settings.kafka_as(VERIFIER), end)
            found[service.name] = await streams_and_projection(*sources, lambda _: None, reporting)
    return found


async def topics_and_trees(settings: Settings) -> list[tuple[str, ...]]:
    """Return what is broken in the topic and the signed logs of each service, where neither follows a walk through the log."""
    found = []
    for service in deciding_services():
        async with await connect(settings, service.name) as database:
            end, topic, kafka = await end_of_log(database), Problems(), settings.kafka_as(VERIFIER)
            async with comparing_topic(service, database, kafka, min(end.position, end.last), topic) as comparison:
                await comparison.finish()
            logs = verify_checkpoints(service.name, (EVENTS, ACCESS), database, kafka, service.checkpoints_topic)
            found += [topic.lines, *[one.problems async for one in logs]]
    return found


async def test_processes_find_what_this_one_finds(postgres_url: str, kafka_bootstrap: str) -> None:
    """Given a whole system, and then every kind of break, two processes find what one finds, word for word and in order.

    So do reporting, the topics and the signed logs, where each is read by itself instead of following a walk through the event
    store. A failure of reporting itself is one of its differences, and hides nothing of the event store.
    """
    system = System(postgres_url, kafka_bootstrap)
    try:
        await system.fill(400)
        reached: list[tuple[float, int]] = []
        alone = [found async for found in verify(system.settings, 1, lambda *now: reached.append(now))]
        assert [found for found in alone if not found.ok] == []
        require_progress(reached, system.events)
        reached.clear()
        assert [found async for found in verify(system.settings, 2, lambda *now: reached.append(now))] == alone
        require_progress(reached, system.events)
        await tamper(system.settings)
        await intrude(system.settings, "ooc.rj_conference.events")
        alone = [found async for found in verify(system.settings, 1)]
        assert {found.check for found in alone if not found.ok} >= FOUND
        assert [found async for found in verify(system.settings, 2)] == alone
        assert await topics_and_trees(system.settings) == [
            found.problems
            for found in alone
            if found.check.startswith(("topic equals", "the log")) and found.service != "reporting"
        ]
        async with await connect(system.settings, "reporting") as reporting:
            followed = await differences_of(system.settings, reporting)
            by_itself = {name: await stream_differences(reporting, name) for name in followed}
        assert {name: found for name, (_, found) in followed.items()} == by_itself
        assert any("the event is one of referral/" in line for line in by_itself["referral"])
        failed = await differences_of(system.settings, reporting)
        assert {name: lines_of(streams) for name, (streams, _) in failed.items()} == {
            name: lines_of(streams) for name, (streams, _) in followed.items()
        }
        assert all("could not be finished" in found[-1] for _, found in failed.values())
    finally:
        await system.remove()


async def ended(*_sources: Any) -> None:
    """Check that the system ends, as it does for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


async def unable(*_sources: Any) -> None:
    """Check that cannot be run."""
    raise OSError("no connection")


async def endless(*sources: Any) -> None:
    """Check that writes down in which process it runs, and does not come to an end."""
    *_, note, _passed = sources
    Path(note).write_text(str(os.getpid()), encoding="utf-8")
    await asyncio.Event().wait()


@pytest.mark.parametrize(("check", "why"), [(ended, r"by signal 9 \(SIGKILL\)"), (unable, "OSError: no connection")])
async def test_a_process_that_fails_ends_the_verification(settings: Settings, check: Any, why: str) -> None:
    """Given a process that is killed or cannot check, the verification fails, says how it ended, and leaves no process."""
    before = multiprocessing.active_children()
    async with asyncio.timeout(2 * PATIENCE_SECONDS), Processes(settings, 2, Progress(print, 0)) as processes:
        results = processes.run((check,) * 6, deciding_services()[0], None, None, None, None)
        with pytest.raises(CheckFailed, match=why):
            await anext(results)
    assert multiprocessing.active_children() == before


def verify_for_ever(settings: Settings, note: str) -> None:
    """Verify in a process that itself is one of the test's."""

    async def run() -> None:
        async with Processes(settings, 1, Progress(print, 0)) as processes:
            async for _ in processes.run((endless,), deciding_services()[0], None, None, None, note):
                pass

    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # as at a terminal: what runs in the background may ignore it
    asyncio.run(run())


def running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_processes_end_with_the_one_that_verifies(settings: Settings, tmp_path: Path, how: int) -> None:
    """Given a verification that is ended by Ctrl-C, politely or at once, then none of its processes is left."""
    note = tmp_path / "pid"
    verifying = multiprocessing.get_context("spawn").Process(target=verify_for_ever, args=(settings, str(note)))
    verifying.start()
    try:
        await eventually(lambda: note.read_text(encoding="utf-8") != "", 2 * PATIENCE_SECONDS)
        assert verifying.pid is not None
        os.kill(verifying.pid, how)
        await eventually(lambda: not running(int(note.read_text(encoding="utf-8"))), PATIENCE_SECONDS)
        await eventually(lambda: not verifying.is_alive(), PATIENCE_SECONDS)
    finally:
        verifying.kill()
        verifying.join()
