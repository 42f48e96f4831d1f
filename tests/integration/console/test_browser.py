"""The console in a real browser: journeys by clicking and by keyboard, and every page checked by axe and looked at.

tests/browsers.py says which browsers. Where there is none its tests are skipped; the same pages and journeys are tested over
HTTP beside them always. Pictures of every page are written to var/screens.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.browsers import CHROMIUM, FIREFOX
from tests.integration.console.firefox import program
from tests.integration.console.test_forms import REPORT

LAUNCH: Final = ("--no-sandbox", "--disable-gpu", "--renderer-process-limit=1", "--disable-site-isolation-trials")
"""No sandbox, since root has none. One process draws all pages: they trust each other, and each further one takes half a second."""

SCREENS: Final = Path(__file__).parents[3] / "var" / "screens"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="there is no Chromium (python -m tests.browsers says why): the pages are tested over HTTP alone",
    ),
]


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """Yield what drives the browsers."""
    expect.set_options(timeout=60_000)  # a page of a busy machine takes longer than its five seconds
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(driver: Playwright) -> Iterator[Browser]:
    """Yield the browser."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=LAUNCH)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def firefox(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield the other browser."""
    if FIREFOX is None:
        pytest.skip(
            "no Firefox is on PATH (Debian: apt-get install firefox-esr): these pages are tried in Chromium alone"
        )
    program_ = program(tmp_path_factory.mktemp("firefox"))
    browser = driver.firefox.launch(channel="moz-firefox", executable_path=program_)
    yield browser
    browser.close()


@pytest.fixture(scope="module", params=["chromium", pytest.param("firefox", marks=pytest.mark.nightly)])
def either(request: pytest.FixtureRequest) -> Browser:
    """Return each of the browsers in its turn."""
    browser: Browser = request.getfixturevalue(request.param)
    return browser


@pytest.fixture
def tab(chromium: Browser, system: dict[str, Any]) -> Iterator[Page]:
    """Yield a tab in which nobody has signed in. Scripts may run there, so that axe does; no page has any (browsing.py)."""
    context = chromium.new_context(base_url=system["console"])
    yield context.new_page()
    context.close()


def sign_in(tab: Page, person: str) -> None:
    tab.goto("/")
    with tab.expect_navigation():
        tab.click(f"button[value={person}]")


def check(tab: Page, name: str) -> None:
    """Check a page as whoever cannot see it."""
    results = Axe().run(tab)
    assert not results.response["violations"], f"{name}: {results.generate_report()}"


def look(tab: Page, name: str) -> None:
    """Check a page as whoever cannot see it, and keep a picture of it for whoever can."""
    expect(tab.locator("h1")).to_have_count(1)
    tab.screenshot(path=SCREENS / f"{name}.png", full_page=True)
    check(tab, name)


def follow(tab: Page, selector: str) -> None:
    """Press what leads to another page, and wait until that is there: a click alone may return while the old one stands."""
    with tab.expect_navigation():
        tab.click(selector)


def is_narrow_enough(tab: Page, width: int) -> None:
    """Assert that nothing is cut off."""
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, tab.url


