"""The stories 1 to 14 in real browsers: each command by pressing what stands on a page, wide and as on a telephone.

One is played with the other tests, in place of its forms over HTTP; all of them, in both browsers, by `make browser`. Two go
by the keyboard alone.
"""

import contextlib
import os
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.integration.console import test_browser
from tests.integration.console.by_forms import Forms
from tests.integration.console.clicking import Tab
from tests.integration.console.conftest import SCENARIOS
from tests.integration.console.hands import Hand, Keys
from tests.integration.console.test_forms import BY_CLICKING, STORIES
from tests.whole_system import client_of
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

pytestmark = [pytest.mark.timeout(3600), *test_browser.pytestmark]
driver, chromium, firefox = test_browser.driver, test_browser.chromium, test_browser.firefox

KEYBOARD: Final = ("06-no-admission", "10-audit")
HEIGHTS: Final = {1280: 900, 390: 844}
PLAYED: Final = (
    [(story, width, browser) for browser in ("chromium", "firefox") for width in HEIGHTS for story in STORIES]
    if "OOC_BROWSER" in os.environ
    else [(BY_CLICKING, 1280, "chromium")]
)


@pytest.mark.parametrize(("story", "width", "browser"), PLAYED)
def test_a_story_is_carried_out_by_clicking(
    request: pytest.FixtureRequest, system: dict[str, Any], story: str, width: int, browser: str
) -> None:
    """Given a story, when every command of it is reached and sent by pressing, then every check agrees, and no page is too wide."""
    hand = Keys if story in KEYBOARD else Hand

    def opens() -> Tab:
        viewport = ViewportSize(width=width, height=HEIGHTS[width])
        opened: Browser = request.getfixturevalue(browser)
        return Tab(opened.new_context(base_url=system["console"], viewport=viewport), hand)

    with client_of(system["var"]) as client, contextlib.closing(Forms(client, opens)) as forms:
        Run(read_scenario(SCENARIOS / f"{story}.yaml"), forms).play()
    assert forms.forms > 10
