"""Sessions of the console while nobody uses them, and while the issuer hangs; on a real database and a real socket."""

from __future__ import annotations

import asyncio
import html
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette

from services.console import sessions
from services.console.application import console_application
from services.console.database import DATABASE
from services.console.everyone import sign_in
from services.console.everyone.sign_in import SessionEnded, fresh
from services.console.officers.diary import KIND
from services.console.routing import COOKIE, Console
from services.console.sessions import Session, Tokens
from services.console.settings import ConsoleSettings
from services.system.addresses import SERVICES, Addresses
from shared.api.rates import RateLimit
from shared.servers.database import as_role, database_dsn, retry_for
from tests.copied_databases import databases
from tools.local.issuer import ALGORITHM, claims_of

ADDRESS: Final = "http://127.0.0.1:8118"
GIVEN: Final = sessions.RENEWAL_SECONDS
FORM: Final = f"/records/referrals/{uuid4()}/do/RaiseSafeguardingConcern"


@dataclass
class Issuer:
    """An issuer of which only what a test needs answers: the configuration, and tokens where it does not hang."""

    address: str = ""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: bool = False
    """Whether it gives no token any more."""
    renewals: int = 0
    given: str = ""
    """The latest access token. It is that of the person whose id the refresh token is."""
    role: str = "SUPERVISOR"
    area: str = "DORSET"
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))

    def token(self, person: str) -> str:
        """Sign an access token of a person."""
        form = {"sub": person, "role": self.role, "organisation": "POLICE", "area": self.area}
        claims = claims_of(
            form, issuer=self.address, audience=ConsoleSettings.model_fields["audience"].default, now=int(time())
        )
        return jwt.encode({"alg": ALGORITHM, "kid": self.key.kid, "typ": "at+jwt"}, claims, self.key)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, or never."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            form = parse_qs((await reader.readexactly(int(length[1]) if length else 0)).decode())
            body: dict[str, Any] = {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/jwks",
                "end_session_endpoint": f"{self.address}/end",
            }
            if b"/jwks" in head:
                body = {"keys": [self.key.as_dict(private=False)]}
            elif head.startswith(b"POST") and self.refuses:
                body = {"error": "invalid_grant"}
            elif head.startswith(b"POST"):
                self.renewals += 1
                await self.goes_on.wait()
                self.given = self.token(form["refresh_token"][0])
                body = {"access_token": self.given, "expires_in": 300}
            content = json.dumps(body).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@dataclass
class World:
    """The console, a browser, its issuer, and the owner of its database."""

    console: Console
    pool: asyncpg.Pool[asyncpg.Record]
    http: httpx2.AsyncClient
    issuer: Issuer
    owner: Any
    app: Starlette

    async def session(self, *, ends_in: float = 300) -> Session:
        """Begin a session whose access token ends in some seconds."""
        person = str(uuid4())
        tokens = Tokens("access", time() + ends_in, person, "identity")
        session = Session(str(uuid4()), person, "SUPERVISOR", "POLICE", "DORSET", tokens)
        await self.console.sessions.begin(session)
        return session

    async def leave(self, minutes: int) -> None:
        """Let every session be unused for some minutes."""
        await self.owner.execute("update session set used_at = used_at - make_interval(mins => $1)", minutes)

    def as_person(self, session: Session) -> None:
        """Give the browser the cookie of a session."""
        self.http.cookies.set(COOKIE, session.key)


def be_patient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Give the issuer so many seconds to renew a token."""
    for module in (sign_in, sessions):
        monkeypatch.setattr(module, "RENEWAL_SECONDS", seconds)


@pytest.fixture
async def world(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Yield the console with an issuer that hangs. A slow machine is the subject of one test alone."""
    be_patient(monkeypatch, 60)
    name = f"test_sessions_{uuid4().hex[:12]}"
    await databases(postgres_url, [(name, DATABASE[1])])
    key = tmp_path / "key"
    key.write_text(b64encode(b"1" * 32).decode(), encoding="utf-8")
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    class Own(ConsoleSettings):
        def database(self, _name: str, role: str) -> str:
            return as_role(database_dsn(postgres_url, name), role)

    settings = Own(
        mode="local", database_url=postgres_url, issuer=issuer.address, console_url=ADDRESS, console_key_file=key
    )
    nobody = dict.fromkeys(SERVICES, "http://127.0.0.1:9")
    app = console_application(settings, Addresses(None, nobody))
    owner = await asyncpg.connect(database_dsn(postgres_url, name))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ADDRESS) as http,
    ):
        yield World(app.state.console, app.state.pool, http, issuer, owner, app)
    await owner.close()
    server.close()
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""

    async def check() -> None:
        assert holds()

    await retry_for(check, 30, on=(AssertionError,))


