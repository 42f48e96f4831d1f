"""A supervisor looks at parked reactions, tries one again and closes one, by the API of the service where they wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.disposal.service import service
from services.system.registry import deciding_services
from shared.api.schemas import ReactionDecided, WaitingReaction
from shared.api.waits import Waits
from shared.domain.waiting import waiting_service
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import CommandHandler
from shared.messaging.consumer.batch import BatchResult
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.reactions import ReactionRunner
from shared.privacy.keyring import KeyEncryptionKeys, MemoryKeyring, PostgresKeyring
from shared.runtime.application import service_api
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import provision_databases
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.consumers.batches import process_batch
from tests.integration.reporting.recorded_scenarios import play

LATER = datetime(2030, 1, 1, tzinfo=UTC)
NOBODY = UUID(int=0)
_COLUMNS = """
    select string_agg(column_name, ', ') from information_schema.columns
    where table_name = 'parked' and column_name not in ('command_id', 'sequence')
"""


@dataclass
class Place:
    """Disposal's database with the reactions to one child's register, which all wait; and its API."""

    pool: asyncpg.Pool[asyncpg.Record]
    auditor: asyncpg.Pool[asyncpg.Record]
    reacting: ReactionRunner
    records: list[ConsumedEvent]
    client: Client
    offset: int = 0

    async def take(self) -> BatchResult:
        """Take the records, as if they had never come."""
        consumer = f"test-{uuid4().hex[:8]}"
        async with self.pool.acquire() as connection:
            return await process_batch(
                connection, consumer, self.records[0].topic, 0, self.records, self.reacting.apply
            )

    async def ids(self, role: str = "SUPERVISOR", **more: Any) -> list[str]:
        """Return the ids of what a person is shown as waiting, each line of the declared shape."""
        token = await self.client.token(role, **more)
        answer = await self.client.read("/v1/reactions", token=token, reason="INC_1")
        for line in answer.json():
            WaitingReaction.model_validate(line)
        return [line["command_id"] for line in answer.json()]

    async def waits(self, role: str = "SUPERVISOR", query: str = "", **more: Any) -> dict[str, Any]:
        """Return a page of what a person is shown as waiting, each line of the declared shape."""
        token = await self.client.token(role, **more)
        answer = await self.client.read(f"/v1/waits{query}", token=token, reason="INC_1")
        assert answer.status_code == 200, answer.text
        return Waits.model_validate(answer.json()).model_dump(mode="json")

    async def decide(self, path: str, *, token: str | None = None, **more: Any) -> httpx2.Response:
        headers = {
            "Authorization": f"Bearer {token or await self.client.token('SUPERVISOR')}",
            "Access-Reason": "INC_1",
        }
        return await self.client.http.post(f"/v1/reactions/{path}", headers=headers, **more)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Yield the worker's own way of trying again."""

        async def work() -> None:
            while True:
                await self.reacting.retry_parked(self.pool)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def place(settings: Settings, issuer: str) -> AsyncIterator[Place]:
    await provision_databases(settings, [service.name], ())
    app = service_api(service, settings, deciding_services)
    scenarios = play("13")
    register = next(fact.envelope.stream for fact in scenarios.facts if fact.name == "AttendanceRecorded")
    topic = "ooc.education.events"
    records = [
        decode(
            *(topic, 0, offset, str(fact.envelope.home).encode()),
            [
                ("ce_id", str(fact.event_id).encode()),
                ("ce_type", fact.envelope.type.encode()),
                ("ce_subject", fact.envelope.stream.encode()),
                ("ooc_version", str(fact.version).encode()),
                ("ooc_position", str(fact.position).encode()),
                ("ooc_recorded_at", fact.recorded_at.isoformat().encode() if fact.recorded_at else b""),
                ("ooc_hash", (fact.hash or b"").hex().encode()),
            ],
            fact.body,
        )
        for offset, fact in enumerate(scenarios.histories[register])
    ]
    as_worker = settings.database(service.name, role_name(RoleKind.WORKER, service.name))
    as_verify = settings.database(service.name, role_name(RoleKind.VERIFY))
    async with (
        asyncpg.create_pool(as_worker, min_size=1, max_size=4) as pool,
        asyncpg.create_pool(as_verify, min_size=1, max_size=1) as auditor,
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://disposal") as http,
    ):
        handler = CommandHandler(service, PostgresEventStore(pool), MemoryKeyring(), b"digest")
        reacting = ReactionRunner(handler, "disposal-reactor", lambda: LATER)
        yield Place(pool, auditor, reacting, records, Client(http, issuer))
        await pool.execute("delete from parked")


