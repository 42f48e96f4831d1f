"""The page of one appointment, for whoever has its link: without a session, a name or a reason."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from icalendar import Calendar

from ooc.evidence.keys import OWNER
from services.console.words import moment
from services.notifications.apis import Apis
from services.notifications.plan import Message
from services.notifications.settings import NotificationsSettings
from shared.domain.dates import LONDON
from shared.servers.database import as_role, database_dsn
from tests.integration.console.browsing import Browser
from tests.received_referral import received_referral
from tests.whole_system import client_of, wait_until
from tools.client.http import Client
from tools.client.tokens import officer_id

pytestmark = pytest.mark.slow

NAME: Final = "Robin Roe"
PLACE: Final = "The library, Mill Lane"
BEGINS: Final = datetime.now(UTC).replace(hour=16, minute=0, second=0, microsecond=0) + timedelta(days=10)


def tell(client: Client, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a command that must be accepted."""
    answer = client.post(service, f"{path}/commands", role="SAFE_SCHOOLS_OFFICER", body=body, key=str(uuid4()))
    assert answer.status == 201, answer.body
    return dict(answer.body)


def booked(client: Client, case: str) -> dict[str, str]:
    """Book a place in a session for a child of a referral; return what a link to it is asked for by."""
    referral, lesson, child = (str(uuid4()) for _ in range(3))
    received = received_referral(UUID(case), (datetime.now(UTC) - timedelta(days=1)).isoformat())
    details = {"name": NAME, "date_of_birth": "2011-03-14"}
    linked = {"person_id": child, "role": "HARMER", "category": "SUSPECT", "details": details}
    lasting = {"starts_at": BEGINS.isoformat(), "hours": 1, "place": PLACE}
    for body in (received, {"type": "LinkPerson", "rationale": {"N2": "Another one."}, **linked}):
        tell(client, "referral", f"/v1/referrals/{referral}", body)
    for body in (
        {"type": "PlanSession", "kind": "ONE_TO_ONE", "topic": "ANTI_SOCIAL_BEHAVIOUR", **lasting},
        {"type": "BookPlace", "person_id": child, "case_id": case, "referral_id": referral},
    ):
        tell(client, "education", f"/v1/sessions/{lesson}", body)
    return {
        "service": "education",
        "id": lesson,
        "referral_id": referral,
        "person_id": child,
        "about": str(uuid4()),
        "until": (BEGINS + timedelta(days=1)).isoformat(),
    }


