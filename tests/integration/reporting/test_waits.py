"""What waits, as reporting shows it: in the case and on the daily sheet of the officers of both ends, until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.disposal.service import service as disposal
from services.reporting.projection.projector import read_or_none
from services.reporting.queries.cases import case
from services.reporting.queries.daily_sheet import daily_sheet
from shared.domain.dates import end_of_day, local_day
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.domain.waiting import EndWaiting, RecordWaiting, Wait, waiting_service
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import CommandHandler
from shared.messaging.wait_recorder import StandingWait, WaitRecorder, held_streams
from shared.privacy.keyring import MemoryKeyring
from tests.integration.reporting.recorded_scenarios import (
    RecordedScenarios,
    play,
    project,
    reader,
    refold_differences,
)

Pool = asyncpg.Pool
NOON = datetime(2026, 6, 29, 12, tzinfo=UTC)
SENTENCE = "the attendance of 4 May 2026 has not reached the condition: the condition is not active."


class Desk:
    """Records waits in the event store of disposal, after what a story has recorded there."""

    def __init__(self, scenarios: RecordedScenarios) -> None:
        self.scenarios = scenarios
        self.handler = CommandHandler(waiting_service(disposal), MemoryEventStore(), MemoryKeyring(), b"digest")
        self.position = max(f.position or 0 for f in scenarios.facts if f.envelope.stream.startswith("disposal/"))

    async def facts(self, wait_id: UUID, *commands: tuple[datetime, Command]) -> Sequence[Fact]:
        """Return the facts of a wait, as they follow in the topic."""
        actor = Actor(id=uuid4(), role="SYSTEM", organisation="disposal", labels={"area": "DORSET"})
        for at, command in commands:
            command_id = uuid4()
            await self.handler.handle(CommandRequest(command, wait_id, command_id, actor, at, command_id))
        facts = await self.handler.open((await self.handler.event_store.load(f"disposal/{wait_id}")).records)
        return [replace(one, position=self.position + n, recorded_at=NOON) for n, one in enumerate(facts, start=1)]


def opened(scenarios: RecordedScenarios) -> Fact:
    return next(fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened")


def wait_for(target: str, source: str) -> Wait:
    return Wait(
        kind="REACTION",
        consumer="disposal-reactor",
        name="attendance-of-condition",
        source=source,
        version=3,
        targets=(target,),
        rules=("S1",),
        reason="The condition is not active.",
        sentence=SENTENCE,
        since=NOON,
    )


async def test_a_wait_stands_in_the_case_and_on_the_sheet_until_it_ends(pool: Pool) -> None:
    """Given a wait for a disposal, when it is told and then ends, then case and sheet show it for those days, to its own area."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    target, wait_id = opened(scenarios).envelope, uuid4()
    source = next(f.envelope.stream for f in scenarios.facts if f.name == "AttendanceRecorded")
    wait = wait_for(target.stream, source)
    facts = await Desk(scenarios).facts(
        wait_id, (NOON, RecordWaiting(home=UUID(int=3), wait=wait)), (NOON + timedelta(days=2), EndWaiting())
    )
    await project(pool, facts[:1], 1)
    answer = await case(pool, reader(), target.home)
    assert isinstance(answer, dict)
    (line,) = answer["waiting"]
    assert (line["sentence"], line["source_stream"], line["target_streams"]) == (SENTENCE, source, [target.stream])
    (listed,) = (await daily_sheet(pool, reader(), end_of_day(date(2026, 6, 29))))["waiting"]
    places = (fact.event for fact in scenarios.facts if fact.name == "PlaceBooked" and fact.envelope.stream == source)
    others = {place.case_id for place in places} - {target.home}  # type: ignore[attr-defined]
    assert others
    for of_the_same_session in others:
        other = await case(pool, reader(), of_the_same_session)
        assert isinstance(other, dict)
        assert other["waiting"] == []
    assert listed["case_ids"] == [str(target.home)]
    officers = await pool.fetch("select distinct officer from stream where service || '/' || stream = any($1)", [source, target.stream])  # fmt: skip
    assert set(listed["officers"]) == {str(row["officer"]) for row in officers if row["officer"]}
    assert (await daily_sheet(pool, reader(), end_of_day(date(2026, 6, 28))))["waiting"] == []
    assert (await daily_sheet(pool, reader("DEVON"), end_of_day(date(2026, 6, 29))))["waiting"] == []
    assert (await daily_sheet(pool, reader(barred=[target.home]), end_of_day(date(2026, 6, 29))))["waiting"] == []
    assert await refold_differences(pool) == []

    await project(pool, facts, 10)
    assert await refold_differences(pool) == []
    assert (await daily_sheet(pool, reader(), end_of_day(date(2026, 6, 30))))["waiting"] != []
    assert (await daily_sheet(pool, reader(), end_of_day(date(2026, 7, 1))))["waiting"] == []
    answer = await case(pool, reader(), target.home)
    assert isinstance(answer, dict)
    assert answer["waiting"] == []


