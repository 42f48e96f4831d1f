"""What waits in reporting itself: streams in quarantine, shown to the readers of their cases."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.reporting.projection import projector
from services.reporting.queries import waits
from services.reporting.queries.waits import list_waits
from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.waiting import waiting_events
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, project, reader, refold_differences

Pool = asyncpg.Pool
GOLDEN = Path(__file__).parents[2] / "unit" / "contract" / "golden" / "waiting.json"


def opened(scenarios: RecordedScenarios) -> Fact:
    return next(fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened")


async def hold(pool: Pool, offset: int, stream: str, body: bytes) -> None:
    """Put an event of disposal into the quarantine of reporting."""
    await pool.execute(
        'insert into quarantine (consumer, topic, partition, "offset", stream, version, headers, body, error)'
        " values ('reporting', 'ooc.disposal.events', 0, $1, $2, 7, '[]', $3, 'BrokenHistory')",
        *(offset, stream, body),
    )


async def test_what_reporting_holds_itself_waits_in_its_case(pool: Pool) -> None:
    """Given a disposal's event in quarantine, then its case says so to its own area until it is released."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    fact = opened(scenarios)
    assert await list_waits(pool, reader()) == ()
    await hold(pool, 9, fact.envelope.stream, fact.body or b"")
    (wait,) = await list_waits(pool, reader())
    line = wait.view()
    assert line["sentence"].startswith("what was recorded in disposal from version 7 on has not reached reporting")
    assert line["homes"] == [str(fact.envelope.home)]
    assert await list_waits(pool, reader(), fact.envelope.home) == [wait]
    assert await list_waits(pool, reader(), uuid4()) == []
    assert await list_waits(pool, reader("DEVON")) == []
    assert await list_waits(pool, reader(barred=[fact.envelope.home])) == []
    await pool.execute("delete from quarantine")
    assert await list_waits(pool, reader()) == ()


async def test_a_row_that_nobody_can_read_keeps_no_other_from_being_listed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given rows in quarantine that are too deep, of no stream, or break their reader, those beside them are listed."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    fact = opened(scenarios)
    body = fact.body or b""
    deep = body[: body.index(b'"data":')] + b'"data":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
    other = next(one.envelope.stream for one in scenarios.facts if one.envelope.stream.startswith("education/"))
    rows = [
        (f"disposal/{'-' * 36}", body),
        (f"disposal/{uuid4()}", deep),
        (other, b"\xff"),
        (fact.envelope.stream, body),
    ]
    for n, (stream, content) in enumerate(rows):
        await hold(pool, n, stream, content)

    def read(stream: str, content: bytes) -> Fact | None:
        if content == b"\xff":
            raise RuntimeError("a defect of a reader")
        return projector.read_or_none(stream, content)

    monkeypatch.setattr(waits, "read_or_none", read)
    listed = {wait.wait.source: wait.homes for wait in await list_waits(pool, reader())}
    assert listed.keys() == {stream for stream, _ in rows[2:]}
    assert listed[other], "the case of a known stream is known though its event cannot be read"


async def test_waits_that_an_earlier_release_recorded_are_kept_and_ignored(pool: Pool) -> None:
    """Given the stored events of a wait, when they are projected, then they are facts without a row, and the check agrees."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    position = max(fact.position or 0 for fact in scenarios.facts if fact.envelope.stream.startswith("disposal/"))
    stream_hash, facts = GENESIS, []
    for n, body in enumerate(json.loads(GOLDEN.read_text(encoding="utf-8")), start=1):
        stream_hash = next_hash(stream_hash, body.encode())
        fact = waiting_events("disposal").read(body.encode())
        recorded_at = datetime(2026, 6, 29, 12, tzinfo=UTC)
        facts.append(replace(fact, position=position + n, recorded_at=recorded_at, hash=stream_hash))
    await project(pool, facts, 2)
    id_ = UUID(facts[0].envelope.stream.partition("/")[2])
    assert await pool.fetchval("select count(*) from fact where stream = $1", id_) == 5
    assert await pool.fetchval("select count(*) from stream where stream = $1", id_) == 0
    assert await refold_differences(pool) == []
