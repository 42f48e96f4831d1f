"""The console as a client of the APIs: what is no answer, and what is one that says no. The server is a real one."""

import asyncio

import pytest

from services.console.apis import Apis, NoAnswer, Problem
from services.console.sessions import Session, Tokens
from services.system.addresses import Addresses
from tests.ports import free_ports
from tests.unit.ooc.test_console_http import serving

PERSON = Session("key", "person", "SUPERVISOR", "YJS", "*", Tokens("token", 2e9, None), reason="AUDIT")


async def test_a_service_that_is_not_there_gives_no_answer() -> None:
    """Given an address at which nobody listens, when it is asked, then the error names the service."""
    (port,) = free_ports(1)
    apis = Apis(Addresses(None, {"disposal": f"http://127.0.0.1:{port}"}))
    try:
        with pytest.raises(NoAnswer, match="disposal does not answer"):
            await apis.get(PERSON, "disposal", "/v1/disposals/1")
    finally:
        await apis.close()


async def test_an_answer_that_breaks_off_is_none() -> None:
    """Given an answer that ends before its length, when it is read, then it counts as no answer."""
    with serving((200, {"state": "OPENED"}, {"Content-Length": "999"})) as (url, _):
        apis = Apis(Addresses(None, {"disposal": url}))
        try:
            with pytest.raises(NoAnswer):
                await apis.get(PERSON, "disposal", "/v1/disposals/1")
        finally:
            await apis.close()


async def test_whoever_asks_whether_services_are_ready_takes_no_requests_of_others() -> None:
    """Given many who look at the status page at once, and one more, then the service is asked once: it counts what the console asks."""
    with serving((200, {"status": "ready"})) as (url, server):
        apis = Apis(Addresses(None, {"disposal": url}))
        try:
            assert all(await asyncio.gather(*(apis.is_ready("disposal") for _ in range(5))))
            assert await apis.is_ready("disposal")
        finally:
            await apis.close()
    assert len(server.requests) == 1


async def test_a_problem_has_its_members_and_a_redirection_is_one() -> None:
    """Given a refusal and then a redirection, when the API is asked, then both are problems, and nothing is asked elsewhere."""
    with serving((422, {"detail": "give a date"}), (307, ["elsewhere"], {"Location": "/token"})) as (url, server):
        apis = Apis(Addresses(None, {"disposal": url}))
        try:
            with pytest.raises(Problem) as refused:
                await apis.get(PERSON, "disposal", "/v1/disposals/1", {"as_of": "Monday", "known_at": None})
            with pytest.raises(Problem) as moved:
                await apis.get(PERSON, "disposal", "/v1/alarms")
        finally:
            await apis.close()
    assert (refused.value.status, refused.value.detail, moved.value.status) == (422, "give a date", 307)
    assert [request[1] for request in server.requests] == ["/v1/disposals/1?as_of=Monday", "/v1/alarms"]
    headers = server.requests[0][2]
    assert (headers["Authorization"], headers["Access-Reason"]) == ("Bearer token", "AUDIT")


async def test_a_path_may_have_its_own_question() -> None:
    """Given a path with a question, an escape and a letter of no address, when it is asked, then only that letter is escaped."""
    with serving((200, {"outcome": "GIVEN"})) as (url, server):
        apis = Apis(Addresses(None, {"disposal": url}))
        try:
            await apis.post(PERSON, "disposal", "/v1/disposals/1/commands?dry_run=true&as_of=2026-11-27", {})
            await apis.get(PERSON, "disposal", "/v1/quarantine/a%2Fb\u00e9", {"known_at": "2026-11-27T09:00:00+00:00"})
        finally:
            await apis.close()
    assert [request[1] for request in server.requests] == [
        "/v1/disposals/1/commands?dry_run=true&as_of=2026-11-27",
        "/v1/quarantine/a%2Fb%C3%A9?known_at=2026-11-27T09%3A00%3A00%2B00%3A00",
    ]


async def test_no_cookie_is_kept() -> None:
    """Given an answer that sets a cookie, when another person asks, then the cookie is not sent."""
    with serving((200, {}, {"Set-Cookie": "of=person; Path=/"}), (200, {})) as (url, server):
        apis = Apis(Addresses(None, {"disposal": url}))
        try:
            await apis.get(PERSON, "disposal", "/v1/disposals/1")
            await apis.get(PERSON, "disposal", "/v1/disposals/2")
        finally:
            await apis.close()
    assert [request[2].get("Cookie") for request in server.requests] == [None, None]
