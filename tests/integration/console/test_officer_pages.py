"""What an officer does between forms: my day with its sessions and its news, the calendar, booking, and two moments of a case."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from services.console.words import moment
from shared.domain.dates import local_day
from tests.integration.console.browsing import Browser, Page
from tests.integration.console.filling import fill_in, record
from tests.integration.console.test_cases import case_of
from tests.integration.console.test_forms import REPORT, begun
from tests.integration.console.test_more_pages import PLAN

pytestmark = pytest.mark.slow


def plan_session(browser: Browser, starts_at: datetime) -> str:
    """Plan a session, wait until the calendar has it, and return the address of its page."""
    plan = {
        **PLAN,
        "starts_at": starts_at.replace(microsecond=0).isoformat(),
        "occurred_at": (datetime.now(UTC) - timedelta(days=2)).replace(microsecond=0).isoformat(),
    }
    address = record(browser, "/begin/sessions/PlanSession", plan).url.removeprefix(browser.base).partition("?")[0]
    monday = local_day(starts_at) - timedelta(days=local_day(starts_at).weekday())
    until = time.monotonic() + 60
    while address not in browser.open(f"/sessions?week={monday}").links().values():
        assert time.monotonic() < until, "reporting has not projected the session"
    return address


def link_of(page: Page, words: str) -> str:
    """Return the address of the first link whose text has some words."""
    return next(address for text, address in page.links().items() if words in text)


def test_my_day_has_the_sessions_of_today(browser: Browser) -> None:
    """Given a session that is held today, when my day is opened, then it stands there, for who planned it and as mine."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    session = plan_session(browser, datetime.now(UTC))
    for address in ("/", "/?whose=mine"):
        page = browser.open(address)
        assert f"Workshop, {PLAN['place']}" in page.words.partition("Sessions today")[2]
        assert session in page.links().values()
    browser.sign_in("YJS_CASE_MANAGER-1")
    assert session not in browser.open("/?whose=mine").links().values()


def test_what_is_new_stands_on_my_day_until_the_person_has_seen_it(browser: Browser) -> None:
    """Given a new case, when my day is opened, then it is new and leads to what changed; once seen, it is new no more."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-2")
    case = begun(browser).url.removeprefix(browser.base).partition("?")[0]
    page = browser.open("/")
    assert case in page.links().values()
    news = page.words.partition("New since")[2]
    assert f"recorded {moment(datetime.now(UTC)).partition(' at ')[0]}" in news, "entered today, of a day in November"
    changed = browser.open(next(one for one in page.links().values() if one.startswith(f"{case}/difference")))
    assert "Referral received" in changed.words
    seen = browser.send(page, page.form("/seen"))
    assert seen.heading == "My day"
    assert case not in seen.text.partition('id="new"')[2]


def test_a_time_that_nobody_drew_is_not_taken_as_seen(browser: Browser) -> None:
    """Given the form of what is new, when it is sent with no time, then it is refused, and the news stay."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    begun(browser)
    page = browser.open("/")
    assert browser.send(page, page.form("/seen"), {"until": "yesterday"}).status == 422


def test_the_calendar_shows_weeks_and_leads_to_others(browser: Browser) -> None:
    """Given a session in six weeks, when the calendar is opened, then it is not among these weeks, and is among the later ones."""
    browser.sign_in("SUPERVISOR-1")
    session = plan_session(browser, datetime.now(UTC) + timedelta(weeks=5))
    page = browser.open("/sessions")
    assert page.heading == "Education sessions"
    assert session not in page.links().values()
    assert session in browser.open(page.links()["Later weeks"]).links().values()


def test_a_place_is_booked_from_the_condition(browser: Browser) -> None:
    """Given an active condition and a session, when one books from the case, then child, case and condition are filled in."""
    browser.sign_in("SUPERVISOR-1")
    session = plan_session(browser, datetime.now(UTC) + timedelta(days=3))
    case = browser.open(case_of(browser, "Cara Whitmore"))
    page = browser.open(link_of(case, "Book a session"))
    assert "condition_id" in page.form("/do/BookConditionSession").names, "one of its own is the second choice"
    assert "For the condition: " in page.words
    assert page.heading == "Book a session for Cara Whitmore"
    assert "Cara" not in page.title
    assert PLAN["place"] in page.words
    check = browser.send(page, page.form(f"{session}/do/BookPlace"), {})
    assert "Cara Whitmore" in check.words
    assert "Records: Place booked" in check.words


def test_two_moments_of_a_case_are_compared(browser: Browser) -> None:
    """Given a case, when it is compared with how it was known after an event, then what differs is a table, with its events."""
    browser.sign_in("SUPERVISOR-1")
    timeline = browser.open(f"{case_of(browser, 'Cara Whitmore')}/timeline")
    page = browser.open(link_of(timeline, "What has changed since"))
    assert page.heading.endswith("at two moments")
    assert "The events that make the difference" in page.words
    empty = browser.open(page.url.partition("?")[0])
    assert "Give a day of the first moment" in empty.words
    before = browser.send(empty, empty.form("/difference"), {"known_from": "2020-01-01"})
    assert "Nothing of this case was there at the first moment" in before.words
    assert "Disposal: state Not there" in before.words


def test_what_led_to_what_is_a_tree(browser: Browser) -> None:
    """Given a case in which an attendance completed a condition, when its causes are shown, then what followed stands below it."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(browser.open(f"{case_of(browser, 'Cara Whitmore')}/timeline").links()["What led to what"])
    assert page.heading.startswith("What led to what in case ")
    lists = [one for one in page.root.iter("ul") if one.get("class", "").endswith("console-tree")]
    below = ["".join(inner.itertext()) for one in lists for inner in one.iter("ul") if inner is not one]
    assert any("Session of a condition" in text for text in below)


def test_one_steps_from_event_to_event(browser: Browser) -> None:
    """Given a case as it was known once, when one follows the next event and then the previous one, then one is back."""
    browser.sign_in("SUPERVISOR-1")
    case = case_of(browser, "Cara Whitmore")
    timeline = browser.open(f"{case}/timeline")
    first = browser.open(link_of(timeline, "What was known then"))
    following = browser.open(first.links()["Next event"])
    assert "This is not how the case stands now" in following.words
    back = browser.open(following.links()["Previous event"])
    assert back.links()["Next event"] == first.links()["Next event"]


def test_a_dry_run_shows_another_day(browser: Browser) -> None:
    """Given answers that were checked, when a later day is asked for, then it shows what would be recorded then, and records nothing."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    check = fill_in(browser, browser.open("/begin/referrals/ReceiveReferral"), REPORT)
    later = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    form = next(form for form in check.forms() if form.method == "get")
    shown = browser.send(check, form, {"on": later})
    assert shown.words.count("Records: Referral received") == 2
    before = browser.send(check, form, {"on": "2026-11-01"})
    assert "On 1 November 2026 this would not be allowed" in before.words
    assert "T1" in before.words
    assert any("/send" in form.action for form in before.forms())


def test_the_list_of_cases_is_sorted(browser: Browser) -> None:
    """Given a case that was begun last, when the list is sorted by its latest change, then it comes first."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    case = begun(browser).url.removeprefix(browser.base).partition("?")[0]
    page = browser.open("/cases")
    changed = browser.send(page, page.form("/cases"), {"sort": "changed"})
    assert "The latest change comes first" in changed.words
    assert next(one for one in changed.links().values() if one.startswith("/cases/")) == case