def test_an_officer_carries_a_report_to_the_case(tab: Page) -> None:
    """Given a report, when an officer enters it by clicking, then it is checked, recorded, and stands on the case's page."""
    sign_in(tab, "SAFE_SCHOOLS_OFFICER-1")
    look(tab, "my-day")
    follow(tab, "text=Begin")
    look(tab, "begin")
    follow(tab, "text=Receive referral")
    look(tab, "form")
    follow(tab, "main button:has-text('Continue') >> visible=true")
    expect(tab).to_have_title(re.compile("^Error: "))
    look(tab, "form-with-errors")
    tab.check("input[name=source][value=SCHOOL]")
    tab.select_option("select[name=incident_type]", str(REPORT["incident_type"]))
    tab.check("input[name=setting][value=SCHOOL]")
    tab.check("input[name=on_premises][value=yes]")
    tab.check("input[name=in_school_hours][value=no]")
    tab.fill("textarea[name=narrative]", str(REPORT["narrative"]))
    tab.check("input[name=lawful_basis][value='law enforcement']")
    for name, clock in (("reported_at", "15:20"), ("happened_at", "15:50")):
        for part, text in (("day", "20"), ("month", "11"), ("year", "2026"), ("clock", clock)):
            tab.fill(f"input[name='{name}.{part}']", text)
    follow(tab, "main button:has-text('Continue') >> visible=true")
    expect(tab.locator("main")).to_contain_text("This is not allowed")
    look(tab, "check-refused")
    follow(tab, ".govuk-error-summary a >> nth=0")
    tab.fill("input[name='happened_at.clock']", "14:50")
    follow(tab, "main button:has-text('Continue') >> visible=true")
    look(tab, "check")
    follow(tab, "text=Record this")
    expect(tab.locator(".govuk-notification-banner")).to_contain_text("Referral received")
    look(tab, "case-begun")
    tab.set_viewport_size({"width": 320, "height": 800})
    tab.goto(str(tab.locator("main a[href*='/do/AttachDocument?']").first.get_attribute("href")))
    is_narrow_enough(tab, 320)
    follow(tab, "main button:has-text('Continue') >> visible=true")
    expect(tab.locator(".govuk-error-summary a")).to_have_text(["Choose the file"])
    check(tab, "form-of-a-document")
    file = {"name": "Statement.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n" * 200_000}
    tab.set_input_files("main input[type=file]", file)  # type: ignore[arg-type]  # as it is declared, not inferred
    follow(tab, "main button:has-text('Continue') >> visible=true")
    for text in ("Statement.pdf", "application/pdf"):
        expect(tab.locator("main")).to_contain_text(text)
    follow(tab, "text=Record this")
    expect(tab.locator(".govuk-notification-banner")).to_contain_text("Document attached")


def test_a_form_outlives_its_session(either: Browser, system: dict[str, Any]) -> None:
    """Given a form whose session is over, when it is sent, then no redirect is blocked: one signs in, and every answer is there."""
    context = either.new_context(base_url=system["console"])
    tab = context.new_page()
    sign_in(tab, "SAFE_SCHOOLS_OFFICER-1")
    tab.goto("/begin/referrals/ReceiveReferral")
    tab.check("input[name=source][value=SCHOOL]")
    tab.fill("textarea[name=narrative]", "What took an hour to write.")
    context.clear_cookies()
    follow(tab, "main button:has-text('Continue') >> visible=true")
    look(tab, "session-ended")
    follow(tab, "main a:has-text('Sign in')")
    tab.click("button[value=SAFE_SCHOOLS_OFFICER-1]")
    tab.wait_for_url("**/do/ReceiveReferral?draft=*")
    assert tab.input_value("textarea[name=narrative]") == "What took an hour to write."
    assert tab.is_checked("input[name=source][value=SCHOOL]")
    context.close()


def test_an_officer_reports_by_questions(tab: Page) -> None:
    """Given a nude image, when an officer answers question by question, then the warning comes first, and the receipt last."""
    sign_in(tab, "SAFE_SCHOOLS_OFFICER-1")
    tab.goto("/report")
    follow(tab, "text=Start now")
    look(tab, "report-who")
    _continue(tab)
    look(tab, "report-who-with-errors")
    tab.check("input[name=source][value=SCHOOL]")
    _fill_moment(tab, "reported_at", "15:20")
    _continue(tab)
    tab.select_option("select[name=incident_type]", "ONLINE_SAFETY")
    _continue(tab)
    _fill_moment(tab, "happened_at", "14:50")
    _continue(tab)
    look(tab, "report-where")
    tab.check("input[name=setting][value=ONLINE]")
    tab.check("input[name=on_premises][value=no]")
    tab.check("input[name=in_school_hours][value=no]")
    _continue(tab)
    look(tab, "report-gravity")
    tab.check("input[name=flags][value=NUDE_IMAGERY]")
    tab.check("input[name=flags][value=SEXUAL]")
    _continue(tab)
    expect(tab.locator("main")).to_contain_text("Do not look at the image")
    look(tab, "report-warning")
    follow(tab, "text=I have read this; continue")
    tab.fill("textarea[name=narrative]", "A message was passed on.")
    look(tab, "report-account")
    _continue(tab)
    tab.check("input[name=lawful_basis][value='law enforcement']")
    _continue(tab)
    look(tab, "report-check")
    tab.click("summary >> text=What if it happened on another day?")
    for part, text in (("day", "1"), ("month", "11"), ("year", "2026")):
        tab.fill(f"input[name=on-{part}]", text)
    follow(tab, "text=Show that day")
    look(tab, "report-another-day")
    follow(tab, "text=Record this")
    look(tab, "report-receipt")
    follow(tab, "text=Go to the case")
    expect(tab.locator("main")).to_contain_text("Do not look at the image")
    look(tab, "case-with-a-nude-image")


