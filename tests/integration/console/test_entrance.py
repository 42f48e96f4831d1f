"""Signing in, my day and signing out, in a browser without JavaScript, on a whole system."""

import asyncio
import json
import re
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.console.application import HEADERS
from services.system.addresses import SERVICES
from shared.servers.database import as_role, database_dsn
from shared.servers.version import version
from tests import loopback
from tests.integration.console.browsing import Browser, text_of
from tests.integration.console.conftest import play_until
from tools.local.people import BY_KEY, PEOPLE

pytestmark = pytest.mark.slow


FIRST = {
    "SCHOOL": "Your referrals",
    "ANALYST": "Returns",
    "AUDITOR": "Why are you looking?",
    "DATA_PROTECTION_OFFICER": "Why are you looking?",
}
"""The first page of a role that has no day, or is asked first why it looks."""

DUTY = "Assign a facilitator"


@pytest.mark.parametrize("person", [person.key for person in PEOPLE])
def test_every_person_of_the_sign_in_page_has_a_first_page(browser: Browser, person: str) -> None:
    """Given a person of each role, when they sign in, then their work is shown, or they are asked why they look: nobody is sent to a colleague."""
    page = browser.sign_in(person)
    assert (page.status, page.heading) == (200, FIRST.get(BY_KEY[person].role, "My day"))
    assert BY_KEY[person].name in page.text
    assert "a colleague" not in page.words
    if page.heading == "Why are you looking?":
        page = browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
        assert (page.heading, "overdue" in page.words) == ("My day", True)


def test_my_day_names_the_child_whose_duty_is_overdue(browser: Browser) -> None:
    """Given an overdue duty, when the supervisor opens my day, then it stands there with the child's name and the case."""
    page = browser.sign_in("SUPERVISOR-1")
    assert "Jack Tolliday" in page.words
    assert "Close the referral" in page.words
    assert any(address.startswith("/cases/") for address in page.links().values())
    assert "Jack" not in page.title
    sheet = browser.open("/daily-sheet")
    assert "Jack Tolliday" in sheet.words


def test_a_duty_of_a_conference_names_the_child(browser: Browser, system: dict[str, Any]) -> None:
    """Given a conference that nobody has taken on, when the supervisor opens my day, then the child of its case is named."""
    play_until(system, "09-victim-withdraws.yaml", lambda step: step.command == "AssignFacilitator")
    browser.sign_in("SUPERVISOR-1")
    for address in ("/", "/daily-sheet"):
        until = time.monotonic() + 60
        lines: list[str] = []
        while not any(line.startswith("Noah Eddowes") for line in lines):
            assert time.monotonic() < until, lines  # other stories' conferences may stand there too
            lines = [text_of(row) for row in browser.open(address).root.iter("tr") if DUTY in text_of(row)]


def test_a_victim_worker_sees_first_who_waits(browser: Browser) -> None:
    """Given victims to whom something is due, when a victim worker signs in, then they stand first, by name, each with the form."""
    page = browser.sign_in("VICTIM_WORKER-1")
    tables = [text_of(one) for one in page.root.iter("caption")]
    assert tables[0] == "Victims who wait for you"
    rows = [text_of(row) for row in page.root.iter("tr") if "Tell the victim" in text_of(row)]
    assert rows
    assert not [row for row in rows if row.startswith("Case ")], rows
    assert not [row for row in rows if "Do not use it" in row and not re.search("[0-9] ?Not", row)], (
        "a contact is there"
    )
    assert any("/do/TellVictim" in address for address in page.links().values())
    assert "Show only mine" not in page.links()


def test_somebody_who_has_not_signed_in_sees_nothing(browser: Browser) -> None:
    """Given no session, when a page is opened, then the issuer's page comes, and after it the page that was asked for."""
    page = browser.open("/daily-sheet")
    assert page.heading == "Who are you today?"
    form = page.form("authorize")
    form.buttons = [one for one in form.buttons if one[1] == "SUPERVISOR-1"]
    assert (browser.send(page, form)).heading.startswith("Daily sheet")
    browser.open("/signed-in?code=made-up&state=made-up")
    metrics = browser.client.get(f"{browser.base}/metrics").text
    for what in (
        r'ooc_sign_ins_total\{outcome="SIGNED_IN"\}',
        r'ooc_sign_ins_total\{outcome="BROKEN_OFF"\}',
        "ooc_sessions",
    ):
        (number,) = re.findall(rf"^{what} (\S+)$", metrics, re.MULTILINE)
        assert float(number) >= 1
    assert 'ooc_requests_total{method="GET",route="/daily-sheet",status="200"}' in metrics


