"""The operators' pages without a system: how a lag moves between two looks, and which value is in force on a day."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from starlette.requests import Request

from services.console.apis import Apis
from services.console.everyone.rules import value_in_words, value_on
from services.console.operators.operations import Look, _item_held, look_before, service_lines, trend_of
from services.console.rendering import render
from services.console.sessions import Session, Tokens
from services.system.addresses import SERVICES, Addresses
from services.system.lags import Lag
from shared.domain.policy import Entry, PolicyValue
from tests.unit.ooc.test_console_http import serving


def request_for(query: str) -> Request:
    """Return the request of an address."""
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("left", "words"), [(7, "falling further behind, by 3"), (1, "catching up, by 3"), (4, "unchanged")]
)
def test_a_lag_has_a_trend_since_thelook_before(left: int, words: str) -> None:
    """Given a lag at two looks, when they are compared, then it says by how much it grows or shrinks; after one look nothing."""
    before = Look(datetime(2026, 11, 27, tzinfo=UTC), {"reporting.disposal": 4})
    assert trend_of(Lag("reporting.disposal", "reporting", left, "…"), before) == words
    assert trend_of(Lag("reporting.disposal", "reporting", left, "…"), None) == ""
    assert trend_of(Lag("relay.referral", "referral", 2, "…"), before) == "falling further behind, by 2"


@pytest.mark.parametrize("query", ["", "since=yesterday", "since=2026-11-27T02:00:00", "behind=relay.disposal:1"])
def test_an_address_without_an_earlier_look_tells_of_none(query: str) -> None:
    """Given an address without a time, or with none that is one, when it is read, then there is no look to compare with."""
    assert look_before(request_for(query)) is None


def test_an_alarm_says_who_looks_after_it() -> None:
    """Given an alarm, then its line names the officer who looks after it; their role, where the console knows no name."""
    alarm = {
        "id": "1",
        "meaning": "Gone.",
        "raised_at": "2026-11-27",
        "consumer": "relay",
        "place": "x",
        "attended_by": None,
    }
    assert _item_held("referral", "alarms", alarm, {}).about == "relay, x. Nobody looks after it yet."
    alarm["attended_by"] = "SUPERVISOR 7"
    assert _item_held("referral", "alarms", alarm, {"7": "Sam Hart"}).about == "relay, x. Sam Hart looks after it."
    assert _item_held("referral", "alarms", alarm, {}).about == "relay, x. Supervisor looks after it."


async def test_a_follower_shows_its_alarms_and_gets_no_token() -> None:
    """Given a follower with an alarm, when a supervisor looks, then the alarm is there without a decision, and no token went there."""
    alarm = {"meaning": "A message was given up.", "raised_at": "2026-11-27T02:00:00Z", "place": "notifications"}
    status = {"reacts_to": [], "parked": 0, "quarantined": 0, "messages": {"PLANNED": 0, "FAILED": 2}}
    status["alarms"] = [alarm | {"runbook": "docs/how-to/runbook/message_dead.md"}]
    person = Session("key", "person", "SUPERVISOR", "YJS", "*", Tokens("secret", 2e9, None), reason="AUDIT")
    with serving((200, status)) as (url, follower), serving((403, {})) as (refusing, _):
        apis = Apis(Addresses(None, {**dict.fromkeys(SERVICES, refusing), "notifications": url}))
        try:
            lines = await service_lines(apis, person, {}, None)
        finally:
            await apis.close()
    assert [request[:2] for request in follower.requests] == [("GET", "/status")]
    assert "secret" not in str(follower.requests)
    held = [item for line in lines for item in line.held]
    request = Request({"type": "http", "path": "/operations", "headers": [], "query_string": b""})
    context: dict[str, Any] = {"lines": lines, "held": held, "since": None, "caught_up": [], "again": ""}
    page = bytes(render(request, "operations.html", person, **context).body).decode()
    for words in ("Follows the others: 2 messages failed", "1 alarm", "A message was given up.", "message_dead.md"):
        assert words in page
    assert "/operations/notifications" not in page


def test_only_lags_are_read_from_an_address() -> None:
    """Given an address with lags and other texts, when it is read, then only the lags are kept."""
    found = look_before(
        request_for("since=2026-11-27T02:00:00Z&behind=relay.disposal:12&behind=x&behind=a.b:-1&behind=<b>.c:1")
    )
    assert found is not None
    assert dict(found.left) == {"relay.disposal": 12}


def test_a_value_is_that_of_its_day_with_its_next_change() -> None:
    """Given a value with three entries, when a day is asked for, then that of the day is there, and the day of the next."""
    entries = tuple(Entry(date(year, 4, 1), year) for year in (2013, 2020, 2030))
    term = PolicyValue("highest_age", "years", "a statute", entries)
    on = value_on(term, date(2026, 1, 1))
    assert (on.value, on.since, on.next) == ("2020", date(2020, 4, 1), date(2030, 4, 1))
    before = value_on(term, date(2000, 1, 1))
    assert (before.value, before.since, before.next) == ("Not in force yet", None, date(2013, 4, 1))


def test_values_are_in_words() -> None:
    """Flags, codes, days, lists and tables read as people write them."""
    assert [value_in_words(value) for value in (True, 17, "YCC", "2026-06-09", ["YC", "YCC"], {"WHITE": 5})] == [
        "Yes",
        "17",
        "Youth conditional caution",
        "9 June 2026",
        "Youth caution, Youth conditional caution",
        "White: 5",
    ]