async def test_a_parked_reaction_is_shown_and_tried_again(place: Place) -> None:
    """Given reactions to a case that is not open, when one is tried again, then it is refused again, and is shown with its tries."""
    await place.take()
    ids = await place.ids()
    assert ids
    assert await place.ids("SUPERVISOR", area="DEVON") == []
    reaction = (await place.client.read(f"/v1/reactions/{ids[0]}", role="SUPERVISOR")).json()
    assert reaction["sentence"].endswith("the stream that it asks has not begun")
    assert (await place.client.read(f"/v1/reactions/{NOBODY}", role="SUPERVISOR")).status_code == 404
    elsewhere = await place.client.token("SUPERVISOR", area="DEVON")
    assert (await place.decide(f"{ids[0]}/close", token=elsewhere)).status_code == 404

    rehearsed = ReactionDecided.model_validate((await place.decide(f"{ids[0]}/retry?dry_run=true")).json())
    assert (rehearsed.dry_run, rehearsed.waits, rehearsed.reaction.attempts) == (True, True, 1)
    async with place.working():
        tried = ReactionDecided.model_validate((await place.decide(f"{ids[0]}/retry")).json())
    assert (tried.taken_up, tried.waits, tried.reaction.attempts) == (True, True, 2)
    assert (await place.decide(f"{ids[0]}/retry", token=await place.client.token("AUDITOR"))).status_code == 403


async def test_a_closed_reaction_is_recorded_and_never_done(place: Place, settings: Settings) -> None:
    """Given a parked reaction, when a supervisor closes it, then it is gone, its words are sealed, and its event does nothing."""
    await place.take()
    first, *others = await place.ids()
    assert (await place.decide(f"{first}/close?dry_run=true")).json()["waits"] is True
    assert await place.ids() == [first, *others]
    wrong = await place.decide(f"{first}/close", json={"why": ""})
    assert wrong.status_code == 422
    answer = await place.decide(f"{first}/close", json={"why": "It belongs to another child."})
    assert (answer.status_code, answer.json()["waits"]) == (200, False)
    assert await place.ids() == others
    assert (await place.decide(f"{first}/close")).status_code == 404
    rows = await place.auditor.fetch(
        "select type, body from event where stream = $1 order by version", f"disposal/{first}"
    )
    assert [row["type"].split(".")[2] for row in rows] == ["WaitingBegan", "WaitingClosed"]
    assert b"INC_1" in rows[1]["body"]
    assert b"another child" not in rows[1]["body"]
    keys = await asyncpg.create_pool(settings.database("keyring", role_name(RoleKind.API, service.name)), min_size=1)
    keyring = PostgresKeyring(keys, KeyEncryptionKeys.of(settings))
    opening = CommandHandler(waiting_service(service), place.reacting.handler.event_store, keyring, b"")
    facts = await opening.open((await opening.event_store.load(f"disposal/{first}")).records)
    assert facts[-1].event.why.value == "It belongs to another child."  # type: ignore[attr-defined]
    assert facts[-1].actor.role == "SUPERVISOR"
    await keys.close()

    await place.take()
    assert await place.ids() == others
    assert {wait["id"] for wait in (await place.waits())["waits"]} == set(others)
    state = await place.client.read(f"/v1/disposals/{first}", role="SUPERVISOR")
    assert state.status_code == 404


async def test_many_closures_at_once_leave_connections_to_each_other(place: Place) -> None:
    """Given more reactions that wait than an API has connections, when all are closed at once, then each is, and the API answers."""
    await place.take()
    others = await place.pool.fetchval(_COLUMNS)
    await place.pool.execute(
        f"insert into parked (command_id, {others})"
        f" select gen_random_uuid(), {others} from parked, generate_series(1, 20)"
    )
    ids = (await place.ids())[:24]
    assert len(ids) == 24
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(place.decide(f"{id_}/close") for id_ in ids))
    assert {answer.status_code for answer in answers} == {200}
    assert set(ids).isdisjoint(await place.ids())


async def test_what_waits_is_listed_for_both_ends_by_pages(place: Place) -> None:
    """Given parked attendances, then those who may read their register list them by pages, and by its home; others see none."""
    await place.take()
    ids = set(await place.ids())
    listed = await place.waits()
    assert ({wait["id"] for wait in listed["waits"]}, listed["next"]) == (ids, None)
    assert {wait["source_stream"] for wait in listed["waits"]} == {place.records[0].stream}
    pages: list[list[str]] = []
    after: str | None = ""
    while after is not None:
        page = await place.waits(query=f"?limit=2{after and f'&after={after}'}")
        pages.append([wait["id"] for wait in page["waits"]])
        after = page["next"]
    assert [id_ for page_ids in pages for id_ in page_ids] == [wait["id"] for wait in listed["waits"]]
    assert {len(page_ids) for page_ids in pages[:-1]} <= {2}
    home = place.records[0].fact(next(book for book in service.published if book.service == "education")).envelope.home
    assert await place.waits(query=f"?home={home}") == listed
    assert (await place.waits(query=f"?home={NOBODY}"))["waits"] == []
    officer = await place.waits("SAFE_SCHOOLS_OFFICER")
    assert {wait["id"] for wait in officer["waits"]} == ids, "the register is theirs"
    assert (await place.waits("SUPERVISOR", area="DEVON"))["waits"] == []
    assert (await place.waits("SUPERVISOR", conflicts=str(home)))["waits"] == []
    assert (await place.waits("RJ_FACILITATOR"))["waits"] == []
    assert (await place.client.read("/v1/waits", role="SCHOOL")).status_code == 403
    assert (await place.client.read("/v1/waits", role="AUDITOR")).status_code == 403, "no reason is given"
