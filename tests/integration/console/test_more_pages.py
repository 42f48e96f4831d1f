"""The register of a session, papers, returns with their files and what is frozen, the panel, and a conference."""

import re
from uuid import UUID, uuid4

import pytest

from tests.integration.console.browsing import Browser, Form, Page
from tests.integration.console.filling import record
from tests.integration.console.test_forms import begun, child, form_of
from tests.pdf import pdf_text

pytestmark = pytest.mark.slow

PLAN = {
    "kind": "WORKSHOP",
    "topic": "RETAIL",
    "starts_at": "2026-11-20T10:00:00+00:00",
    "hours": "3",
    "place": "Dorchester",
    "occurred_at": "2026-11-10T09:00:00+00:00",
}


@pytest.fixture
def session_page(browser: Browser) -> Page:
    """Plan a session in the past, book two places in it, and return its page."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    page = record(browser, "/begin/sessions/PlanSession", PLAN)
    path = page.url.partition("?")[0]
    for _ in range(2):
        place = {"person_id": str(uuid4()), "occurred_at": "2026-11-11T09:00:00+00:00"}
        page = record(browser, f"{path}/do/BookPlace", place)
    return page


def lines(page: Page) -> list[str]:
    """Return the people of the register who have a line to fill in."""
    names = page.form("/register").names
    return sorted(name.partition(".")[0] for name in names if name.endswith(".status"))


def test_a_register_holds_the_session_and_takes_each_line(browser: Browser, session_page: Page) -> None:
    """Given a planned session, when a right and a wrong line are sent, then it is held, the right one is recorded, and the wrong one says why."""
    path = session_page.url.partition("?")[0]
    register = browser.open(f"{path}/register")
    assert "Register: " in register.heading
    first, second = lines(register)
    assert str(UUID(first)) == first
    filled = {
        f"{first}.status": "DNA_PENDING",
        f"{second}.status": "ATTENDED",
        f"{second}.complied": "yes",
        f"{second}.hours_credited": "many",
    }
    nobody = browser.send(register, register.form("/register"))
    assert "Select how it ended for at least one child" in nobody.words
    answer = browser.send(register, register.form("/register"), filled)
    assert answer.status == 422
    assert "Recorded 1 line:" in answer.words
    assert "Hours credited must be a number, such as 1.5" in answer.words
    assert lines(answer) == [second]
    done = browser.send(answer, answer.form("/register"), {f"{second}.hours_credited": "3"})
    assert (done.status, "Not every line" in done.words) == (200, False)
    happened = browser.open(path).words
    # Whoever was not there has no hours, and everything is dated by the session, not by the day on which it is entered.
    assert "0 of 3 hours credited" in happened
    assert happened.count("20 November 2026 at 10:00") >= 3


def test_a_place_without_a_case_is_nobodys_by_name(browser: Browser, session_page: Page) -> None:
    """Given a session by itself, when a place in it is to be booked, then its form leads to the case of the child."""
    form = browser.open(f"{session_page.url.partition('?')[0]}/do/BookPlace")
    assert form.links()["Find the case of the child"] == "/search"


def test_a_register_that_is_sent_twice_acts_once(browser: Browser, session_page: Page) -> None:
    """Given two tabs, when one is sent twice, then it acts once; the other says that somebody recorded it in the meantime."""
    path = session_page.url.partition("?")[0]
    register, other_tab = (browser.open(f"{path}/register") for _ in range(2))
    filled = {
        f"{person}.{name}": text
        for person in lines(register)
        for name, text in (("status", "ATTENDED"), ("complied", "yes"))
    }
    for _ in range(2):
        assert "Recorded 2 lines:" in browser.send(register, register.form("/register"), filled).words
    late = browser.send(other_tab, other_tab.form("/register"), filled)
    assert late.words.count("Somebody recorded this in the meantime") == 4
    lines_of_record = [text for text in browser.open(path).links() if text.startswith("Attendance recorded")]
    assert len(lines_of_record) == 2


def test_a_paper_that_is_not_ready_says_why(browser: Browser) -> None:
    """Given a disposal that is not decided, when a paper is asked for, then a page says why there is none."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/cases?state=COMPLETED")
    case = browser.open(next(address for address in page.links().values() if address.startswith("/cases/")))
    disposal = browser.open(case.links()["Disposal"])
    papers = {text: address for text, address in disposal.links().items() if text.endswith("(PDF)")}
    assert papers
    answers = [browser.client.get(f"{browser.base}{address}") for address in papers.values()]
    printed = [one for one in answers if one.headers["content-type"] == "application/pdf"]
    assert all(one.content.startswith(b"%PDF") for one in printed)
    assert printed
    assert len(printed) < len(answers)