async def test_a_row_that_the_facts_do_not_make_is_found(pool: Pool, owner: Any) -> None:
    """Given a wait whose row somebody ends in the table, when the projection is verified, then it is found."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    wait_id = uuid4()
    wait = wait_for(opened(scenarios).envelope.stream, f"education/{uuid4()}")
    await project(pool, await Desk(scenarios).facts(wait_id, (NOON, RecordWaiting(home=uuid4(), wait=wait))), 1)
    await owner.execute("update waiting set ended_at = now()")
    assert await refold_differences(pool) == [f"disposal/{wait_id}: what waits is not what its facts make"]


async def test_what_reporting_holds_itself_waits_in_its_case(pool: Pool) -> None:
    """Given a disposal's event in reporting's quarantine, when it is looked at, then its case says so until it is released."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    fact = opened(scenarios)
    await pool.execute(
        'insert into quarantine (consumer, topic, partition, "offset", stream, version, headers, body, error)'
        " values ('reporting', 'ooc.disposal.events', 0, 9, $1, 7, '[]', $2, 'BrokenHistory')",
        fact.envelope.stream,
        fact.body,
    )
    recorder = WaitRecorder("reporting", lambda connection: held_streams(connection, "reporting", read_or_none), pool)
    assert (await recorder.record(), await recorder.record()) == (1, 0)
    answer = await case(pool, reader(), fact.envelope.home)
    assert isinstance(answer, dict)
    (line,) = answer["waiting"]
    assert line["sentence"].startswith("what was recorded in disposal from version 7 on has not reached reporting")
    (listed,) = (await daily_sheet(pool, reader(), end_of_day(local_day(datetime.now(UTC)))))["waiting"]
    officer = await pool.fetchval("select officer from stream where stream = $1", fact.stream_id)
    assert (listed["sentence"], str(officer) in listed["officers"]) == (line["sentence"], True)
    await pool.execute("delete from quarantine")
    assert await recorder.record() == 1
    answer = await case(pool, reader(), fact.envelope.home)
    assert isinstance(answer, dict)
    assert answer["waiting"] == []


async def test_a_row_that_nobody_can_read_keeps_no_other_from_being_told(pool: Pool) -> None:
    """Given rows in quarantine that are too deep, of no stream, or break their reader, those beside them are recorded."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    fact = opened(scenarios)
    body = fact.body or b""
    deep = body[: body.index(b'"data":')] + b'"data":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
    rows = [
        (f"disposal/{'-' * 36}", body),
        (f"disposal/{uuid4()}", deep),
        (f"disposal/{uuid4()}", b"\xff"),
        (fact.envelope.stream, body),
    ]
    for n, (stream, content) in enumerate(rows):
        await pool.execute(
            'insert into quarantine (consumer, topic, partition, "offset", stream, version, headers, body, error)'
            " values ('reporting', 'ooc.disposal.events', 0, $1, $2, 7, '[]', $3, 'x')",
            *(n, stream, content),
        )

    def read(stream: str, content: bytes) -> Fact | None:
        if content == b"\xff":
            raise RuntimeError("a defect of a reader")
        return read_or_none(stream, content)

    recorder = WaitRecorder("reporting", lambda connection: held_streams(connection, "reporting", read), pool)
    assert (await recorder.record(), await recorder.record()) == (3, 0)
    sources = {row["source"] for row in await pool.fetch("select source from waiting")}
    assert sources == {stream for stream, _ in rows[1:]}


async def test_a_wait_that_cannot_be_recorded_keeps_no_other_from_it(pool: Pool) -> None:
    """Given a wait with a text that PostgreSQL does not take, the others are recorded, and nothing ends."""
    good, bad = (wait_for(f"disposal/{uuid4()}", f"education/{uuid4()}") for _ in range(2))
    waits = {
        uuid4(): StandingWait(bad.model_copy(update={"reason": "\0"}), uuid4(), {}),
        uuid4(): StandingWait(good, uuid4(), {}),
    }

    async def standing(_: Any) -> dict[UUID, StandingWait]:
        return waits

    assert await WaitRecorder("reporting", standing, pool).record() == 1
    assert [row["source"] for row in await pool.fetch("select source from waiting")] == [good.source]


async def test_a_lost_command_is_shown_to_who_sent_it_though_its_case_is_lost_too(pool: Pool) -> None:
    """Given a lost command of a stream that nobody knows, then its sender's sheet shows it, and nobody else's."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    lost, sender = f"disposal/{uuid4()}", reader()
    wait = wait_for(lost, lost).model_copy(update={"kind": "COMMAND", "sender": sender.actor.id})
    await project(pool, await Desk(scenarios).facts(uuid4(), (NOON, RecordWaiting(home=uuid4(), wait=wait))), 1)
    (listed,) = (await daily_sheet(pool, sender, end_of_day(date(2026, 6, 29))))["waiting"]
    assert listed["officers"] == [str(sender.actor.id)]
    other = replace(sender, actor=sender.actor.model_copy(update={"id": uuid4()}))
    assert (await daily_sheet(pool, other, end_of_day(date(2026, 6, 29))))["waiting"] == []
    assert await refold_differences(pool) == []