def link_of(browser: Browser, client: Client, given: dict[str, str], role: str = "MESSENGER") -> tuple[int, str]:
    """Ask for a link, as a role; return the status, and the path."""
    token = client.tokens.token(role).text
    answer = browser.client.post(f"{browser.base}/next", json=given, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json()["path"] if answer.status_code == 201 else ""


def message_about(given: dict[str, str]) -> Message:
    """Return the message that tells of the place."""
    return Message(
        event_id=UUID(given["about"]),
        template="PLACE_BOOKED",
        recipient=UUID(given["person_id"]),
        concerns=UUID(given["person_id"]),
        case_id=uuid4(),
        referral_id=UUID(given["referral_id"]),
        record=f"education/{given['id']}",
        item=None,
        not_before=BEGINS,
        not_after=BEGINS,
        moment=BEGINS,
        follows=(),
        hours=None,
        sequence=0,
    )


async def stored_links(system: dict[str, Any], path: str) -> bool:
    """Tell whether the text of a link stands in the table of links."""
    owner = await asyncpg.connect(database_dsn(as_role(system["postgres"], OWNER), "ooc_console"))
    rows = [row["line"] for row in await owner.fetch("select l::text as line from link as l")]
    await owner.close()
    assert rows
    link = path.rpartition("/")[2]
    return any(form in row for row in rows for form in (link, link.encode().hex()))


async def test_whoever_has_the_link_sees_when_and_where_and_can_say_that_they_cannot_come(
    browser: Browser, system: dict[str, Any]
) -> None:
    """Given a booked place, then its link shows day and place, and nothing of who or why; a press becomes a duty to ring, once."""
    with client_of(system["var"]) as client:
        given = booked(client, str(uuid4()))
        assert link_of(browser, client, given, "SUPERVISOR") == (403, "")
        assert link_of(browser, client, given | {"name": NAME})[0] == 422
        apis = Apis(
            NotificationsSettings(mode="local", issuer=system["issuer"], console_url=browser.base), client.addresses
        )
        address = await apis.link(message_about(given))
        assert address is not None
        path = address.removeprefix(browser.base)
        assert not await stored_links(system, path)
        page = browser.open(path)
        assert page.summary()["Where"] == PLACE
        assert page.summary()["When"] == f"{BEGINS.astimezone(LONDON):%A} {moment(BEGINS)}"
        welsh = link_of(browser, client, given | {"language": "WELSH"})[1]
        assert browser.open(welsh).heading == "Eich apwyntiad"
        for secret in (NAME, "social", "outh", "court", given["person_id"], given["referral_id"]):
            assert secret not in page.text.replace("/static/", ""), secret
        for _ in range(2):
            assert "Somebody will ring you" in browser.send(page, page.form()).words
        duties = client.get("referral", f"/v1/referrals/{given['referral_id']}/duties", role="SUPERVISOR").body
        assert [duty["duty"] for duty in duties].count("ANSWER_ABSENCE") == 1
        called_off = {"type": "CancelSession", "by": "SERVICE", "why": "Snow."}
        tell(client, "education", f"/v1/sessions/{given['id']}", called_off)
        gone = browser.open(path)
        assert "You do not need to come" in gone.words
        assert not gone.forms()
        assert await apis.end_links(UUID(given["person_id"]), f"education/{given['id']}")
        await apis.close()
    for wrong in (path, f"/next/{'A' * 22}", f"/next/{UUID(int=0)}"):
        page = browser.open(wrong)
        assert (page.status, page.heading) == (404, "This link is not in use")


async def test_an_officers_calendar_reads_their_diary_by_a_link_that_they_end(
    browser: Browser, system: dict[str, Any]
) -> None:
    """Given an officer's link, then a calendar reads case number, kind and time, no name, and is logged; ended, it reads nothing."""
    case = str(uuid4())
    with client_of(system["var"]) as client:
        given = booked(client, case)
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    page = browser.open("/diary")
    assert "/diary/end" not in [form.action for form in page.forms()]
    made = browser.send(page, page.form("/diary"))
    (link,) = re.findall(r"http\S+\.ics", made.text)
    path = link.removeprefix(browser.base)
    assert path.startswith("/diary/")
    assert link not in browser.open("/diary").text
    assert not await stored_links(system, path.removesuffix(".ics"))
    calendar = httpx2.Client(base_url=browser.base, trust_env=False)

    found: list[Any] = []

    def has_the_session() -> bool:
        answer = calendar.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8"), (
            answer.text
        )
        for secret in (NAME, PLACE, "OCIAL", given["person_id"]):
            assert secret not in answer.text, secret
        events = Calendar.from_ical(answer.text).walk("VEVENT")
        found[:] = [one for one in events if case[:8] in str(one["summary"])]
        return bool(found)

    wait_until(has_the_session, 300, "the session in the diary")
    (event,) = found
    assert event["summary"] == f"Session: case {case[:8]}"
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (BEGINS, BEGINS + timedelta(hours=1))
    reporting = await asyncpg.connect(database_dsn(as_role(system["postgres"], OWNER), "ooc_reporting"))
    reads = await reporting.fetch("select target from access_log where role = 'INVITED'")
    await reporting.close()
    assert {row["target"] for row in reads} == {f"reporting/diaries/{officer_id('SAFE_SCHOOLS_OFFICER', 1)}"}
    with client_of(system["var"]) as client:
        others = f"/v1/diaries/{officer_id('RJ_FACILITATOR', 9)}"
        assert client.get("reporting", others, role="SUPERVISOR").status == 403
        assert client.get("reporting", others, role="INVITED").body["appointments"] == []
    for kind in ("", "diary%20", "diary/", "diary%2F"):
        assert browser.open(f"/next/{kind}{path.removeprefix('/diary/').removesuffix('.ics')}").status == 404
    page = browser.open("/diary")
    browser.send(page, page.form("/diary/end"))
    assert calendar.get(path).status_code == 404
    calendar.close()