async def test_renewing_while_the_issuer_hangs_holds_no_connection(world: World) -> None:
    """Given more sessions that renew than there are connections, then each asks the issuer at once, and all connections are free."""
    old = [await world.session(ends_in=0) for _ in range(20)]
    renewing = [asyncio.create_task(fresh(world.console.sessions, world.console.provider, one)) for one in old]
    await until(lambda: world.issuer.renewals == len(old))
    assert world.pool.get_idle_size() == world.pool.get_size()
    assert not any(one.done() for one in renewing)
    world.issuer.goes_on.set()
    assert all(one.tokens.is_fresh for one in await asyncio.gather(*renewing))


async def test_an_issuer_that_hangs_is_given_up_after_two_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an issuer that never answers, then the page says so, and the session is there for when it answers again."""
    old = await world.session(ends_in=0)
    world.as_person(old)
    be_patient(monkeypatch, GIVEN)
    assert (await world.http.get("/reason")).status_code == 503
    be_patient(monkeypatch, 60)
    world.issuer.goes_on.set()
    assert (await world.http.get("/reason")).status_code == 200


async def test_one_person_takes_no_page_from_others(world: World) -> None:
    """Given a person who asks for page after page, then they are told to slow down (429), and another gets theirs."""
    world.app.state.page_rate = RateLimit(1, lambda: 0.0)
    greedy, other = await world.session(), await world.session()
    world.as_person(greedy)
    statuses = [(await world.http.get("/reason")).status_code for _ in range(8)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    form = {"csrf": greedy.csrf, "reason": "AUDIT"}
    assert (await world.http.post("/reason", data=form)).status_code == 429
    world.as_person(other)
    assert (await world.http.get("/reason")).status_code == 200


@pytest.mark.parametrize(("path", "kind"), [("/next/{}", ""), ("/diary/{}.ics", KIND)])
async def test_one_link_takes_no_page_from_others(world: World, path: str, kind: str) -> None:
    """Given whoever asks for the page of one link again and again, then they are told to slow down (429), and another gets theirs."""
    world.app.state.page_rate = RateLimit(1, lambda: 0.0)
    given = {"service": "education", "id": str(uuid4()), "ring": "yjs", "officer": str(uuid4())}
    ends_at = datetime.now(UTC) + timedelta(days=1)
    links = world.console.links
    greedy, other = [path.format(await links.make(owner, given, ends_at, kind)) for owner in "ab"]
    statuses = [(await world.http.get(greedy)).status_code for _ in range(8)]
    assert 429 not in statuses[:5]
    assert statuses[-1] == 429
    assert (await world.http.get(other)).status_code != 429
    assert [(await world.http.get(path.format("unknown"))).status_code for _ in range(8)] == [404] * 8


def test_the_console_is_limited_in_production(world: World, tmp_path: Path) -> None:
    """By default a person gets a part of the requests that an API takes from the console's address; a local system has no limit."""
    assert world.app.state.page_rate is None
    settings = ConsoleSettings(
        mode="production", issuer=ADDRESS, console_url=ADDRESS, console_key_file=tmp_path / "key"
    )
    app = console_application(settings, Addresses(None, dict.fromkeys(SERVICES, ADDRESS)))
    assert isinstance(app.state.page_rate, RateLimit)


async def test_a_session_is_renewed_by_one_request_alone(world: World) -> None:
    """Given ten requests of one session, then the issuer is asked once, and all have the new token and what others changed."""
    old = await world.session(ends_in=0)
    renewing = [asyncio.create_task(fresh(world.console.sessions, world.console.provider, old)) for _ in range(10)]
    await until(lambda: world.issuer.renewals == 1)
    await world.console.sessions.change(old.key, lambda kept: replace(kept, reason="AUDIT"))
    world.issuer.goes_on.set()
    found = await asyncio.gather(*renewing)
    assert {(one.tokens.access, one.tokens.refresh, one.tokens.identity, one.reason) for one in found} == {
        (world.issuer.given, old.person, "identity", "AUDIT")
    }
    assert world.issuer.renewals == 1


