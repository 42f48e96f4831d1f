"""The list, the search and the pages of a case, on a whole system."""

import re

import pytest

from services.console.officers.cases import SEVERAL
from tests.integration.console.browsing import Browser, Page

pytestmark = pytest.mark.slow


def case_of(browser: Browser, name: str) -> str:
    """Return the address of the case of a child, by the list: of several of one name, of the last."""
    return [address for text, address in browser.open("/cases").links().items() if text.startswith(name)][-1]


def test_the_list_names_the_children_and_filters(browser: Browser) -> None:
    """Given cases, when the list is filtered by what is due, then the soonest comes first and the others are left out."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/cases")
    assert re.search(r"\d+ cases\. The soonest duty comes first", page.words)
    filtered = browser.send(page, page.form("/cases"), {"due": "overdue"})
    assert "Jack Tolliday" in filtered.words
    assert "Reece Gannaway" not in filtered.words
    none = browser.send(page, page.form("/cases"), {"state": "PANEL_QUEUE"})
    assert "No case matches these filters" in none.words


def test_the_stages_of_the_list_are_grouped_by_kind_of_record(browser: Browser) -> None:
    """Given the list, then its stages stand under the kind of record that has them, each once, and what comes first is asked so."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/cases")
    groups = {one.get("label"): [option.get("value") for option in one] for one in page.root.iter("optgroup")}
    assert "PANEL_QUEUE" in groups["Referral"]
    assert "BREACH_REVIEW" in groups["Disposal"]
    assert "CLOSED" in groups[SEVERAL]
    listed = [state for states in groups.values() for state in states]
    assert len(listed) == len(set(listed)) > 30
    assert "Show first" in page.words


def test_an_auditor_finds_a_case_by_its_number_and_by_no_name(browser: Browser) -> None:
    """Given an auditor, when they search, then a case is found by its number, and by a name that they may not read nothing is."""
    page = browser.sign_in("AUDITOR-1")
    browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
    browser.open("/cases")
    number = next(text.removeprefix("Case ") for text in browser.open("/cases").links() if text.startswith("Case "))
    page = browser.open(browser.open("/").links()["Search"])
    assert "1 case found" in browser.send(page, page.form("/search"), {"words": number}).words
    assert "0 cases found" in browser.send(page, page.form("/search"), {"words": "Hartnell"}).words


def test_a_search_finds_by_a_name_that_stands_in_no_address(browser: Browser) -> None:
    """Given the beginning of a name, when it is searched for, then its case is found, and the address has no word of it."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/search")
    found = browser.send(page, page.form("/search"), {"words": "tolli"})
    assert re.search(r"\d+ cases? found", found.words)
    assert found.url.endswith("/search")
    number = found.links()["Jack Tolliday"].rpartition("/")[2][:8]
    assert f"Case {number}. Found by" in found.words
    assert f"Case {number}" in browser.open("/cases").words
    assert "tolli" not in found.title.lower()


def test_a_search_for_a_child_finds_their_sessions(browser: Browser) -> None:
    """Given a child with a place in a session, when the child is searched for, then the session stands there, and leads to its page."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/search")
    found = browser.send(page, page.form("/search"), {"words": "whitmore"})
    session = next(link for text, link in found.links().items() if text.startswith("Retail workshop, "))
    assert "Cara Whitmore" in browser.open(f"{session}/register").words


def test_a_search_for_nothing_says_what_to_do(browser: Browser) -> None:
    """Given nothing to look for, when the form is sent, then the field is named, and the title begins with Error."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/search")
    wrong = browser.send(page, page.form("/search"), {"words": " "})
    assert wrong.status == 422
    assert wrong.title.startswith("Error: ")
    assert wrong.links()["Enter what you are looking for."] == "#words"


def test_a_case_is_found_by_its_number_and_a_short_name_says_what_it_needs(browser: Browser) -> None:
    """Given the number of a case as pages show it, then it is found; two letters that find nothing say that three are needed."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/search")
    case = case_of(browser, "Jack Tolliday")
    found = browser.send(page, page.form("/search"), {"kind": "case", "words": case.rpartition("/")[2][:8]})
    assert "Jack Tolliday" in found.links()
    short = browser.send(page, page.form("/search"), {"words": "Zz"})
    assert short.status == 422
    assert "Enter at least three letters of the name" in short.words