def _continue(tab: Page) -> None:
    follow(tab, "main button:has-text('Save and continue')")


def _fill_moment(tab: Page, name: str, clock: str) -> None:
    for part, text in (("day", "20"), ("month", "11"), ("year", "2026"), ("clock", clock)):
        tab.fill(f"input[name='{name}.{part}']", text)


PAGES: Final = {
    "day": ("SUPERVISOR-1", "/"),
    "daily-sheet": ("SUPERVISOR-1", "/daily-sheet"),
    "diary": ("SUPERVISOR-1", "/diary"),
    "cases": ("SUPERVISOR-1", "/cases"),
    "cases-none": ("SUPERVISOR-1", "/cases?state=PANEL_QUEUE"),
    "search": ("SUPERVISOR-1", "/search"),
    "reason": ("AUDITOR-1", "/reason"),
    "returns": ("ANALYST-1", "/returns?measure=kpi6&from=2025-10-01&to=2025-12-31"),
    "pack": ("ANALYST-1", "/returns/pack?quarter=2025-26-Q3"),
    "board": ("ANALYST-1", "/returns/board?from=2025-10-01&to=2026-11-20"),
    "frozen": ("ANALYST-1", "/returns/frozen"),
    "sessions": ("SUPERVISOR-1", "/sessions?week=2026-05-18"),
    "operations": ("SUPERVISOR-1", "/operations"),
    "rules": ("SUPERVISOR-1", "/rules?service=education&on=2026-03-02"),
    "evidence": ("AUDITOR-1", "/evidence"),
    "counted": (
        "SUPERVISOR-1",
        "/returns/cases?measure=kpi6&from=2025-10-01&to=2026-11-20&cell=columns.youth_conditional_caution.ended",
    ),
    "panel": ("SUPERVISOR-1", "/panel"),
    "victims": ("VICTIM_WORKER-1", "/victims"),
    "report": ("SAFE_SCHOOLS_OFFICER-1", "/report"),
    "forbidden": ("ANALYST-1", "/cases"),
    "not-found": ("SUPERVISOR-1", "/nowhere"),
    "draft-gone": ("SUPERVISOR-1", "/drafts/7b25a32c-7a6b-5cf9-bdc4-0b84d596c200"),
    "day-of-a-school": ("SCHOOL-1", "/"),
    "signed-out": ("SUPERVISOR-1", "/signed-out"),
    "import": ("SUPERVISOR-1", "/import"),
    "status": ("SUPERVISOR-1", "/status"),
    "refused": ("SUPERVISOR-1", "/returns/cases?measure=kpi6&from=2025-10-01&to=2026-11-20&cell=columns.nothing"),
    "appointment-over": ("SUPERVISOR-1", "/next/nothing"),
}


STYLED: Final = ("day", "returns", "report")
"""Pages with all that the one style sheet changes where it is wide or colours are forced: menu, tags, tables, forms."""

OF_NUMBERS: Final = ("board", "evidence", "operations", "pack", "returns", "rules")
"""Pages whose tables scroll sideways where the window is narrow; the rows of an officer's are stacked."""


@pytest.fixture(scope="module")
def contexts(chromium: Browser, system: dict[str, Any]) -> Iterator[dict[str, BrowserContext]]:
    """Yield a signed-in context for each person of the pages."""
    found: dict[str, BrowserContext] = {}
    for person in {person for person, _ in PAGES.values()}:
        found[person] = chromium.new_context(base_url=system["console"], viewport={"width": 320, "height": 800})
        sign_in(found[person].new_page(), person)
    yield found
    for context in found.values():
        context.close()