async def test_a_session_follows_what_the_issuer_says_of_the_person(world: World) -> None:
    """Given a person who was given another role and area, when the token is renewed, then the session has them, and asks for a reason anew."""
    old = await world.session(ends_in=0)
    await world.console.sessions.change(old.key, lambda kept: replace(kept, reason="AUDIT"))
    world.issuer.role, world.issuer.area = "VICTIM_WORKER", "SOMERSET"
    world.issuer.goes_on.set()
    now = await fresh(world.console.sessions, world.console.provider, old)
    assert (now.person, now.role, now.area, now.reason) == (old.person, "VICTIM_WORKER", "SOMERSET", None)
    assert await world.console.sessions.find(old.key) == now


async def test_a_session_ends_where_the_issuer_names_somebody_else_or_is_another(world: World) -> None:
    """Given a renewed token of another person, or of another issuer, then the session ends: nothing is shown by the older one."""
    world.issuer.goes_on.set()
    another = await world.session(ends_in=0)
    tokens = replace(another.tokens, refresh=str(uuid4()))
    await world.console.sessions.change(another.key, lambda kept: replace(kept, tokens=tokens))
    with pytest.raises(SessionEnded):
        await fresh(world.console.sessions, world.console.provider, replace(another, tokens=tokens))
    world.issuer.address = "http://127.0.0.1:9"
    unknown = await world.session(ends_in=0)
    with pytest.raises(SessionEnded):
        await fresh(world.console.sessions, world.console.provider, unknown)


async def test_a_session_that_nobody_uses_falls_asleep(world: World) -> None:
    """Given half an hour without a request, then pages are not shown and the issuer asks anew; used meanwhile, they are."""
    world.as_person(await world.session())
    await world.leave(29)
    assert (await world.http.get("/reason")).status_code == 200
    await world.leave(29)
    assert (await world.http.get("/reason")).status_code == 200
    await world.leave(31)
    away = await world.http.get("/reason")
    assert (away.status_code, away.headers["location"]) == (303, "/sign-in?next=%2Freason")
    asked = parse_qs(urlsplit((await world.http.get(away.headers["location"])).headers["location"]).query)
    assert asked["prompt"] == ["login"]
    world.http.cookies.clear()
    asked = parse_qs(urlsplit((await world.http.get("/sign-in")).headers["location"]).query)
    assert "prompt" not in asked


def way_on(page: httpx2.Response) -> str:
    """Return the page to which a page that asks for the sign-in leads after it. No redirect of a form may lead to the issuer."""
    assert (page.status_code, "Sign in to go on" in page.text) == (200, True)
    (link,) = re.findall(r'href="(/sign-in[^"]*)"', page.text)
    return parse_qs(urlsplit(html.unescape(link)).query)["next"][0]


@pytest.mark.parametrize("ended", ["asleep", "over", "refused", "cookie lost"])
async def test_a_form_outlives_its_session_and_nothing_is_shown(world: World, ended: str) -> None:
    """Given a session that sleeps, is over, is renewed no longer, or whose cookie is lost, when a form is sent, then it is kept, and goes on after the sign-in."""
    session = await world.session(ends_in=0 if ended == "refused" else 300)
    world.as_person(session)
    if ended == "asleep":
        await world.leave(60)
    elif ended == "over":
        await world.owner.execute("update session set ends_at = now() - interval '7 hours'")
    elif ended == "refused":
        world.issuer.refuses = True
    else:
        world.http.cookies.clear()
    key = uuid4()
    form = {"csrf": session.csrf, "key": str(key), "version": "3", "narrative": "what was typed"}
    kept = way_on(await world.http.post(FORM, data=form))
    assert kept == f"{FORM}?draft={key}"
    assert (await world.http.get(kept)).headers["location"].startswith("/sign-in?next=")
    draft = await world.console.drafts.find(session.person, key)
    assert draft is not None
    assert (draft.command, draft.answers) == ("RaiseSafeguardingConcern", {"narrative": ["what was typed"]})
    assert way_on(await world.http.post(f"/drafts/{key}/reasons", data=form | {"reason.R1": "why"})) == f"/drafts/{key}"
    draft = await world.console.drafts.find(session.person, key)
    assert draft is not None
    assert draft.rationale == {"R1": "why"}
    answered = await world.http.post(f"/report/{key}x/what", data={"csrf": session.csrf})
    assert answered.status_code == 404
    for way in ("/seen", "/search", "/sign-out", f"/drafts/{key}/delete"):
        sent = await world.http.post(way, data=form, headers={"Referer": f"{ADDRESS}/cases?page=2"})
        assert way_on(sent) == "/cases?page=2", way
    forged = await world.http.post(FORM, data=form | {"csrf": "another", "narrative": "forged"})
    assert forged.status_code == (200 if ended == "cookie lost" else 403)
    assert await world.console.drafts.find(session.person, key) == draft