def test_the_status_page_needs_no_sign_in(browser: Browser) -> None:
    """Given a system that is ready, when somebody without a session asks, then every service works."""
    page = browser.open("/status")
    assert (page.status, page.heading) == (200, "Everything works")
    assert page.words.count("Works") == len(SERVICES)


def test_signing_out_ends_the_session(browser: Browser) -> None:
    """Given a session, when its person signs out, then the cookie of before opens nothing."""
    page = browser.sign_in("SUPERVISOR-1")
    cookie = browser.client.cookies["ooc_session"]
    (form,) = (form for form in page.forms() if form.action == "/sign-out")
    assert (browser.send(page, form)).heading == "You have signed out"
    answer = browser.client.get(browser.base, headers={"Cookie": f"ooc_session={cookie}"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")


def test_a_form_of_another_session_changes_nothing(browser: Browser) -> None:
    """Given a form without the token of the session, when it is sent, then it is refused, and the person stays signed in."""
    page = browser.sign_in("SUPERVISOR-1")
    (form,) = (form for form in page.forms() if form.action == "/sign-out")
    for csrf in ("", "another"):
        refused = browser.send(page, form, {"csrf": csrf})
        assert (refused.status, refused.heading) == (403, "You may not see this")
    assert (browser.open("/")).heading == "My day"


def test_every_answer_has_the_headers(browser: Browser) -> None:
    """A page, a page that is not there and a stylesheet come with the policy that lets no script run."""
    browser.sign_in("SUPERVISOR-1")
    for address in ("/", "/nowhere", "/signed-out"):
        page = browser.open(address)
        assert {name: page.headers[name] for name in HEADERS} == HEADERS
    answer = browser.client.get(f"{browser.base}/static/console.css")
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("query", ["", "?code=x&state=y"])
def test_a_way_back_that_nobody_began_signs_nobody_in(browser: Browser, query: str) -> None:
    """Given no sign-in that was begun here, when somebody comes back with a code, then there is no session."""
    page = browser.open(f"/signed-in{query}")
    assert (page.status, page.heading) == (400, "You are not signed in")
    assert "ooc_session" not in browser.client.cookies


BEGINNINGS = tuple(b64encode(b'{"' + name + b'"') for name in (b"alg", b"kid", b"typ"))
"""How a token can begin (RFC 7515): long enough that no random bytes of a sealed row are taken for one, as three once were."""


def test_what_is_at_rest_tells_nothing(browser: Browser, system: dict[str, Any]) -> None:
    """Given a session, when the rows of the console's database are read, then neither cookie, token nor role is in them."""
    browser.sign_in("SUPERVISOR-1")
    rows = asyncio.run(_rows(as_role(database_dsn(system["postgres"], "ooc_console"), "ooc_console_api")))
    assert rows
    cookie = browser.client.cookies["ooc_session"].encode()
    for row in rows:
        for secret in (cookie, b"SUPERVISOR", *BEGINNINGS):
            assert secret not in row["id"] + row["sealed"]


async def _rows(address: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(address)
    try:
        return list(await connection.fetch("select id, sealed from session"))
    finally:
        await connection.close()


def test_the_log_names_nobody(browser: Browser, system: dict[str, Any]) -> None:
    """After all of this, the console's log has no name, no token and no cookie in it."""
    browser.sign_in("SUPERVISOR-1")
    log = (Path(system["var"]) / "log" / "console.log").read_text(encoding="utf-8")
    assert all(json.loads(line) for line in log.splitlines() if line.startswith("{"))
    for secret in ("Tolliday", "eyJ", browser.client.cookies["ooc_session"]):
        assert secret not in log


def test_it_says_whether_it_is_ready(system: dict[str, Any]) -> None:
    """The probes answer without a session."""
    with loopback.blocking_client() as client:
        for probe in ("live", "ready"):
            assert (client.get(f"{system['console']}/health/{probe}")).json() == {"status": probe, "version": version()}
