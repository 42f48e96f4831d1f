"""Fields that no form of ours sends, to the forms that read numbers, times and files of them: refused or passed over, no fault."""

from __future__ import annotations

import pytest

from tests.hostile import test_sessions
from tests.hostile.test_sessions import World

world = test_sessions.world

DECISION = "/operations/referral/quarantine/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11/release"


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/import", {"file": "no base64"}),
        ("/import", {"file": "AAA", "file_name": "x.csv"}),
        (DECISION, {"through": "9" * 5000}),
        (DECISION, {"through": "\u0663"}),
        ("/seen", {"until": "0001-01-01T00:00:00+14:00"}),
        ("/seen", {"until": "9999-12-31T23:59:59-14:00"}),
    ],
)
async def test_a_form_with_odd_fields_is_no_fault(world: World, address: str, fields: dict[str, str]) -> None:
    """Given a number too long, other digits, a time that no zone shows or a file that is none, then the answer is a page."""
    session = await world.session()
    world.as_person(session)
    if address == DECISION:
        await world.http.post("/reason", data={"csrf": session.csrf, "reason": "AUDIT"})
    answer = await world.http.post(address, data={"csrf": session.csrf, **fields})
    assert answer.status_code in {200, 303, 422, 503}, answer.text
    assert (await world.http.get("/")).status_code in {200, 503}


@pytest.mark.parametrize("through", ["9" * 5000, "\u0663"])
async def test_an_address_with_an_odd_number_is_no_fault(world: World, through: str) -> None:
    """Given the same in the address of a decision, then the page is shown."""
    session = await world.session()
    world.as_person(session)
    await world.http.post("/reason", data={"csrf": session.csrf, "reason": "AUDIT"})
    answer = await world.http.get(DECISION, params={"through": through})
    assert answer.status_code in {200, 503}, answer.text


@pytest.mark.parametrize("address", ["/import/", "/cases/", "/drafts//", "/returns/file/"])
async def test_an_address_with_a_slash_too_many_leads_nowhere(world: World, address: str) -> None:
    """Given an empty last segment, then nothing is there: no redirect is made from the host that the browser names."""
    world.as_person(await world.session())
    answer = await world.http.get(address, headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "address",
    [
        "/sessions?week=9999-12-31",
        "/sessions?week=0001-01-01",
        "/rules?on=9999-12-31",
        "/operations?since=0001-01-01T00:00:00%2B14:00",
    ],
)
async def test_a_day_at_the_end_of_the_calendar_is_no_fault(world: World, address: str) -> None:
    """Given a day around which no week is, or a time that no clock in London shows, then the answer is a page."""
    world.as_person(await world.session())
    assert (await world.http.get(address)).status_code in {200, 422, 503}
