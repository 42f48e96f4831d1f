"""The main pages as pictures, compared with approved ones, wide and as on a telephone.

A picture is kept an eighth as large and grey, so that a letter is a shade and another version of a font is no difference;
what moves, overlaps, loses its colour or its style is. Pages that say the day or what else the system holds are left out.
After an intended change look at var/screens, and approve it: `OOC_PICTURES=approve pytest tests/integration/console/test_pictures.py`.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page

from tests.browsers import CHROMIUM, PROGRAM
from tests.integration.console import test_browser
from tests.integration.console.conftest import STORIES, play_until
from tests.integration.console.test_browser import SCREENS, follow, sign_in

pytestmark = [
    *test_browser.pytestmark,
    pytest.mark.skipif(str(PROGRAM) != CHROMIUM, reason="the approved pictures have the fonts of the pinned Chromium"),
]
driver, chromium = test_browser.driver, test_browser.chromium

APPROVED: Final = Path(__file__).with_name("approved")
WIDTHS: Final = (1280, 390)
TALLEST: Final = 2400
"""Pixels from the top that are compared."""
TOLERANCE: Final = 0.02
"""The share of blocks of eight by eight pixels that may differ."""
COMPARE: Final = """
    async ([now, approved]) => {
        const load = async data => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            return image;
        };
        const grey = (image, width, height, shown) => {
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [width, height];
            const context = canvas.getContext("2d");
            context.imageSmoothingQuality = "high";
            context.filter = "grayscale(1)";
            context.drawImage(image, 0, 0, shown.width, shown.height);
            return canvas;
        };
        const large = await load(now);
        const size = {width: Math.round(large.width / 8), height: Math.round(large.height / 8)};
        const small = grey(large, size.width, size.height, size);
        const kept = small.toDataURL("image/png").split(",")[1];
        if (!approved) return {kept, differing: 1};
        const other = await load(approved);
        const [width, height] = [Math.max(size.width, other.width), Math.max(size.height, other.height)];
        const [one, two] = [[small, size], [other, other]].map(
            ([image, shown]) => grey(image, width, height, shown).getContext("2d").getImageData(0, 0, width, height).data);
        let differing = 0;
        for (let n = 0; n < one.length; n += 4)
            differing += Math.abs(one[n] - two[n]) > 32 || one[n + 3] !== two[n + 3];
        return {kept, differing: differing / (width * height)};
    }
"""
WITHOUT_IDS: Final = """
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
        texts.currentNode.data = texts.currentNode.data.replace(/\\b[0-9a-f]{8}\\b/g, "5582cb24");
"""
"""Every id becomes the same: a wider one may begin another line."""
OFFICERS: Final = ("YJS_CASE_MANAGER-1", "RJ_FACILITATOR-1", "SAFE_SCHOOLS_OFFICER-1")
"""Those of the case that is shown, who have a name once they have signed in: whichever other tests have run."""
PAGES: Final = {
    "search": ("SUPERVISOR-1", "/search"),
    "reason": ("AUDITOR-1", "/reason"),
    "begin": ("SAFE_SCHOOLS_OFFICER-1", "/begin"),
    "report": ("SAFE_SCHOOLS_OFFICER-1", "/report"),
    "referral": ("SAFE_SCHOOLS_OFFICER-1", "/begin/referrals/ReceiveReferral"),
    "not-found": ("SUPERVISOR-1", "/nowhere"),
    "forbidden": ("ANALYST-1", "/cases"),
    "diary": ("SAFE_SCHOOLS_OFFICER-1", "/diary"),
    "import": ("SUPERVISOR-1", "/import"),
    "explain": ("POLICE_DECISION_MAKER-1", "/records/disposals/{decided}/do/ExplainEffect"),
    "conditions": ("YJS_CASE_MANAGER-1", "/records/disposals/{decided}/do/ProposeCondition"),
    "sign": ("POLICE_DECISION_MAKER-1", "/records/disposals/{decided}/sign"),
    "case": ("SUPERVISOR-1", "/cases?state=COMPLETED"),
}


@pytest.fixture(scope="module")
def decided(system: dict[str, Any]) -> UUID:
    """Play a story until its document is to be signed; returns the disposal."""
    return play_until(system, STORIES[0], lambda step: step.command == "SignDocument").names.id("d1")


@pytest.fixture(scope="module")
def blank(chromium: Browser) -> Iterator[Page]:
    """Yield an empty page that compares pictures."""
    page = chromium.new_page()
    yield page
    page.close()


def compare(blank: Page, picture: bytes, name: str) -> tuple[float, bytes]:
    """Return which share of a picture differs from the approved one, and the picture as it would be approved."""
    path = APPROVED / f"{name}.png"
    approved = b64encode(path.read_bytes()).decode() if path.exists() else ""
    answer = blank.evaluate(COMPARE, [b64encode(picture).decode(), approved])
    return answer["differing"], b64decode(answer["kept"])


def picture_of(tab: Page, name: str) -> bytes:
    """Take a picture of the top of a page, which also stands in var/screens."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    size = tab.viewport_size
    assert size is not None
    height = min(TALLEST, int(tab.evaluate("document.documentElement.scrollHeight")))
    clip: Any = {"x": 0, "y": 0, "width": size["width"], "height": height}
    return tab.screenshot(path=SCREENS / f"{name}.png", full_page=True, clip=clip)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_as_approved(
    chromium: Browser, blank: Page, system: dict[str, Any], decided: UUID, name: str
) -> None:
    """Given a page, when it is opened wide and as on a telephone, then it looks as somebody has approved it."""
    person, address = PAGES[name]
    context = chromium.new_context(base_url=system["console"])
    tab = context.new_page()
    for officer in OFFICERS if name == "case" else ():
        sign_in(tab, officer)
        context.clear_cookies()
    sign_in(tab, person)
    tab.goto(address.format(decided=decided))
    if name == "case":
        follow(tab, "main table a:has-text('Leo Hartnell') >> nth=0")
        tab.evaluate(WITHOUT_IDS)
    shares: dict[str, float] = {}
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        kept_as = f"{name}-{width}"
        shares[kept_as], kept = compare(blank, picture_of(tab, f"look-{kept_as}"), kept_as)
        if os.environ.get("OOC_PICTURES") == "approve":
            APPROVED.mkdir(exist_ok=True)
            (APPROVED / f"{kept_as}.png").write_bytes(kept)
            shares[kept_as] = 0
    context.close()
    assert all(share <= TOLERANCE for share in shares.values()), f"{shares}: look at {SCREENS}/look-{name}-*.png"
