"""Reads after writes: pages wait for what their session has recorded, and say so where an answer may lack it."""

import pytest

from services.console import sessions
from services.console.apis import NOT_YET, PROJECTED, Apis
from services.console.sessions import Session, Tokens, Writes
from services.system.addresses import Addresses
from tests.unit.ooc.test_console_http import serving

LATE = {"type": NOT_YET, "detail": "disposal:8 has not been projected within 15 seconds: ask again."}


def session() -> Session:
    """Return the session of somebody who has recorded nothing."""
    return Session("key", "person", "SUPERVISOR", "YJS", "*", Tokens("token", 2e9, None))


async def test_a_receipt_is_waited_for_by_the_reads_after_it() -> None:
    """Given a command that was recorded, when a list is read, then it asks for the position, and nothing is missing."""
    answers = [(201, {"position_token": "disposal:8"}), (200, {"positions": {"disposal": 8}, "cases": []})]
    with serving(*answers) as (url, server):
        apis, person = Apis(Addresses(None, {"disposal": url, PROJECTED: url})), session()
        await apis.post(person, "disposal", "/v1/disposals/1/commands", {})
        await apis.get_projected(person, "/v1/cases", {"page": "2", "state": None})
        await apis.close()
    assert server.requests[1][1] == "/v1/cases?page=2&min_position=disposal%3A8"
    assert not person.writes.missing


async def test_a_list_that_is_behind_is_shown_and_says_so() -> None:
    """Given a projection that is late, when a list is read, then what is there is shown, and the page says what it may lack."""
    with serving((503, LATE), (200, {"positions": {"disposal": 7}, "cases": []})) as (url, server):
        apis, person = Apis(Addresses(None, {PROJECTED: url})), session()
        person.writes.note("disposal:8")
        assert (await apis.get_projected(person, "/v1/cases"))["cases"] == []
        await apis.close()
    assert [request[1] for request in server.requests] == ["/v1/cases?min_position=disposal%3A8", "/v1/cases"]
    assert person.writes.missing


async def test_a_search_waits_as_a_list_does() -> None:
    """Given a command that was recorded, when a search follows, then it asks for the position, and its words stay in the body."""
    answers = [(503, LATE), (200, {"positions": {"disposal": 7}, "total": 0, "cases": []})]
    with serving(*answers) as (url, server):
        apis, person = Apis(Addresses(None, {PROJECTED: url})), session()
        person.writes.note("disposal:8")
        assert (await apis.search(person, {"name": "roe"}))["total"] == 0
        await apis.close()
    assert [request[1] for request in server.requests] == ["/v1/search?min_position=disposal%3A8", "/v1/search"]
    assert person.writes.missing


@pytest.mark.parametrize(
    ("position", "known_at", "missing"), [(7, None, True), (8, None, False), (7, "2026-11-20T09:00:00+00:00", False)]
)
async def test_a_change_of_a_while_ago_is_compared_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, position: int, known_at: str | None, missing: bool
) -> None:
    """Given a change of a while ago, when a list is read, then its positions tell what it lacks; a list of the past lacks nothing."""
    monkeypatch.setattr(sessions, "WAIT_SECONDS", 0.0)
    with serving((200, {"positions": {"disposal": position, "referral": 3}})) as (url, server):
        apis, person = Apis(Addresses(None, {PROJECTED: url})), session()
        person.writes.note("disposal:8")
        await apis.get_projected(person, "/v1/cases", {"known_at": known_at})
        await apis.close()
    assert "min_position" not in server.requests[0][1]
    assert person.writes.missing is missing


def test_the_furthest_position_of_each_service_counts() -> None:
    """Given receipts in any order, when they are noted, then one position stays for each service, the furthest."""
    writes = Writes()
    for token in ("disposal:8", "referral:3", "disposal:5"):
        writes.note(token)
    assert writes.tokens == ["disposal:8", "referral:3"]
    assert writes.are_in({"disposal": 8})
    assert not writes.are_in({"disposal": 7, "referral": 3})
