"""The page of a person: reached from case and search, with what was given earlier; two persons are compared, merged and separated there."""

from typing import Any

from playwright.sync_api import Browser, expect

from tests.integration.console import test_browser
from tests.integration.console.conftest import STORIES, play_until
from tests.integration.console.hands import RECORD
from tests.integration.console.test_browser import is_narrow_enough, look
from tests.integration.console.test_counted_presses import at

pytestmark = test_browser.pytestmark
driver, chromium = test_browser.driver, test_browser.chromium


def test_two_ids_of_one_child_are_merged_and_separated(chromium: Browser, system: dict[str, Any]) -> None:
    """Given a child who was linked under a second id, when a supervisor compares and merges the two, then one page says so, and separating undoes it."""
    second = play_until(system, STORIES[0], lambda step: step.command == "AcknowledgeReferral")
    with at(chromium, system, "SUPERVISOR-1", f"/cases/{second.names.id('case')}") as supervisor:
        page = supervisor.tab.locator("main")
        supervisor.press("main a:text-is('Leo Hartnell')")
        expect(page).to_contain_text("Who may be the same person")
        look(supervisor.tab, "person")
        given_up = supervisor.tab.url
        supervisor.press("text=Compare, and merge")
        expect(page).to_contain_text("Given earlier Youth conditional caution")
        look(supervisor.tab, "two-persons")
        supervisor.tab.set_viewport_size({"width": 390, "height": 844})
        look(supervisor.tab, "two-persons-narrow")
        is_narrow_enough(supervisor.tab, 390)
        supervisor.press("main a.govuk-button")
        supervisor.answer(why="The same boy, by his mother.")
        supervisor.check()
        supervisor.press(RECORD)
        expect(page).to_contain_text("This id is given up")
        expect(page).to_contain_text("Given earlier Youth conditional caution")
        supervisor.press("text=Separate")
        supervisor.answer(why="Cousins.")
        supervisor.check()
        supervisor.press(RECORD)
        assert supervisor.tab.url.startswith(given_up)
        expect(page).not_to_contain_text("This id is given up")


def test_search_leads_to_a_person(chromium: Browser, system: dict[str, Any]) -> None:
    """Given a child with a caution, when a case manager opens a further case for them, then the form says what is known here."""
    with at(chromium, system, "YJS_CASE_MANAGER-1", "/search") as manager:
        manager.answer(words="Leo Hartnell")
        manager.press("main button:has-text('Search')")
        manager.press("main a:has-text('The person') >> nth=-1")
        expect(manager.tab.locator("h1")).to_have_text("Leo Hartnell")
        expect(manager.tab.locator("main")).to_contain_text("Names as known")
        look(manager.tab, "person-of-a-search")