PERIOD = {"measure": "kpi6", "from": "2025-10-01", "to": "2026-11-20"}


def test_a_return_has_a_chart_and_files(browser: Browser) -> None:
    """Given a measure with numbers, when it is shown, then a chart stands beside its table, and both files have the numbers."""
    browser.sign_in("ANALYST-1")
    page = browser.open("/returns")
    wrong = browser.send(page, _chooser(page), PERIOD | {"to": "2025-09-30"})
    assert (wrong.status, wrong.title.startswith("Error: ")) == (422, True)
    shown = browser.send(page, _chooser(page), PERIOD)
    assert "definition 2" in shown.words
    (chart,) = [one for one in shown.root.iter() if str(one.tag).endswith("svg")]
    assert chart.get("role") == "img"
    csv = browser.client.get(f"{browser.base}{shown.links()['Download as CSV']}")
    assert csv.headers["content-disposition"] == 'attachment; filename="kpi6-2025-10-01-2026-11-20.csv"'
    assert "Youth conditional caution,Ended," in csv.text
    workbook = browser.client.get(f"{browser.base}{shown.links()['Download as a workbook']}")
    assert workbook.content.startswith(b"PK")


def test_a_frozen_return_says_what_has_been_restated(browser: Browser) -> None:
    """Given a measure, when it is frozen, sent twice, then it is kept once, and shows what it rests on and what differs today."""
    browser.sign_in("ANALYST-1")
    page = browser.open("/returns")
    shown = browser.send(page, _chooser(page), PERIOD)
    frozen = browser.send(shown, shown.form("/returns/frozen"))
    again = browser.send(shown, shown.form("/returns/frozen"))
    assert frozen.url == again.url
    assert "Nothing has been restated" in frozen.words
    assert "Gives the same bytes" in frozen.words
    listed = browser.open("/returns/frozen")
    assert frozen.url.removeprefix(browser.base) in listed.links().values()


def test_a_pack_shows_its_figures_and_is_frozen_as_one(browser: Browser) -> None:
    """Given a quarter by its name, then its figures lead to their measures, the pack is kept as one return, and a sheet holds each measure."""
    browser.sign_in("ANALYST-1")
    chosen = browser.open("/returns/pack?quarter=nothing")
    assert re.fullmatch(r"\w+ to \w+ \d{4} \(\d{4}-\d{2} Q[1-4]\)", chosen.heading)
    assert "KPI6 (out-of-court disposals)" in chosen.links()
    link = next(address for text, address in chosen.links().items() if text.startswith("For the board"))
    assert chosen.heading in pdf_text(browser.client.get(f"{browser.base}{link}").content)
    frozen = browser.send(chosen, chosen.form("/returns/frozen"))
    assert "The pack of a quarter" in frozen.heading
    assert "Nothing has been restated" in frozen.words
    extract = browser.client.get(f"{browser.base}{frozen.links()['extract (JSON)']}")
    assert frozen.url.endswith(extract.json()["source_return_id"])
    assert browser.client.get(f"{frozen.url}/extract/pdf").status_code == 404
    workbook = browser.client.get(f"{browser.base}{chosen.links()['Download as a workbook']}")
    assert workbook.content.startswith(b"PK")


def test_the_board_sees_every_measure_of_a_period(browser: Browser) -> None:
    """Given an analyst, when the board's page is opened, then every measure has its table; an officer without measures sees a 403."""
    browser.sign_in("ANALYST-1")
    page = browser.open("/returns/board?from=2025-10-01&to=2026-11-20")
    assert page.heading == "For the board"
    for name in (
        "KPI6 (out-of-court disposals), 1 October 2025",
        "Timeliness, 1 October 2025",
        "Workload, 1 October 2025",
    ):
        assert name in page.words
    assert "Disproportionality is published" in page.words
    assert "Nothing was recorded" not in page.words, "nothing was to be"
    browser.sign_in("VICTIM_WORKER-1")
    assert browser.open("/returns/board").status == 403


