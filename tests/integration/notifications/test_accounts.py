"""What the follower and the console share: addresses of accounts, which hear by number alone and in no record, and links."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.console.application import console_application
from services.console.database import DATABASE
from services.console.directory import Directory
from services.console.sessions import Session, Tokens
from services.console.settings import ConsoleSettings
from services.notifications.apis import Apis
from services.notifications.settings import NotificationsSettings
from services.notifications.times import opening_of_next_day
from services.system.addresses import Addresses
from shared.domain.dates import is_working_day, local_day
from shared.servers.database import as_role, database_dsn
from tests.copied_databases import databases
from tests.hostile.partnership import PREFIX, SERVICES, person_in
from tests.integration.notifications.conftest import NOW, Post, Told, _ByHost
from tests.received_referral import received_referral

CONSOLE: Final = f"{PREFIX}_console"
SCHOOL: Final = "SCHOOL"


@dataclass
class Accounts:
    """The follower, with a console that knows who has signed in."""

    told: Told
    directory: Directory
    http: httpx2.AsyncClient

    async def sign_in(self, person: UUID, role: str, email: str) -> None:
        """Have the console keep what the sign-in of somebody gives."""
        session = Session("key", str(person), role, "ORG", "DORSET", Tokens("", 0, None), name="Pat", email=email)
        await self.directory.keep(session)

    async def report(self) -> None:
        """Have a school report an incident."""
        body = received_referral(self.told.case, "2026-03-02T15:20:00+00:00") | {"source": SCHOOL}
        await self.told.partnership.tell("referral", self.told.referral, SCHOOL, body)
        await self.told.follow()


@pytest.fixture
async def accounts(told: Told, postgres_url: str, tmp_path: Path) -> AsyncIterator[Accounts]:
    """Yield the follower beside a console of its own."""
    await databases(postgres_url, [(CONSOLE, DATABASE[1])])
    key = tmp_path / "key"
    key.write_text(b64encode(b"1" * 32).decode(), encoding="utf-8")

    class Own(ConsoleSettings):
        def database(self, _name: str, role: str) -> str:
            return as_role(database_dsn(postgres_url, CONSOLE), role)

    issuer = told.partnership.settings.issuer
    own = Own(mode="local", database_url=postgres_url, issuer=issuer, console_key_file=key)
    app = console_application(own, Addresses(None, dict.fromkeys([*SERVICES, "reporting"], "http://127.0.0.1:9")))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as console,
        httpx2.AsyncClient(transport=_ByHost({**told.partnership.clients, "console": console}), timeout=60) as http,
    ):
        settings = NotificationsSettings(mode="local", issuer=issuer, console_url="http://console")
        told.apis = Apis(
            settings, Addresses(issuer, {name: f"http://{name}" for name in [*SERVICES, "reporting"]}), http
        )
        yield Accounts(told, app.state.console.directory, console)
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'drop database "{CONSOLE}" with (force)')
    await admin.close()


async def test_a_school_is_told_that_its_referral_is_there_and_nothing_else(accounts: Accounts) -> None:
    """Given a school's referral, then its account gets one e-mail with the referral's number; no record has the message."""
    told = accounts.told
    await accounts.sign_in(person_in(SCHOOL), SCHOOL, "head@school.example.org")
    await accounts.report()
    post = Post()
    await told.sender(post).send_due()
    (sent,) = post.taken
    assert (sent.channel, sent.address) == ("EMAIL", "head@school.example.org")
    assert sent.subject == f"We have your referral {str(told.referral)[:8]}"
    assert await told.states() == [("SCHOOL_RECEIVED", "SENT")]
    assert await told.recorded() == []


async def test_an_account_without_an_address_gets_nothing_and_that_is_seen(accounts: Accounts) -> None:
    """Given a school whose address the issuer has not verified, then nothing goes out, and the outbox says why."""
    await accounts.sign_in(person_in(SCHOOL), SCHOOL, "")
    await accounts.report()
    post = Post()
    await accounts.told.sender(post).send_due()
    assert post.taken == []
    assert [(row["state"], row["why"]) for row in await accounts.told.messages()] == [("WITHDRAWN", "NO_ADDRESS")]
    assert await accounts.told.recorded("MessageFailed") == []


async def test_an_address_is_told_to_the_messenger_alone_and_sealed(accounts: Accounts) -> None:
    """Given an address, then only the program that writes to people reads it, and the console's table does not show it."""
    person = uuid4()
    await accounts.sign_in(person, "SUPERVISOR", "hanna@example.org")
    path = f"/accounts/{person}/address"
    answers = {}
    for role in ("MESSENGER", "INVITED", "SUPERVISOR"):
        token = await accounts.told.partnership.token(role)
        answers[role] = await accounts.http.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answers["MESSENGER"].json() == {"email": "hanna@example.org"}
    assert [answers[role].status_code for role in ("INVITED", "SUPERVISOR")] == [403, 403]
    rows = await accounts.directory._pool.fetch("select o::text as line, sealed from officer as o")
    assert all("hanna" not in row["line"] and b"hanna" not in row["sealed"] for row in rows)


async def test_an_officer_is_reminded_once_on_the_morning_of_a_working_day(accounts: Accounts) -> None:
    """Given an officer with an overdue case, then two workers send one e-mail of its number on a working day, none on another."""
    told, partnership, officer = accounts.told, accounts.told.partnership, uuid4()
    await accounts.sign_in(officer, "SAFE_SCHOOLS_OFFICER", "sam@example.org")
    await told.begin()
    await told.tell("referral", told.referral, "AcknowledgeReferral")
    await told.tell(
        "referral", told.referral, "TriageReferral", outcome="ACCEPT_INTERVENTION", rationale_text="Advice will do."
    )
    allocated = {"type": "AllocateReferral", "officer_id": str(officer)}
    await partnership.tell("referral", told.referral, "SUPERVISOR", allocated)
    await partnership.carry()
    working, post = NOW, Post()
    while not is_working_day(local_day(working)):
        working = opening_of_next_day(working)
    saturday = working + timedelta(days=5 - working.weekday())
    for day in (saturday, working - timedelta(seconds=1), working, working):
        sender = told.sender(post, now=day)
        await sender.plan_digests()
        await sender.plan_digests()
        await sender.send_due()
    mine = [one for one in post.taken if one.address == "sam@example.org"]
    assert len(mine) == 1
    assert f"Overdue: {str(told.case)[:8]}." in mine[0].body
    assert "Robin" not in mine[0].body
    assert datetime.now(UTC) < working


async def test_the_link_of_a_place_given_back_ends_before_anybody_is_told(accounts: Accounts) -> None:
    """Given two places told with links, when one is given back at night, then its page ends at once, and the other's stays."""
    told, post = accounts.told, Post()
    await told.begin()
    other = uuid4()
    await told.plan_session(other)
    links = {}
    for session in (told.session, other):
        await told.book(session)
        await told.follow()
        await told.sender(post).send_due()
        links[session] = f"/next/{post.taken[-1].body.rpartition('/next/')[2]}"
    assert [(await accounts.http.get(links[one])).status_code for one in links] == [
        503,
        503,
    ]  # no service is there to ask
    await told.tell("education", told.session, "CancelPlace", person_id=str(told.child), why="WITHDRAWN")
    await told.follow()
    night = told.sender(post, now=NOW - timedelta(hours=3))
    await night.end_links()
    assert await night.send_due() == 0
    assert ("PLACE_CANCELLED", "PLANNED") in await told.states()
    assert [(await accounts.http.get(links[one])).status_code for one in links] == [404, 503]
    assert not await told.pool.fetchval("select count(*) from message where link = 'OFF'")