@pytest.mark.nightly
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_everyone(contexts: dict[str, BrowserContext], name: str) -> None:
    """Given a page, when it is opened on 320 pixels, printed and in forced colours, then axe finds nothing and nothing is cut off."""
    person, address = PAGES[name]
    tab = contexts[person].new_page()
    tab.goto(address)
    check(tab, f"{name}, narrow")
    is_narrow_enough(tab, 320)
    assert name in OF_NUMBERS or not tab.locator(".console-scroll").count(), "a table scrolls sideways"
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.screenshot(path=SCREENS / f"{name}.png", full_page=True)
    if name in STYLED:
        check(tab, f"{name}, wide")
        tab.emulate_media(forced_colors="active")
        check(tab, f"{name}, forced colours")
    tab.emulate_media(media="print", forced_colors="none")
    assert tab.locator("h1").is_visible()
    tab.close()


@pytest.mark.nightly
def test_a_case_and_its_timeline_are_fit_for_everyone(contexts: dict[str, BrowserContext]) -> None:
    """Given a child's case, when overview, timeline, past and a long form are opened, then axe finds nothing on any."""
    tab = contexts["SUPERVISOR-1"].new_page()
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.goto("/cases")
    follow(tab, "text=Cara Whitmore")
    look(tab, "case")
    case = tab.url
    tab.click("text=Something else happened >> nth=0")
    follow(tab, "text=Vary conditions")
    look(tab, "form-of-conditions")
    tab.click("button:has-text('Add another')")
    expect(tab.locator(".console-row")).to_have_count(2)
    tab.goto(case)
    follow(tab, "h3 >> text=Education session")
    look(tab, "record")
    follow(tab, "text=Register: every child on one page")
    look(tab, "register")
    tab.goto(case)
    follow(tab, "a:has-text('Book a session') >> nth=0")
    look(tab, "book")
    tab.goto(case)
    follow(tab, "nav >> text=History")
    look(tab, "timeline")
    follow(tab, "text=What has changed since >> nth=0")
    look(tab, "two-moments")
    follow(tab, "text=What led to what")
    look(tab, "causes")
    tab.go_back()
    tab.go_back()
    follow(tab, "text=What was known then >> nth=3")
    look(tab, "case-as-it-was-known")
    tab.set_viewport_size({"width": 320, "height": 800})
    for address in (case, f"{case}/timeline"):
        tab.goto(address)
        is_narrow_enough(tab, 320)
    tab.close()


@pytest.mark.nightly
def test_the_pages_of_an_auditor_are_fit_for_everyone(contexts: dict[str, BrowserContext]) -> None:
    """Given a case, when its proof, an event, its lanes and the evidence are opened wide and narrow, then axe finds nothing on any."""
    tab = contexts["AUDITOR-1"].new_page()
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.goto("/reason")
    tab.check("input[name=reason][value=AUDIT]")
    follow(tab, "main button")
    tab.goto("/cases?state=COMPLETED")
    follow(tab, "main table a[href^='/cases/'] >> nth=0")
    case = tab.url
    follow(tab, "nav >> text=Proof")
    expect(tab.locator("main")).to_contain_text("Everything holds")
    look(tab, "proof")
    tab.goto(f"{case}/timeline")
    follow(tab, "text=Event and proof: Issued")
    expect(tab.locator("main")).to_contain_text("Proved.")
    tab.click("summary >> text=How this was computed")
    look(tab, "event")
    event = tab.url
    tab.goto(f"{case}/swimlane")
    look(tab, "side-by-side")
    follow(tab, "text=Order by when it was recorded")
    look(tab, "side-by-side-as-recorded")
    tab.goto("/evidence")
    look(tab, "evidence-with-a-reason")
    tab.set_viewport_size({"width": 320, "height": 800})
    tab.goto(f"{case}/looks")
    look(tab, "looks")
    for address in (f"{case}/proof", event, f"{case}/swimlane", "/evidence"):
        tab.goto(address)
        is_narrow_enough(tab, 320)
    tab.close()


@pytest.mark.nightly
def test_the_work_of_a_case_is_fit_for_everyone(contexts: dict[str, BrowserContext]) -> None:
    """Given a case, when its officers and the correction of a line are opened, then axe finds nothing on any."""
    tab = contexts["SUPERVISOR-1"].new_page()
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.goto("/cases")
    follow(tab, "text=Cara Whitmore")
    case = tab.url
    follow(tab, "text=Who works on it, and handing it over")
    look(tab, "officer-of-a-case")
    tab.goto(f"{case}/timeline")
    follow(tab, "text=Correct this >> nth=0")
    look(tab, "correction")
    tab.set_viewport_size({"width": 320, "height": 800})
    tab.goto(f"{case}/officer")
    is_narrow_enough(tab, 320)
    tab.close()