async def test_whoever_has_no_session_has_nothing_kept(world: World) -> None:
    """Given no session, or one that ended a night ago, when forms are sent, then nothing is kept, and the sign-in leads to no other site."""
    session = await world.session()
    form = {"csrf": session.csrf, "key": str(uuid4()), "version": "3"}
    for cookie in ("", session.key):
        world.http.cookies.set(COOKIE, cookie)
        await world.owner.execute("update session set ends_at = now() - interval '9 hours'")
        for path, connection in ((FORM, None), ("/seen", "close")):
            sent = await world.http.post(path, data=form, headers={"Referer": "https://elsewhere.example/x"})
            assert (way_on(sent), sent.headers.get("connection")) == ("/", connection)
    assert await world.owner.fetchval("select count(*) from draft") == 0
    await world.session()
    assert await world.owner.fetchval("select count(*) from session") == 1


async def test_a_filter_leads_to_the_sign_in_by_a_page_too(world: World) -> None:
    """Given a session that sleeps, when a form of a page is sent by GET, then a page leads to the sign-in, since no redirect may."""
    world.as_person(await world.session())
    await world.leave(60)
    assert (
        way_on(await world.http.get("/cases?due=today", headers={"Sec-Fetch-Site": "same-origin"}))
        == "/cases?due=today"
    )
    typed = await world.http.get("/cases?due=today", headers={"Sec-Fetch-Site": "none"})
    assert typed.headers["location"] == "/sign-in?next=%2Fcases%3Fdue%3Dtoday"


async def test_an_answer_of_a_report_that_a_sleeping_session_sends_is_kept(world: World) -> None:
    """Given a question of a report that took an hour, then its answer is kept with those before."""
    session, id_ = await world.session(), uuid4()
    world.as_person(session)
    await world.leave(60)
    for name in ("narrative", "school_urn"):
        kept = await world.http.post(f"/report/{id_}/what", data={"csrf": session.csrf, name: "typed", "then": "check"})
        assert way_on(kept) == f"/report/{id_}/what?then=check"
    draft = await world.console.drafts.find(session.person, id_)
    assert draft is not None
    assert draft.answers == {"narrative": ["typed"], "school_urn": ["typed"]}


async def test_signing_out_ends_the_session_of_the_issuer_too(world: World) -> None:
    """Given a sign-out, then the page leads to the issuer's own, with whom it is about and the way back, and the cookie is gone."""
    session = await world.session()
    world.as_person(session)
    page = await world.http.post("/sign-out", data={"csrf": session.csrf})
    assert page.status_code == 200
    assert 'http-equiv="refresh"' in page.text
    address = f"{world.issuer.address}/end?client_id=ooc-people"
    assert (
        f"{address}&amp;post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8118%2Fsigned-out&amp;id_token_hint=identity"
        in page.text
    )
    assert await world.console.sessions.find(session.key) is None
    assert 'http-equiv="refresh"' not in (await world.http.get("/signed-out")).text


async def test_over_tls_no_other_host_gives_a_browser_somebodys_session(world: World) -> None:
    """Given the console over TLS, then its cookies have names that no sibling host can set, and one of the plain name is no session."""
    world.app.state.console = replace(world.console, secure=True)
    begun = await world.http.get("/sign-in")
    (cookie,) = begun.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-ooc_sign_in=")
    assert {"Path=/", "Secure", "HttpOnly"} <= set(cookie.split("; "))
    session = await world.session()
    world.as_person(session)
    assert (await world.http.get("/reason")).status_code == 303
    world.http.cookies.clear()
    world.http.cookies.set(f"__Host-{COOKIE}", session.key)
    page = await world.http.get("/reason")
    assert page.status_code == 200
    out = await world.http.post("/sign-out", data={"csrf": session.csrf})
    assert out.headers["set-cookie"].startswith(f'__Host-{COOKIE}=""')
    assert "Secure" in out.headers["set-cookie"]


async def test_whoever_asks_sees_what_does_not_work(world: World) -> None:
    """Given services of which none answers, then the status page says so of each, with the support's address and no session."""
    world.app.state.support = "help@example.org"
    page = await world.http.get("/status")
    assert page.status_code == 503
    assert page.text.count("Does not work") == len(SERVICES)
    assert 'href="mailto:help@example.org"' in page.text
    assert "set-cookie" not in page.headers
