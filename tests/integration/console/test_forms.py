"""Forms drawn from commands: a record begun, checked, refused, warned of, moved on meanwhile, and sent twice."""

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.console.browsing import Browser, Form, Page
from tests.integration.console.by_forms import Forms
from tests.integration.console.conftest import SCENARIOS
from tests.integration.console.filling import fill_in, record
from tests.whole_system import client_of
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

pytestmark = pytest.mark.slow

REPORT = {
    "source": "SCHOOL",
    "reported_at": "2026-11-20T15:20:00+00:00",
    "incident_type": "THEFT_LOW_LEVEL",
    "happened_at": "2026-11-20T14:50:00+00:00",
    "setting": "SCHOOL",
    "on_premises": True,
    "in_school_hours": False,
    "flags": ["REPEAT"],
    "narrative": "Two pupils argued </textarea><b>over</b> a phone & a coat.",
    "lawful_basis": "law enforcement",
    "occurred_at": "2026-11-20T15:40:00+00:00",
}
BIRTHDAYS = (date(2012, 2, 3) + timedelta(days=days) for days in count())


def child(name: str = "Zoë O'Hara-Whiteley", part: str = "HARMER", category: str = "SUSPECT") -> dict[str, Any]:
    """Return what is filled in of a child: of one name, and of another birthday each time (rule N2)."""
    return {"role": part, "category": category, "details": {"name": name, "date_of_birth": next(BIRTHDAYS).isoformat()}}