@pytest.mark.nightly
def test_signing_is_fit_for_everyone(chromium: Browser, system: dict[str, Any], unsigned: UUID) -> None:
    """Given a decided disposal, when the page of its signature is opened wide and narrow, then axe finds nothing."""
    context = chromium.new_context(base_url=system["console"], viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    sign_in(tab, "POLICE_DECISION_MAKER-1")
    tab.goto(f"/records/disposals/{unsigned}/sign")
    look(tab, "sign")
    tab.set_viewport_size({"width": 320, "height": 800})
    check(tab, "sign, narrow")
    is_narrow_enough(tab, 320)
    context.close()


@pytest.mark.nightly
def test_a_conference_is_fit_for_everyone(contexts: dict[str, BrowserContext]) -> None:
    """Given a conference, when its page is opened wide and narrow, then axe finds nothing, and nothing is cut off."""
    tab = contexts["SUPERVISOR-1"].new_page()
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.goto("/cases")
    cases = tab.eval_on_selector_all("main a[href^='/cases/']", "links => links.map(link => link.getAttribute('href'))")
    for case in cases:
        tab.goto(case)
        if tab.locator("h3 >> text=Restorative conference").count():
            break
    follow(tab, "h3 >> text=Restorative conference")
    expect(tab.locator("main")).to_contain_text("Who takes part")
    look(tab, "conference")
    tab.set_viewport_size({"width": 320, "height": 800})
    is_narrow_enough(tab, 320)
    tab.close()


def test_the_keyboard_is_enough(contexts: dict[str, BrowserContext]) -> None:
    """Given a keyboard alone, when one tabs from the top, then the skip link leads to the page, and its links can be followed."""
    tab = contexts["SUPERVISOR-1"].new_page()
    tab.goto("/")
    tab.keyboard.press("Tab")
    assert "Skip to main content" in tab.evaluate("document.activeElement.textContent")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/#main-content")
    tab.keyboard.press("Tab")
    assert "Daily sheet" in tab.evaluate("document.activeElement.textContent")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("/daily-sheet"))
    tab.close()


@pytest.mark.nightly
def test_the_pages_of_a_sitting_are_fit_for_everyone(
    chromium: Browser, system: dict[str, Any], waiting: list[UUID]
) -> None:
    """Given cases that wait, when agenda, a case and the panel's lists are opened wide and narrow, then axe finds nothing on any."""
    context = chromium.new_context(base_url=system["console"], viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    sign_in(tab, "YJS_CASE_MANAGER-1")
    tab.goto("/begin/sittings/PlanSitting")
    for part, text in (("day", "28"), ("month", "11"), ("year", "2026"), ("clock", "10:00")):
        tab.fill(f"input[name='starts_at.{part}']", text)
    tab.fill("[name='place']", "The old court house")
    tab.check("input[name='chair'] >> nth=0")
    follow(tab, "main button:has-text('Continue')")
    follow(tab, "main button:has-text('Record')")
    look(tab, "sitting-planned")
    follow(tab, "text=Put the ticked cases on the agenda")
    tab.fill("[name='organisation-1']", "Merrowshire Police")
    tab.check("[name='present-1']")
    tab.fill("[name='organisation-2']", "Merrowshire Youth Justice Service")
    tab.check("[name='present-2']")
    follow(tab, "text=Record the members")
    sitting = tab.url.removesuffix("/members")
    tab.goto(f"{sitting}/cases/{waiting[0]}")
    look(tab, "sitting-case")
    follow(tab, "text=Record the recommendation")
    look(tab, "sitting-recommendation")
    for address, name in (
        ("/panel", "panel-with-sitting"),
        (sitting, "sitting"),
        (f"{sitting}/cases/{waiting[0]}", "sitting-case"),
    ):
        tab.set_viewport_size({"width": 390, "height": 844})
        tab.goto(address)
        check(tab, f"{name}, narrow")
        is_narrow_enough(tab, 390)
        tab.set_viewport_size({"width": 1280, "height": 900})
        look(tab, name)
    context.close()
