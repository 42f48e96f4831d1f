"""The pages that no journey of a browser comes to, rendered as the console renders them, and checked by axe without a system."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from playwright.sync_api import Page, sync_playwright
from starlette.requests import Request

from services.console.analysts.returns import table_of
from services.console.apis import Part
from services.console.application import STATIC
from services.console.everyone.appointments import WORDS
from services.console.forms.next_steps import NextStep
from services.console.rendering import render
from services.console.sessions import Session, Tokens
from tests.browsers import CHROMIUM
from tests.integration.console.test_browser import LAUNCH, check, is_narrow_enough
from tests.unit.console.test_plan import STATE, page_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: python -m tests.browsers"),
]

SUPERVISOR: Final = Session(
    "key", "me", "SUPERVISOR", "YJS", "DORSET", Tokens("t", 2e9, None), "Sam Hart", reason="AUDIT"
)
ID: Final = "7b25a32c-7a6b-5cf9-bdc4-0b84d596c200"
WORKLOAD: Final = {
    "measure": "workload",
    "from": "2026-01-01",
    "to": "2026-03-31",
    "definition_version": 1,
    "by_officer": {"grace": 2, "ravi": 1},
}
APPOINTMENT: Final = {"appointment": {"stands": True, "place": "The library"}, "when": "Tuesday", "ring": "01202 1"}
PAGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "appointment": APPOINTMENT | {"says": WORDS["WELSH"]},
    "fault": {"reference": ID},
    "frozen_return": {
        "found": {
            "return_id": ID,
            "frozen_at": "2026-04-01T09:00:00+00:00",
            "definition_version": 1,
            "definition": "Records that are open on the last day.",
            "positions": {"referral": 12, "rj_conference": 3},
            "sha256": "ab" * 32,
            "today": {"because": ["a record was corrected"], "reproduced": True},
        },
        "shown": {"answer": WORKLOAD, "name": "Workload", "table": table_of(WORKLOAD), "page": 1, "pages": 1},
        "restated": [("Open", "3", "4")],
    },
    "import_result": {
        "draft": {"id": ID},
        "done": False,
        "name": "register.csv",
        "rows": 3,
        "imported": 1,
        "repeated": 1,
        "wrong": 1,
        "errors": [(2, "source", "Choose a source.")],
        "more": 2,
    },
    "not_signed_in": {"why": "The sign-in took too long, or was broken off."},
    "operations_decision": {
        "what": "Try the stream again",
        "title": "A stream in quarantine",
        "answer": Part({"records": 2, "error": "A rule refused it.", "reaction": None}),
        "dry_run": True,
        "records": [{"offset": 1, "version": 4}, {"offset": 2, "version": 5}],
        "through": "",
    },
    "recorded": {},
    "unavailable": {"what": "reporting"},
}
"""What each template shows."""
FOR_NOBODY: Final = ("appointment", "fault", "not_signed_in")
CONSOLE: Final = "http://console.test/"


def text_of(name: str) -> str:
    """Return a page, by its template."""
    if name == "plan":
        return page_of(STATE, NextStep("RecordDeferralStep", "Record a step", "needs"))
    request = Request({"type": "http", "path": f"/{name}", "query_string": b"", "headers": []})
    session = None if name in FOR_NOBODY else SUPERVISOR
    return bytes(render(request, f"{name}.html", session, **PAGES[name]).body).decode()


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    """Yield a tab of a browser for which the pages are rendered here."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=LAUNCH)
        tab = browser.new_page(viewport={"width": 320, "height": 800})
        tab.set_default_timeout(120_000)  # a busy machine takes its time
        tab.route(f"{CONSOLE}static/*", lambda route: route.fulfill(path=STATIC / route.request.url.rpartition("/")[2]))
        yield tab
        browser.close()


@pytest.mark.parametrize("name", [*PAGES, "plan"])
def test_a_rare_page_is_fit_for_everyone(tab: Page, name: str) -> None:
    """Given a page that few ever see, when it is opened on 320 pixels, then axe finds nothing and nothing is cut off."""
    text = text_of(name)
    tab.route(f"{CONSOLE}{name}", lambda route: route.fulfill(body=text, content_type="text/html; charset=utf-8"))
    tab.goto(f"{CONSOLE}{name}")
    assert tab.locator("h1").count() == 1
    check(tab, name)
    is_narrow_enough(tab, 320)
