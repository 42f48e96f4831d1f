"""Lists after a change: while the projection stands still they say what they may lack, and hold it once it goes on."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console.browsing import Browser
from tests.integration.console.filling import fill_in
from tests.integration.console.test_forms import REPORT
from tests.integration.local.waiting import eventually
from tools.local.supervisor import running

pytestmark = pytest.mark.slow

BEHIND = "What you recorded last is kept, and may be missing from this page"


async def test_a_page_says_that_it_may_lack_the_last_change(browser: Browser, system: dict[str, Any]) -> None:
    """Given a projection that stands still, when a referral is recorded, then each page says what it may lack, until it goes on."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    check = fill_in(browser, browser.open("/begin/referrals/ReceiveReferral"), REPORT)
    worker = running(Path(system["var"]))["reporting-worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        recorded = browser.send(check, check.form("/send"))
        case = recorded.url.partition("?")[0].rpartition("/")[2]
        assert recorded.heading == "Recorded"
        for address in ("/", "/cases?sort=opened", "/daily-sheet", "/sessions"):
            page = browser.open(address)
            assert BEHIND in page.words or address == "/sessions"
            assert case not in page.text
        page = browser.open("/search")
        assert BEHIND not in page.words
        assert BEHIND in browser.send(page, page.form("/search"), {"words": "Zzyzx"}).words
    finally:
        os.kill(worker, signal.SIGCONT)
    await eventually(lambda: case in browser.open("/cases?sort=opened").text, 120)
    for address in ("/", "/cases?sort=opened", "/daily-sheet"):
        assert BEHIND not in browser.open(address).words
    assert case in browser.open("/daily-sheet").text