def test_inspectors_get_a_paper(browser: Browser) -> None:
    """Given a period, when an auditor prints the page for inspectors, then it is a PDF; who reads no measures gets a page that says so."""
    browser.sign_in("AUDITOR-1")
    reason = browser.open("/reason")
    browser.send(reason, reason.form("/reason"), {"reason": "INSPECTION"})
    board = browser.open("/returns/board?from=2025-10-01&to=2026-11-20")
    link = next(address for text, address in board.links().items() if text.startswith("For inspectors"))
    printed = browser.client.get(f"{browser.base}{link}")
    assert (printed.headers["content-type"], printed.content[:4]) == ("application/pdf", b"%PDF")
    text = pdf_text(printed.content)
    assert "1 October 2025 to 20 November 2026" in text
    assert "Youth conditional caution" in text
    assert "Disposal, events" in text
    browser.sign_in("VICTIM_WORKER-1")
    assert browser.open("/returns/inspection").status == 403


def test_the_panel_has_its_queue_its_cases_and_its_quorum(browser: Browser) -> None:
    """Given a referral that waits for the panel, when its disposal case is opened, then the panel's page has it with pack and quorum."""
    case = _with_panel(browser)
    page = browser.open("/panel")
    assert page.heading == "Joint decision-making panel"
    assert case in page.links().values()
    opening = next(
        one for one in page.links().values() if one.startswith("/begin/disposals/OpenDisposalCase") and case[7:] in one
    )
    form = browser.open(opening).form("/do/")
    assert form.fields["case_id"] == [case.removeprefix("/cases/")]
    assert form.fields["referral_id"][0]


def test_a_conference_gathers_who_takes_part_and_what_comes_next(browser: Browser) -> None:
    """Given a conference of a case, when its page is opened, then participants, facts and the forms for them stand there."""
    browser.sign_in("SUPERVISOR-1")
    addresses = [one for one in browser.open("/cases").links().values() if one.startswith("/cases/")]
    cases = (browser.open(address) for address in addresses)
    page = browser.open(
        next(case.links()["Restorative conference"] for case in cases if "Restorative conference" in case.links())
    )
    assert "Who takes part" in page.words
    for heading in ("Responsibility", "Facilitator", "Risk", "Schedule", "Outcome", "Agreement"):
        assert heading in page.words
    assert "Go to the case" in page.links()


def _chooser(page: Page) -> Form:
    """Return the form of a page of returns that chooses the measure."""
    return next(form for form in page.forms() if form.method == "get")


def _with_panel(browser: Browser) -> str:
    """Take a report to the panel, and return the address of its case."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    case = begun(browser)
    record(browser, form_of(case, "LinkPerson"), child())
    address = case.url.removeprefix(browser.base).partition("?")[0]
    record(browser, form_of(browser.open(address), "RecordCrime"), {"crime_number": "55260012345"})
    record(browser, form_of(browser.open(address), "AcknowledgeReferral"), {})
    triage = {"outcome": "REFER_DISPOSAL_PANEL", "rationale_text": "Graver than advice.", "supervisor_reviewed": True}
    record(browser, form_of(browser.open(address), "TriageReferral"), triage)
    browser.sign_in("YJS_CASE_MANAGER-1")
    return address


def test_an_operator_sees_every_service_and_rehearses_a_decision_before_it(browser: Browser) -> None:
    """Given a running system, when a supervisor opens operations, then each service stands there; a decision asks for a reason first."""
    browser.sign_in("SUPERVISOR-1")
    page = browser.open("/operations")
    for title in ("Referral", "Education", "Disposal", "Restorative conference", "Reporting", "Notifications"):
        assert title in page.words
    assert "Does not answer" not in page.words
    address = f"/operations/rj-conference/reactions/{uuid4()}/close"
    assert "Give the reason first" in browser.open(address).words
    reason = browser.open("/reason")
    browser.send(reason, reason.form("/reason"), {"reason": "SUPERVISION"})
    nothing = browser.open(address)
    assert nothing.status == 404
    assert "it may have been settled since" in nothing.words
    assert browser.open(f"/operations/rj-conference/reactions/{uuid4()}/release").status == 404
    browser.sign_in("ANALYST-1")
    assert "Nothing that you may see" in browser.open("/operations").words
