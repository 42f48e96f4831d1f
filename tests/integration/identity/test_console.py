"""People sign in to the console at Keycloak's own form, by authorisation code with PKCE, and stay signed in while it renews."""

import base64
import html
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from services.console import sessions
from services.console.application import console_application
from services.console.routing import COOKIE, Console
from services.console.sessions import Session
from services.console.settings import ConsoleSettings
from services.system.addresses import Addresses
from shared.servers.settings import Settings
from tests import loopback
from tests.integration.identity.conftest import OFFICER, Keycloak
from tests.integration.identity.signing_in import Person

pytestmark = pytest.mark.slow

ADDRESS = "http://127.0.0.1:8118"
PAGE = "/reason"
"""A page that asks no service."""


@dataclass
class Browsing:
    """The console in this process, and the browser of somebody who opens it."""

    console: Console
    http: httpx2.AsyncClient

    async def address_of_issuer(self) -> str:
        """Open a page; return where the browser is sent to sign in."""
        opened = await self.http.get(PAGE)
        assert opened.status_code == 303
        answer = await self.http.get(opened.headers["location"])
        assert answer.status_code == 303
        return str(answer.headers["location"])

    async def sign_in(self, person: Person) -> httpx2.Response:
        """Sign in at Keycloak's form, and return the answer to the code that it sends back."""
        async with loopback.client(timeout=60) as elsewhere:
            page = await elsewhere.get(await self.address_of_issuer())
            form = re.search(r'action="([^"]+)"', page.raise_for_status().text)
            assert form is not None, page.text
            # The cookies are marked as secure, which browsers take from this machine and httpx2 does not.
            cookies = "; ".join(cookie.split(";")[0] for cookie in page.headers.get_list("set-cookie"))
            who = {"username": person.name, "password": person.password}
            answer = await elsewhere.post(html.unescape(form[1]), data=who, headers={"Cookie": cookies})
        assert answer.status_code == 302, answer.text
        back = answer.headers["location"]
        assert back.startswith(f"{ADDRESS}/signed-in?")
        return await self.http.get(back.removeprefix(ADDRESS))

    async def session(self) -> Session | None:
        """Return the session of the browser."""
        return await self.console.sessions.find(self.http.cookies.get(COOKIE) or "")


@pytest.fixture
async def browsing(settings: Settings, keycloak: Keycloak, tmp_path: Path) -> AsyncIterator[Browsing]:
    """Yield the console, whose identity provider is Keycloak, and a browser."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode(), encoding="utf-8")
    own = ConsoleSettings(
        mode="production",
        database_url=settings.database_url,
        database_passwords=settings.database_passwords,
        issuer=keycloak.issuer,
        console_url=ADDRESS,
        console_key_file=key,
    )
    app = console_application(own, Addresses(None, {}))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ADDRESS) as http,
    ):
        yield Browsing(app.state.console, http)


async def test_a_person_signs_in_at_the_form_of_keycloak(browsing: Browsing, keycloak: Keycloak) -> None:
    """Given a person of the realm, when they sign in there, then the page that they had opened is theirs, in their role and area."""
    anna = keycloak.person()
    asked = parse_qs(urlsplit(await browsing.address_of_issuer()).query)
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    answer = await browsing.sign_in(anna)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = await browsing.http.get(PAGE)
    assert page.status_code == 200
    assert "Safe schools officer, Dorset" in page.text
    session = await browsing.session()
    assert session is not None
    assert (session.person, session.role, session.area) == (anna.id, OFFICER["role"], OFFICER["area"])
    assert session.tokens.access not in page.text


async def test_a_session_renews_its_token_until_keycloak_ends_it(
    browsing: Browsing, keycloak: Keycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given tokens that are about to end, when pages are opened, then each is renewed unseen; after a sign-out there, one signs in anew."""
    anna = keycloak.person()
    await browsing.sign_in(anna)
    before = await browsing.session()
    monkeypatch.setattr(sessions, "EARLY_SECONDS", 10_000)
    for _ in range(2):
        assert (await browsing.http.get(PAGE)).status_code == 200
        after = await browsing.session()
        assert before is not None
        assert after is not None
        assert after.tokens.access != before.tokens.access
        assert after.person == anna.id
        before = after
    keycloak.admin.ask("POST", f"/ooc/users/{anna.id}/logout").raise_for_status()
    ended = await browsing.http.get(PAGE)
    assert ended.status_code == 303
    assert ended.headers["location"].startswith("/sign-in")


async def test_signing_out_ends_the_session_at_keycloak(browsing: Browsing, keycloak: Keycloak) -> None:
    """Given a session, when its person signs out here, then the page leads to Keycloak, which ends its own and leads back."""
    anna = keycloak.person()
    await browsing.sign_in(anna)
    session = await browsing.session()
    assert session is not None
    assert keycloak.admin.ask("GET", f"/ooc/users/{anna.id}/sessions").json()
    page = await browsing.http.post("/sign-out", data={"csrf": session.csrf})
    address = re.search(r'content="0; url=([^"]+)"', page.text)
    assert address is not None, page.text
    async with loopback.client(timeout=60) as elsewhere:
        ended = await elsewhere.get(html.unescape(address[1]))
    assert (ended.status_code, ended.headers["location"]) == (302, f"{ADDRESS}/signed-out")
    assert keycloak.admin.ask("GET", f"/ooc/users/{anna.id}/sessions").json() == []


async def test_a_code_of_somebody_elses_sign_in_begins_no_session(browsing: Browsing, keycloak: Keycloak) -> None:
    """Given a code that comes back without the browser's own attempt, when it is sent, then no session begins."""
    await browsing.sign_in(keycloak.person())
    browsing.http.cookies.clear()
    answer = await browsing.http.get("/signed-in", params={"code": "x", "state": "y"})
    assert answer.status_code == 400
    assert await browsing.session() is None