@pytest.fixture
def officer(browser: Browser) -> Browser:
    """Yield the browser of a safe schools officer."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    return browser


def begun(officer: Browser) -> Page:
    """Begin a referral, and return the page of its case."""
    return record(officer, "/begin/referrals/ReceiveReferral", REPORT)


def form_of(page: Page, command: str) -> str:
    """Return the address of the form of a command, from the steps of a case."""
    return next(address for address in page.links().values() if f"/do/{command}?" in address)


def sending(page: Page) -> Form:
    return page.form("/send")


def test_a_referral_is_begun_by_forms_alone(officer: Browser) -> None:
    """Given an officer, when a report is entered, then the check says what it will do, and the case shows what was recorded."""
    check = fill_in(officer, officer.open("/begin/referrals/ReceiveReferral"), REPORT)
    assert check.heading == "Check your answers: Receive referral"
    assert "Two pupils argued </textarea><b>over</b> a phone & a coat." in check.words
    assert "Opens the duty: Acknowledge the referral, due 23 November 2026" in check.words
    case = officer.send(check, sending(check))
    assert "Recorded Referral received" in case.words
    assert case.words.count(str(REPORT["narrative"])) == 1
    assert case.words.index("What was reported") < case.words.index("Next: ")
    linked = record(officer, form_of(case, "LinkPerson"), child())
    assert linked.heading == "Zoë O'Hara-Whiteley"
    assert linked.title.startswith("Zoë O'Hara-Whiteley")


def test_a_form_and_its_check_say_whose_record_it_is(officer: Browser) -> None:
    """Given the case of a child, when a form is opened and checked, then child and case stand above the question."""
    opened = begun(officer)
    number = opened.url.partition("?")[0].rpartition("/")[2][:8]
    form = officer.open(opened.links()["Add a person"])
    assert f"Case {number} {form.heading}" in form.words
    check = fill_in(officer, form, child())
    assert f"Case {number} {check.heading}" in check.words
    case = officer.send(check, sending(check))
    form = officer.open(case.links()["Add a person"])
    assert f"Zoë O'Hara-Whiteley, case {number} {form.heading}" in form.words
    check = fill_in(officer, form, child(part="WITNESS", category="WITNESS"))
    assert f"Zoë O'Hara-Whiteley, case {number} {check.heading}" in check.words


def test_a_form_sent_twice_acts_once(officer: Browser) -> None:
    """Given a form that was sent, when any of its pages is sent again, then each leads to the same place, and one event is there."""
    page = officer.open("/begin/referrals/ReceiveReferral")
    check = fill_in(officer, page, REPORT)
    first = officer.send(check, sending(check))
    again = officer.send(check, sending(check))
    from_the_start = fill_in(officer, page, REPORT)
    assert first.url == again.url == from_the_start.url
    assert "1 event," in officer.open(first.links()["History"]).words


def test_answers_that_are_sent_look_at_nothing(officer: Browser, system: dict[str, Any]) -> None:
    """Given a checked form, when it is sent, then nobody looks at the case again before the page that follows."""
    case = begun(officer)
    check = fill_in(officer, officer.open(form_of(case, "LinkPerson")), child())

    def looks() -> int:
        asked = {"case": case.url.partition("?")[0].rpartition("/")[2]}
        with client_of(system["var"]) as client:
            lines = client.get("reporting", "/v1/access", role="AUDITOR", params=asked).body["lines"]
        return sum(line["role"] == "SAFE_SCHOOLS_OFFICER" for line in lines)

    before, form = looks(), sending(check)
    sent = officer.client.post(f"{officer.base}{form.action}", data=form.fields, follow_redirects=False)
    assert (sent.status_code, looks()) == (303, before)
    assert before > 0


def test_a_command_that_the_rules_refuse_names_rule_and_source(officer: Browser) -> None:
    """Given a report from before the incident, when it is checked, then rule T1 and its source lead to the field, and nothing can be sent."""
    check = fill_in(
        officer,
        officer.open("/begin/referrals/ReceiveReferral"),
        {**REPORT, "reported_at": "2026-11-20T14:00:00+00:00"},
    )
    assert check.status == 422
    assert check.title.startswith("Error: ")
    assert "This is not allowed" in check.words
    assert "Rule T1. Source: rule T1 of this house; DPA 2018 s38 (accuracy)" in check.words
    assert not [form for form in check.forms() if "/send" in form.action]
    (fragment,) = {
        address.partition("#")[2] for text, address in check.links().items() if "give the three times" in text
    }
    back = officer.open(next(address for text, address in check.links().items() if "give the three times" in text))
    assert any(element.get("id") == fragment for element in back.root.iter())
    form = back.form("/do/")
    assert form.fields["narrative"] == [REPORT["narrative"]]
    assert form.fields["reported_at.clock"] == ["14:00"]


def test_what_is_missing_or_malformed_is_said_at_its_field(officer: Browser) -> None:
    """Given a form with gaps and a day that is none, when it is sent, then each field says what to do, and the answers stay."""
    page = officer.open("/begin/referrals/ReceiveReferral")
    wrong = officer.send(
        page, page.form("/do/"), {"reported_at.day": "31", "reported_at.month": "2", "reported_at.year": "2026"}
    )
    assert wrong.status == 422
    assert "Enter a date that exists, such as 27 3 2026" in wrong.words
    assert wrong.links()["Choose an answer to “Reported by”"] == "#f-source"
    assert wrong.form("/do/").fields["reported_at.day"] == ["31"]


def test_a_case_that_moved_on_shows_what_changed_beside_the_answers(officer: Browser) -> None:
    """Given a form that was drawn before another event, when it is checked, then it shows that event, and goes on when it was read."""
    case = begun(officer)
    old = officer.open(form_of(case, "AcknowledgeReferral"))
    record(officer, form_of(case, "LinkPerson"), child())
    check = fill_in(officer, old, {})
    assert check.status == 409
    assert "What changed since you opened this" in check.words
    assert "linked" in check.words
    assert not [form for form in check.forms() if "/send" in form.action]
    going_on = officer.send(check, check.form("/version"))
    assert "Meets the duty: Acknowledge the referral" in going_on.words
    assert "Recorded" in officer.send(going_on, sending(going_on)).words


def test_a_draft_waits_on_my_day_until_it_is_deleted(officer: Browser) -> None:
    """Given answers that were checked and not sent, when my day is opened, then they wait there; deleted, they are gone."""
    check = fill_in(officer, officer.open("/begin/referrals/ReceiveReferral"), REPORT)
    day = officer.open("/")
    assert any(text.startswith("Receive referral, draft") for text in day.links())
    assert officer.open(check.url).heading == check.heading
    officer.send(check, check.form("/delete"))
    answer = officer.open(check.url)
    assert (answer.status, answer.heading) == (410, "This form is no longer here")


def test_two_forms_of_two_cases_in_two_tabs_stay_apart(officer: Browser) -> None:
    """Given two cases with a form open of each, when both are filled in, then each records in its own."""
    first, second = begun(officer), begun(officer)
    tabs = [officer.open(form_of(case, "LinkPerson")) for case in (first, second)]
    names = ("Ida First", "Ben Second")
    checks = [fill_in(officer, tab, child(name)) for tab, name in zip(tabs, names, strict=True)]
    pages = [officer.send(check, sending(check)) for check in reversed(checks)]
    assert [page.heading for page in pages] == list(reversed(names))


def test_a_command_of_another_role_has_no_form(officer: Browser) -> None:
    """Given a command that the role may not send, when its form is opened, then a page says so; an unknown one is not there."""
    assert officer.open(f"/records/disposals/{uuid4()}/do/IssueDisposal").status in {403, 404}
    assert officer.open(f"/records/referrals/{uuid4()}/do/NoCommand").status == 404


def test_an_auditor_gives_a_reason_and_then_sees(browser: Browser) -> None:
    """Given an auditor, when no reason is given, then the page asks for one without a header's name, and comes back once it is given."""
    browser.sign_in("AUDITOR-1")
    refused = browser.open("/cases?due=week")
    assert (refused.status, refused.heading, "Access-Reason" in refused.words) == (
        403,
        "Say why you are looking",
        False,
    )
    page = browser.open(refused.links()["give the reason"])
    page = browser.send(page, page.form("/reason"))
    assert page.status == 422
    shown = browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
    assert (shown.heading, shown.url) == ("Cases", f"{browser.base}/cases?due=week")


@pytest.fixture
def forms(system: dict[str, Any]) -> Iterator[Forms]:
    """Yield the console's forms as a backend of scenarios."""
    with (
        client_of(system["var"]) as client,
        contextlib.closing(Forms(client, lambda: Browser(system["console"]))) as backend,
    ):
        yield backend


STORIES = sorted(path.stem for path in SCENARIOS.glob("*.yaml") if int(path.stem.partition("-")[0]) < 15)
CHOSEN = (
    "01-shoplifting-ycc",
    "04-sexting",
    "05-failed-ycc",
    "06-no-admission",
    "09-victim-withdraws",
    "10-audit",
    "11-indictable-only",
    "12-idempotent-and-concurrent",
    "13-workshop-register",
    "14-school-led-and-education",
)
"""Stories that send by forms whatever the first fourteen do: tests/scenarios/test_chosen.py compares."""
DAILY = "14-school-led-and-education"
"""The story of `make test`; test_stories_by_clicking.py plays others."""


@pytest.mark.parametrize(
    "story", [pytest.param(story, marks=() if story == DAILY else pytest.mark.nightly) for story in CHOSEN]
)
def test_a_story_is_carried_out_by_forms_alone(forms: Forms, story: str) -> None:
    """Given a story, when every command of it is sent by the console's forms, then every check of it agrees."""
    Run(read_scenario(SCENARIOS / f"{story}.yaml"), forms).play()
    assert forms.forms > 10
