"""A report, one question a page: to the check and the receipt, with its warnings, and kept on the way."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from services.console.schools.questions import QUESTIONS
from tests.integration.console.browsing import Browser, Page
from tests.integration.console.filling import answers
from tests.integration.console.test_forms import REPORT
from tests.whole_system import client_of, wait_until

pytestmark = pytest.mark.slow

FLAGS: Final = "gravity"


def answer(browser: Browser, page: Page, **other: Any) -> Page:
    """Answer the question of a page as the report has it, or otherwise."""
    form = page.form("/report/")
    report = {**REPORT, **other}
    given = {name: report[name] for name in report if any(one.split(".")[0] == name for one in form.names)}
    return browser.send(page, form, dict(answers(given, form)))


def begin(browser: Browser, person: str = "SAFE_SCHOOLS_OFFICER-1") -> Page:
    """Sign in, and open the first question."""
    browser.sign_in(person)
    return browser.open(browser.open("/report").links()["Start now"])


def to_the_check(browser: Browser, page: Page, **other: Any) -> Page:
    """Answer every question from the first, past the warnings."""
    while page.heading != "Check your answers":
        page = answer(browser, page, **other)
        if page.heading == "Before you go on":
            page = browser.open(page.links()["I have read this; continue"])
    return page


def test_a_report_goes_from_question_to_question_to_its_receipt(browser: Browser) -> None:
    """Given a report, when each question is answered, then the check shows what it will do, and the receipt what comes next."""
    page = begin(browser)
    assert "question 1 of" in page.words
    check = to_the_check(browser, page)
    assert check.heading == "Check your answers"
    assert "Opens the duty: Acknowledge the referral" in check.words
    receipt = browser.send(check, check.form("/send"))
    assert receipt.heading == "Report recorded"
    assert "Hash of the record" in receipt.words
    assert any("/do/LinkPerson" in address for address in receipt.links().values())
    case = browser.open(receipt.links()["Go to the case"])
    assert "Referral: Received" in case.words
    again = browser.open(check.url)
    assert again.heading == "Report recorded"


def test_a_question_says_what_is_missing_and_asks_for_nothing_else(browser: Browser) -> None:
    """Given a question without an answer, when it is sent, then its own fields alone are named, and the title says error."""
    page = begin(browser)
    wrong = browser.send(page, page.form("/report/"))
    assert (wrong.status, wrong.title.startswith("Error: ")) == (422, True)
    assert wrong.links()["Choose an answer to “Reported by”"] == "#f-source"
    assert "what happened" not in wrong.words.lower()


def test_an_answer_waits_for_the_person_to_come_back(browser: Browser) -> None:
    """Given one answer, when my day is opened, then the report waits there, with what is answered and what is not."""
    answer(browser, begin(browser))
    day = browser.open("/")
    draft = next(address for address in day.links().values() if address.startswith("/report/"))
    listed = browser.open(draft)
    assert listed.words.count("Completed") == 1
    assert listed.words.count("To be answered") == len(QUESTIONS) - 1
    first = browser.open(f"{draft}/{QUESTIONS[0].name}")
    assert first.form("/report/").fields["source"] == [REPORT["source"]]


def test_an_answer_is_changed_from_the_check(browser: Browser) -> None:
    """Given the check, when one answer is changed, then its question alone is asked again, and the check follows."""
    check = to_the_check(browser, begin(browser))
    question = browser.open(check.links()["Change Type of incident"])
    back = answer(browser, question, incident_type="DRUGS")
    assert back.heading == check.heading
    assert "Drugs" in back.words


def test_a_nude_image_is_warned_of_on_every_page_that_follows(browser: Browser) -> None:
    """Given the mark of a nude image, when it is answered, then the warning stands before, on and after the next question."""
    page = begin(browser)
    for question in QUESTIONS:
        page = answer(browser, page, flags=["NUDE_IMAGERY"])
        if question.name == FLAGS:
            break
    assert page.heading == "Before you go on"
    assert "Do not look at the image" in page.words
    account = browser.open(page.links()["I have read this; continue"])
    assert (account.heading, "Do not look at the image" in account.words) == ("What happened?", True)
    check = answer(browser, answer(browser, account))
    assert "Do not look at the image" in check.words
    case = browser.open(browser.send(check, check.form("/send")).links()["Go to the case"])
    assert "Do not look at the image" in case.words


def test_a_safeguarding_hold_stands_at_the_top_of_the_case(browser: Browser) -> None:
    """Given a concern that was raised, when the case is opened, then the hold stands above all else, with its source."""
    check = to_the_check(browser, begin(browser))
    receipt = browser.send(check, check.form("/send"))
    form = browser.open(
        next(address for address in receipt.links().values() if "/do/RaiseSafeguardingConcern" in address)
    )
    concern = {"concern": "A bruise that nobody explains.", "dsl_informed": "yes"}
    check = browser.send(form, form.form("/do/"), concern)
    case = browser.send(check, check.form("/send"))
    assert "Safeguarding hold: everything else waits" in case.words
    assert case.words.index("Safeguarding hold: everything") < case.words.index("What is left to do")


def test_a_school_is_asked_what_it_knows_in_its_words(browser: Browser) -> None:
    """Given a school, when it reports, then nobody asks who reported, which school or which law, and the check has its words alone."""
    page = begin(browser, "SCHOOL-1")
    assert (page.heading, "question 1 of 5" in page.words) == ("What kind of incident was it?", True)
    asked = page.words
    while page.heading != "Check your answers":
        page = answer(browser, page, flags=["KNIFE"])
        asked += page.words
    for words in ("Reported by", "Lawful basis", "Marks of gravity", "indictment", "School reference", "Assessment"):
        assert words not in asked, words
    assert "A knife or a blade" in page.words
    receipt = browser.send(page, page.form("/send"))
    assert receipt.heading == "Report recorded"
    assert browser.open(f"/report/{receipt.url.split('/')[-2]}/who").status == 404


def test_a_report_of_a_school_is_made_when_it_is_first_sent(browser: Browser, system: dict[str, Any]) -> None:
    """Given answers that wait, when the report is sent twice, then it was reported at the first of them, and stands once."""
    check = to_the_check(browser, begin(browser, "SCHOOL-1"))
    answered = datetime.now(UTC).replace(microsecond=0)
    wait_until(lambda: datetime.now(UTC) >= answered + timedelta(seconds=2), 60, "the clock to go on")
    before = datetime.now(UTC).replace(microsecond=0)
    receipts = [browser.send(check, check.form("/send")) for _ in range(2)]
    assert [receipt.heading for receipt in receipts] == ["Report recorded"] * 2
    reference = re.search("Referral ([0-9a-f]{8})", receipts[0].words)
    assert reference
    with client_of(system["var"]) as client:

        def cases() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = client.search({"case": reference[1]}, role="SAFE_SCHOOLS_OFFICER").body[
                "cases"
            ]
            return found

        wait_until(lambda: bool(cases()), 60, "the case")
        (case,) = cases()
        (stream,) = {record["id"] for record in case["records"]}
        state = client.get("referral", f"/v1/referrals/{stream}", role="SAFE_SCHOOLS_OFFICER").body
    assert datetime.fromisoformat(state["reported_at"]) >= before


def test_a_school_reports_and_gets_a_receipt(browser: Browser) -> None:
    """Given a school, when it reports, then it gets a receipt, and its first page says what became of the report, and leads nowhere that refuses it."""
    check = to_the_check(browser, begin(browser, "SCHOOL-1"), flags=["EXPLOITATION"])
    assert check.heading == "Check your answers"
    assert "An officer raises a safeguarding concern" in check.words
    receipt = browser.send(check, check.form("/send"))
    assert receipt.heading == "Report recorded"
    assert "An officer reads it next, and adds the people whom you named." in receipt.words
    assert "Name the people involved where you say what happened" in browser.open("/report").words
    assert "Place in the log" in receipt.words
    assert "Go to the case" not in receipt.links()
    mine = browser.open(receipt.links()["Your referrals, and what became of each"])
    assert "We have it" in mine.words
    assert all(browser.open(address).status == 200 for address in mine.links().values() if address.startswith("/"))
