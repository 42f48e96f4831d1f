"""The stories 1 to 14 in real browsers: each command by pressing what stands on a page, wide and as on a telephone.

The people of a story have a wide window and a telephone in turn, and in the other browser the other way round: so each form
is filled in in both, and in both sizes. One is played in `make test`, all of them in both
browsers in `make nightly`. Two go by the keyboard alone.
"""

import contextlib
from itertools import cycle, product
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.integration.console import test_browser
from tests.integration.console.by_forms import Forms
from tests.integration.console.clicking import Tab
from tests.integration.console.conftest import SCENARIOS
from tests.integration.console.hands import Hand, Keys
from tests.integration.console.test_forms import STORIES
from tests.whole_system import client_of
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

pytestmark = [pytest.mark.timeout(3600), *test_browser.pytestmark]
driver, chromium, firefox = test_browser.driver, test_browser.chromium, test_browser.firefox

KEYBOARD: Final = ("06-no-admission", "10-audit")
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
SIZES: Final = {"chromium": (WIDE, NARROW), "firefox": (NARROW, WIDE)}
DAILY: Final = ("07-nine-year-old", "chromium")
PLAYED: Final = [
    pytest.param(*one, marks=() if one == DAILY else pytest.mark.nightly) for one in product(STORIES, SIZES)
]


@pytest.mark.parametrize(("story", "browser"), PLAYED)
def test_a_story_is_carried_out_by_clicking(
    request: pytest.FixtureRequest, system: dict[str, Any], story: str, browser: str
) -> None:
    """Given a story, when every command of it is reached and sent by pressing, then every check agrees, and no page is too wide."""
    hand = Keys if story in KEYBOARD else Hand
    opened: Browser = request.getfixturevalue(browser)
    sizes = cycle(SIZES[browser])

    def opens() -> Tab:
        return Tab(opened.new_context(base_url=system["console"], viewport=next(sizes)), hand)

    with client_of(system["var"]) as client, contextlib.closing(Forms(client, opens)) as forms:
        Run(read_scenario(SCENARIOS / f"{story}.yaml"), forms).play()
    assert forms.forms > 10