def test_a_case_says_what_can_happen_next_and_what_is_due(browser: Browser) -> None:
    """Given a child's case, when it is opened, then it shows who it is, the open duties, and what can be done by the rules."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(case_of(browser, "Jack Tolliday"))
    assert page.heading == "Jack Tolliday"
    assert "Born 19 October 2012" in page.words
    assert "Referral: With MASH" in page.words
    assert "Close it Internet safety officer" in page.words
    assert "Can be done" in page.words
    assert page.title.startswith("Jack Tolliday")
    assert "Case reference " in page.words
    assert "Timeline" not in page.links()


def test_a_victim_worker_is_not_told_that_nobody_has_a_case(browser: Browser) -> None:
    """Given a case with an officer, when a role that may read neither officer nor state opens it, then the page claims nothing of them."""
    browser.sign_in("SUPERVISOR-1")
    case = case_of(browser, "Leo Hartnell")
    assert "Disposal with " in browser.open(case).words
    browser.sign_in("VICTIM_WORKER-1")
    page = browser.open(case)
    assert "Nobody has it yet" not in page.words
    assert "Disposal: not shown to your role" in page.words


def test_the_timeline_tells_each_event_with_both_times(browser: Browser) -> None:
    """Given a case, when its timeline is opened, then each event is a sentence that leads to what was known then."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(f"{case_of(browser, 'Jack Tolliday')}/timeline")
    assert page.words.startswith("Jack Tolliday What happened in case")
    event = browser.open(next(one for text, one in page.links().items() if text.startswith("Event and proof")))
    assert "Jack Tolliday" in event.words
    assert "Safeguarding concern" in page.words or "safeguarding concern" in page.words
    assert "recorded" in page.words
    then = [address for text, address in page.links().items() if text.startswith("What was known then")]
    assert len(then) >= 9
    past = browser.open(then[0])
    assert "This is not how the case stands now" in past.words
    assert "You can do it now" not in past.words


def test_a_case_as_it_stood_is_asked_by_a_form(browser: Browser) -> None:
    """Given a day, when a case is asked for as it stood, then its duties of then are shown and no step is offered."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(f"{case_of(browser, 'Jack Tolliday')}/timeline")
    form = next(form for form in page.forms() if form.method == "get")
    past = browser.send(page, form, {"as_of": "2026-03-20", "known_at": ""})
    assert "as it stood on 20 March 2026" in past.words


@pytest.mark.parametrize(
    "address",
    [
        "/cases/7b25a32c-7a6b-5cf9-bdc4-0b84d596c200",
        "/cases/no-id",
        "/records/nothing/7b25a32c-7a6b-5cf9-bdc4-0b84d596c200",
    ],
)
def test_what_is_not_there_is_a_page(browser: Browser, address: str) -> None:
    """Given an address of nothing, when it is opened, then the page says so, and the person stays signed in."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(address)
    assert (page.status, page.heading) == (404, "Page not found")
    assert "Sign out" in page.text


def test_what_a_role_may_not_see_is_a_page_and_no_sign_out(browser: Browser) -> None:
    """Given an analyst, when the list of cases is opened, then a 403 says whose work it is, and the session goes on."""
    browser.sign_in("ANALYST-1")
    page = browser.open("/cases")
    assert (page.status, page.heading) == (403, "You may not see this")
    assert (browser.open("/")).heading == "Returns"


def test_a_record_has_a_page_of_its_own(browser: Browser) -> None:
    """Given a referral, when its own page is opened, then it shows its history and its steps."""
    browser.sign_in("SUPERVISOR-1")
    case: Page = browser.open(case_of(browser, "Jack Tolliday"))
    every = (element.get("id", "") for element in case.root.iter())
    ids = [id_.removeprefix("next-")[:36] for id_ in every if id_.startswith("next-")]
    page = browser.open(f"/records/referrals/{ids[0]}")
    assert page.heading.startswith("Referral of Jack Tolliday: ")
    assert "What happened" in page.words


def test_an_auditor_sees_who_has_looked(browser: Browser) -> None:
    """Given a case that was opened, when an auditor with a reason asks, then the look stands there with role and reason."""
    browser.sign_in("AUDITOR-1")
    page = browser.open("/reason")
    browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
    case = browser.open(next(one for one in browser.open("/cases").links().values() if one.startswith("/cases/")))
    looks = browser.open(browser.open(case.links()["Timeline"]).links()["Who has looked at this case"])
    assert "Auditor" in looks.words
    assert "Read cases Audit Given" in looks.words
