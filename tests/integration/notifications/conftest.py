"""Notifications on real databases, beside the APIs of the services in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.notifications.apis import Apis
from services.notifications.channels import Carrier, Envelope
from services.notifications.database import DATABASE
from services.notifications.follow import following
from services.notifications.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.times import opening_of_next_day
from services.system.addresses import Addresses
from shared.event_store import RecordedEvent
from tests.copied_databases import databases
from tests.hostile import partnership as world
from tests.hostile.partnership import PREFIX, SERVICES, Partnership
from tests.integration.reporting.recorded_scenarios import event_of_row
from tests.isolated_settings import IsolatedSettings
from tests.received_referral import received_referral

settings, partnership = world.settings, world.partnership

NOW: Final = opening_of_next_day(datetime.now(UTC) + timedelta(hours=6))
"""When the tests send: in the morning after the last test of the longest run, since what is recorded later is told later."""
OFFICER: Final = "SAFE_SCHOOLS_OFFICER"


class Killed(BaseException):
    """A worker that was killed."""


@dataclass
class Post:
    """A carrier that remembers what it took, and is asked about it."""

    name: str = "NOTIFY"
    channels: Collection[str] = ("SMS", "EMAIL", "LETTER")
    most_repeats: int = 1_000_000
    taken: list[Envelope] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    async def find(self, envelope: Envelope) -> str | None:
        return next((str(one.id) for one in self.taken if one.id == envelope.id), None)

    async def send(self, envelope: Envelope) -> str | None:
        self.before()
        self.taken.append(envelope)
        self.after()
        return str(envelope.id)

    async def outcome(self, id_: UUID) -> str | None:
        return "DELIVERED" if any(one.id == id_ for one in self.taken) else None


class _ByHost(httpx2.AsyncBaseTransport):
    """Takes each request to the API of its host."""

    def __init__(self, clients: dict[str, httpx2.AsyncClient]) -> None:
        self._clients = clients

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        client = self._clients.get(request.url.host) or self._clients["issuer"]
        return await client._transport.handle_async_request(request)


@dataclass
class Told:
    """A case whose child has a place in a session, and the follower that tells them."""

    partnership: Partnership
    pool: asyncpg.Pool[asyncpg.Record]
    apis: Apis
    referral: UUID = field(default_factory=uuid4)
    session: UUID = field(default_factory=uuid4)
    case: UUID = field(default_factory=uuid4)
    child: UUID = field(default_factory=uuid4)
    mother: UUID = field(default_factory=uuid4)
    sessions: list[UUID] = field(default_factory=list)
    starts_at: datetime = NOW + timedelta(days=10)

    async def tell(self, service: str, stream: UUID, type_: str, **fields: Any) -> None:
        """Send a command as an officer."""
        await self.partnership.tell(service, stream, OFFICER, {"type": type_, **fields})

    async def link(self, person: UUID, role: str, category: str, **details: Any) -> None:
        """Link a person with their details."""
        known = {"name": "Robin Roe", "date_of_birth": "2011-03-14"} | details
        fields = {"person_id": str(person), "role": role, "category": category, "details": known}
        await self.tell("referral", self.referral, "LinkPerson", **fields)

    async def begin(self, **details: Any) -> None:
        """Record a referral with the child in it, and plan a session."""
        body = received_referral(self.case, "2026-03-02T15:20:00+00:00")
        await self.partnership.tell("referral", self.referral, OFFICER, body)
        await self.link(self.child, "HARMER", "SUSPECT", **{"telephone": "07700 900321"} | details)
        await self.plan_session(self.session)

    async def plan_session(self, session: UUID) -> None:
        """Plan a session."""
        self.sessions.append(session)
        plan = {"kind": "WORKSHOP", "topic": "RETAIL", "hours": 2, "place": "The old court house"}
        await self.tell("education", session, "PlanSession", starts_at=self.starts_at.isoformat(), **plan)

    async def book(self, session: UUID | None = None) -> None:
        """Book the child's place."""
        ids = {"person_id": str(self.child), "case_id": str(self.case)}
        await self.tell("education", session or self.session, "BookPlace", **ids)

    async def follow(self, *services: str) -> None:
        """Take the events of this case, or of some services, as the consumer does: what was taken before is taken again."""
        for name in services or ("referral", "education"):
            async with self.pool.acquire() as connection, connection.transaction():
                records: Any = await self.recorded_events(name)
                await following()(connection, records)
        # A row is as old as the database says; these tests say themselves what time it is, at whatever hour they run.
        await self.pool.execute("update message set planned_at = $1 where case_id = $2", NOW, self.case)

    async def recorded_events(self, service: str) -> Sequence[RecordedEvent]:
        """Return the events of this case that a service has recorded."""
        streams = [f"referral/{self.referral}", *(f"education/{session}" for session in self.sessions)]
        store = await asyncpg.connect(self.partnership.settings.worker_database(service))
        rows = await store.fetch("select * from event where stream = any($1) order by position", streams)
        await store.close()
        return [event_of_row(row) for row in rows]

    def sender(self, *carriers: Carrier, now: datetime = NOW) -> Sender:
        """Return a worker that sends at a time."""
        return Sender(self.pool, self.apis, carriers, now=lambda: now)

    async def messages(self) -> Sequence[asyncpg.Record]:
        """Return the rows of this case, by their times."""
        return await self.pool.fetch("select * from message where case_id = $1 order by not_before, id", self.case)

    async def states(self) -> list[tuple[str, str]]:
        """Return template and state of each."""
        return [(row["template"], row["state"]) for row in await self.messages()]

    async def recorded(self, name: str = "MessageSent") -> list[dict[str, Any]]:
        """Return the data of the referral's events of a type, opened for a supervisor."""
        token = await self.partnership.token("SUPERVISOR")
        answer = await self.partnership.read("referral", f"/v1/referrals/{self.referral}/history", token)
        return [line for line in answer.json()["events"] if line["type"] == name]


@pytest.fixture
async def told(settings: IsolatedSettings, partnership: Partnership, postgres_url: str) -> AsyncIterator[Told]:
    """Yield a case, and a follower with an outbox of its own."""
    async with follower(settings, partnership, postgres_url) as made:
        yield made


@asynccontextmanager
async def follower(settings: IsolatedSettings, partnership: Partnership, postgres_url: str) -> AsyncIterator[Told]:
    """Make the outbox, yield a case that nobody is told of yet, and drop the outbox."""
    name = f"{PREFIX}_notifications"
    await databases(postgres_url, [(name, DATABASE[1])])
    pool = await asyncpg.create_pool(settings.worker_database("notifications"), min_size=1, max_size=8)
    own = NotificationsSettings(mode="local", issuer=settings.issuer)
    addresses = Addresses(settings.issuer, {service: f"http://{service}" for service in SERVICES})
    async with httpx2.AsyncClient(transport=_ByHost(dict(partnership.clients)), timeout=60) as http:
        yield Told(partnership, pool, Apis(own, addresses, http))
    await pool.close()
    owner = await asyncpg.connect(postgres_url)
    await owner.execute(f'drop database "{name}" with (force)')
    await owner.close()
