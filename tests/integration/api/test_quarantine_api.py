"""Operators look at held records, gaps and alarms, and decide about them, by the API; the worker carries it out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from services.education.service import service
from shared.api import quarantine
from shared.messaging.consumer.alarms import ALARMS, clear_alarms, raise_alarm
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.decisions import Decision
from shared.messaging.consumer.quarantine import HeldGap, QuarantinedStream, retry_requested
from shared.runtime.application import service_api
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import Connection
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.consumers.batches import process_batch
from tests.integration.consumers.publishing import Author, Message

REASON = {"reason": "INC_4711"}


@dataclass
class Consumer:
    """A consumer of the service's database, with records of one partition, some of which it cannot apply."""

    pool: asyncpg.Pool[asyncpg.Record]
    auditor: asyncpg.Pool[asyncpg.Record]
    name: str = field(default_factory=lambda: f"test-{uuid4().hex[:8]}-reactor")
    author: Author = field(default_factory=lambda: Author("note"))
    poisoned: set[int] = field(default_factory=set)
    applied: list[tuple[str, int]] = field(default_factory=list)
    offset: int = 0

    @property
    def topic(self) -> str:
        return f"{self.name}.note.events"

    async def apply(self, _connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        for record in records:
            if record.version in self.poisoned:
                raise ValueError(f"version {record.version} makes no sense")
        self.applied += [(record.stream, record.version) for record in records]

    async def take(self, messages: Sequence[Message]) -> None:
        records = []
        for message in messages:
            key = str(message.home).encode()
            records.append(decode(self.topic, 0, self.offset, key, message.headers, message.body))
            self.offset += 1
        async with self.pool.acquire() as connection:
            await process_batch(connection, self.name, self.topic, 0, records, self.apply)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Yield the worker's own way of taking up what operators ask for."""

        async def work() -> None:
            while True:
                async with self.pool.acquire() as connection:
                    await retry_requested(connection, self.name, self.apply)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def consumer(settings: Settings) -> AsyncIterator[Consumer]:
    as_worker = settings.database("education", role_name(RoleKind.WORKER, "education"))
    as_verify = settings.database("education", role_name(RoleKind.VERIFY))
    async with (
        asyncpg.create_pool(as_worker, min_size=1, max_size=4) as pool,
        asyncpg.create_pool(as_verify, min_size=1, max_size=1) as auditor,
    ):
        one = Consumer(pool, auditor)
        yield one
        await pool.execute("delete from quarantine where consumer = $1", one.name)
        await clear_alarms(pool, one.name, [*ALARMS, "of_tomorrow"])


LISTS: dict[str, type[BaseModel]] = {
    "alarms": quarantine.StandingAlarm,
    "quarantine": QuarantinedStream,
    "gaps": HeldGap,
    "decisions": Decision,
}


async def listed(api: Client, what: str, consumer: Consumer) -> list[dict[str, Any]]:
    """Return the lines of a list for this consumer; each has its declared shape."""
    answer = await api.read(f"/v1/{what}", role="AUDITOR", reason=REASON["reason"])
    assert answer.status_code == 200, answer.text
    for line in answer.json():
        LISTS[what].model_validate(line, strict=False)
    return [one for one in answer.json() if one["consumer"] == consumer.name]


async def decide(
    api: Client, path: str, *, role: str = "SUPERVISOR", reason: str | None = "INC_4711"
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {await api.token(role)}"} | ({"Access-Reason": reason} if reason else {})
    return await api.http.post(path, headers=headers)


async def last_access(consumer: Consumer) -> tuple[str, str, str]:
    row = await consumer.auditor.fetchrow(
        "select action, outcome, reason from access_log order by sequence desc limit 1"
    )
    assert row is not None
    return tuple(row)


async def test_what_is_held_is_shown_without_its_content_and_each_look_is_logged(
    api: Client, consumer: Consumer
) -> None:
    """Given a poisoned stream, when an auditor looks, then place, size, digest and error are shown, and never a payload."""
    home = uuid4()
    consumer.poisoned = {1}
    await consumer.take([consumer.author.write(home, name="Leo Hartnell"), consumer.author.write(home)])
    (stream,) = await listed(api, "quarantine", consumer)
    assert (stream["records"], stream["cause"]) == (2, "poison")
    assert stream["error"] == "ValueError: version 1 makes no sense"
    assert await last_access(consumer) == ("READ_OPERATIONS", "GIVEN", "INC_4711")
    detail = await api.read(f"/v1/quarantine/{stream['id']}", role="SUPERVISOR")
    assert "Hartnell" not in detail.text
    quarantine.HeldStream.model_validate_json(detail.content, strict=False)
    first, second = detail.json()["held"]
    assert (first["topic"], first["partition"], first["offset"], first["version"]) == (consumer.topic, 0, 0, 1)
    assert (second["cause"], second["offset"]) == ("behind", 1)
    assert first["body_bytes"] > 0
    assert len(first["body_sha256"]) == 64
    status = (await api.http.get("/status")).json()
    (alarm,) = [one for one in status["alarms"] if one["consumer"] == consumer.name]
    assert alarm["runbook"] == "docs/how-to/runbook/poison.md"
    assert alarm["meaning"].startswith("An event cannot be applied")
    assert str(home) not in str(status)


@pytest.mark.parametrize("path", ["alarms", "quarantine", "gaps", "decisions", f"quarantine/{UUID(int=1)}"])
async def test_only_auditors_and_supervisors_look(api: Client, consumer: Consumer, path: str) -> None:
    """Given another role, when it looks at what is held, then it is refused, and that is logged."""
    refused = await api.read(f"/v1/{path}", role="SAFE_SCHOOLS_OFFICER")
    assert refused.status_code == 403
    assert (await last_access(consumer))[:2] == ("READ_OPERATIONS", "FORBIDDEN")


async def test_only_a_supervisor_decides_and_says_why(api: Client, consumer: Consumer) -> None:
    """Given a held stream, when an auditor decides, or nobody says why, then nothing is done, and the first is logged."""
    consumer.poisoned = {1}
    await consumer.take([consumer.author.write(uuid4())])
    (stream,) = await listed(api, "quarantine", consumer)
    for path in (f"quarantine/{stream['id']}/retry", f"quarantine/{stream['id']}/release"):
        refused = await decide(api, f"/v1/{path}", role="AUDITOR")
        assert refused.status_code == 403, refused.text
        assert (await last_access(consumer))[1] == "FORBIDDEN"
        unsaid = await decide(api, f"/v1/{path}", reason=None)
        assert [error["field"] for error in unsaid.json()["errors"]] == ["Access-Reason"]
    assert await listed(api, "quarantine", consumer) == [stream]
    assert await listed(api, "decisions", consumer) == []


async def test_a_retry_is_carried_out_by_the_worker_and_its_outcome_is_the_answer(
    api: Client, consumer: Consumer
) -> None:
    """Given a stream that can be applied by now, when a retry is asked for, then the worker applies it in order."""
    home = uuid4()
    consumer.poisoned = {1, 2}
    await consumer.take([consumer.author.write(home) for _ in range(3)])
    (stream,) = await listed(api, "quarantine", consumer)
    path = f"/v1/quarantine/{stream['id']}/retry"
    dry_run = await decide(api, f"{path}?dry_run=true")
    rehearsed = dry_run.json()
    quarantine.Decided.model_validate_json(dry_run.content)
    assert (rehearsed["dry_run"], rehearsed["records"], rehearsed["taken_up"]) == (True, 3, False)
    assert await last_access(consumer) == ("REHEARSE_RETRY_QUARANTINE", "GIVEN", "INC_4711")
    async with consumer.working():
        assert await listed(api, "decisions", consumer) == []
        consumer.poisoned = {2}
        answer = (await decide(api, path)).json()
        assert (answer["taken_up"], answer["left"]) == (True, 2)
        assert answer["error"] == "ValueError: version 2 makes no sense"
        consumer.poisoned = set()
        answer = (await decide(api, path)).json()
        assert (answer["taken_up"], answer["left"], answer["error"]) == (True, 0, None)
    assert [version for _, version in consumer.applied] == [1, 2, 3]
    assert await listed(api, "quarantine", consumer) == []
    assert await listed(api, "alarms", consumer) == []


async def test_without_a_worker_a_retry_is_recorded_and_said_not_to_be_taken_up(
    api: Client, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a worker that is down, when a retry is asked for, then it is kept for the worker's next start."""
    monkeypatch.setattr(quarantine, "TAKEN_UP_SECONDS", 0.3)
    consumer.poisoned = {1}
    await consumer.take([consumer.author.write(uuid4())])
    (stream,) = await listed(api, "quarantine", consumer)
    answer = (await decide(api, f"/v1/quarantine/{stream['id']}/retry")).json()
    assert (answer["taken_up"], answer["left"]) == (False, None)
    (decision,) = await listed(api, "decisions", consumer)
    assert (decision["action"], decision["reason"]) == ("retry", "INC_4711")
    assert decision["actor"].startswith("SUPERVISOR ")


async def test_a_release_skips_up_to_an_offset_and_the_rest_goes_on(api: Client, consumer: Consumer) -> None:
    """Given three held records, when the first is released, then it is never applied, and the others follow by themselves."""
    home = uuid4()
    consumer.poisoned = {1}
    await consumer.take([consumer.author.write(home) for _ in range(3)])
    (stream,) = await listed(api, "quarantine", consumer)
    path = f"/v1/quarantine/{stream['id']}/release"
    assert (await decide(api, f"{path}?dry_run=true")).json()["records"] == 3
    rehearsed = (await decide(api, f"{path}?through_offset=0&dry_run=true")).json()
    assert rehearsed["records"] == 1
    assert await listed(api, "quarantine", consumer) == [stream]
    async with consumer.working():
        answer = (await decide(api, f"{path}?through_offset=0")).json()
    assert (answer["records"], answer["taken_up"], answer["left"]) == (1, True, 0)
    assert [version for _, version in consumer.applied] == [2, 3]
    (decision,) = await listed(api, "decisions", consumer)
    assert (decision["action"], decision["first_version"], decision["offset"]) == ("skip", 1, 0)
    with pytest.raises(asyncpg.PostgresError):
        await consumer.pool.execute("delete from quarantine_decision where consumer = $1", consumer.name)


async def test_a_gap_is_shown_and_can_be_done_without(api: Client, consumer: Consumer) -> None:
    """Given a missing version, when an operator does without it, then what waited behind is applied, and the gap is gone."""
    home = uuid4()
    messages = [consumer.author.write(home) for _ in range(4)]
    await consumer.take([messages[0], messages[2], messages[3]])
    (gap,) = await listed(api, "gaps", consumer)
    assert (gap["held"], gap["found"], gap["waiting"]) == (1, 3, 2)
    path = f"/v1/gaps/{gap['id']}/release"
    rehearsed = (await decide(api, f"{path}?dry_run=true")).json()
    assert (rehearsed["records"], rehearsed["decisions"][0]["first_version"]) == (2, 2)
    assert [version for _, version in consumer.applied] == [1]
    async with consumer.working():
        answer = (await decide(api, path)).json()
    assert (answer["taken_up"], answer["left"]) == (True, 0)
    assert [version for _, version in consumer.applied] == [1, 3, 4]
    assert await listed(api, "gaps", consumer) == []
    assert await listed(api, "alarms", consumer) == []


async def test_an_alarm_that_nothing_takes_back_is_acknowledged_with_a_reason(api: Client, consumer: Consumer) -> None:
    """Given a malformed position record that passed, when its alarm is acknowledged, then it is gone, and the decision stays."""
    await raise_alarm(consumer.pool, consumer.name, "malformed_position", "ooc.note.position", "offset 3: no JSON")
    (alarm,) = await listed(api, "alarms", consumer)
    path = f"/v1/alarms/{alarm['id']}/acknowledge"
    assert (await decide(api, f"{path}?dry_run=true")).json()["decisions"][0]["action"] == "acknowledge"
    assert await listed(api, "alarms", consumer) == [alarm]
    assert (await decide(api, path)).json()["taken_up"] is True
    assert await listed(api, "alarms", consumer) == []
    (decision,) = await listed(api, "decisions", consumer)
    assert (decision["cause"], decision["stream"]) == ("malformed_position", "ooc.note.position")


async def test_an_alarm_shows_who_looks_after_it_until_it_ends(
    api: Client, consumer: Consumer, settings: Settings
) -> None:
    """Given an alarm, even one that only a relay raises, then an operator attends to it, and raised again it is a new one."""
    place = {"consumer": "relay", "name": "topic_ahead_of_event_store", "place": consumer.name}
    insert = "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, 'behind')"
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    await owner.execute(insert, *place.values())
    try:
        alarm = await _alarm_at(api, consumer.name)
        assert (alarm["attended_by"], alarm["attended_at"]) == (None, None)
        path = f"/v1/alarms/{alarm['id']}/attend"
        assert (await decide(api, f"{path}?dry_run=true")).status_code == 200
        assert await _alarm_at(api, consumer.name) == alarm
        (decision,) = (await decide(api, path)).json()["decisions"]
        assert (decision["action"], decision["cause"]) == ("attend", "topic_ahead_of_event_store")
        attended = await _alarm_at(api, consumer.name)
        assert attended["attended_by"] == decision["actor"].strip()
        assert attended["attended_at"] >= attended["raised_at"] == alarm["raised_at"]
        await owner.execute("delete from alarm where place = $1", consumer.name)
        await owner.execute(insert, *place.values())
        assert (await _alarm_at(api, consumer.name))["attended_by"] is None
    finally:
        await owner.execute("delete from alarm where place = $1", consumer.name)
        await owner.close()


async def _alarm_at(api: Client, place: str) -> dict[str, Any]:
    listed_ = (await api.read("/v1/alarms", role="SUPERVISOR")).json()
    (alarm,) = [one for one in listed_ if one["place"] == place]
    found: dict[str, Any] = alarm
    return found


async def test_an_api_says_at_its_start_what_stands_and_which_page_says_what_to_do(
    settings: Settings, consumer: Consumer
) -> None:
    """Given a topic whose end was lost, when the API starts, then its log says so, with the runbook's page."""
    await raise_alarm(consumer.pool, consumer.name, "lost_tail", "education", "it held position 3")
    app = service_api(service, settings)
    with capture_logs() as logs:
        async with app.router.lifespan_context(app):
            pass
    (line,) = [one for one in logs if one.get("consumer") == consumer.name]
    assert (line["event"], line["log_level"], line["process"]) == ("alarm_stands", "critical", "education-api")
    assert (line["alarm"], line["runbook"]) == ("lost_tail", "docs/how-to/runbook/lost_tail.md")


async def test_an_alarm_of_another_version_is_shown_with_the_runbook_s_index(api: Client, consumer: Consumer) -> None:
    """Given an alarm of a name that this program does not know, when it is listed, then it is shown all the same."""
    await consumer.pool.execute("insert into alarm values ($1, 'of_tomorrow', 'here', 'who knows')", consumer.name)
    (alarm,) = await listed(api, "alarms", consumer)
    assert (alarm["name"], alarm["runbook"]) == ("of_tomorrow", "docs/how-to/runbook/README.md")
    assert (await api.http.get("/status")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["quarantine/{}/retry", "quarantine/{}/release", "gaps/{}/release", "alarms/{}/acknowledge", "alarms/{}/attend"],
)
async def test_what_is_not_held_any_more_is_said(api: Client, path: str) -> None:
    """Given an id of nothing that stands, when it is decided about, then the answer is 404 and says to list again."""
    answer = await decide(api, f"/v1/{path.format(uuid4())}")
    assert answer.status_code == 404
    assert "list again" in answer.json()["detail"]
    assert (await api.read(f"/v1/quarantine/{uuid4()}", role="SUPERVISOR")).status_code == 404
