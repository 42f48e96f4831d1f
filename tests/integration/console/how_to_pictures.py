"""Makes the pictures of docs/how-to/console from the screenshots that the tests in a real browser write to var/screens.

Run `make test` or tests/integration/console/test_browser.py first, then `python -m tests.integration.console.how_to_pictures`. Chromium makes
them smaller, so that no library for pictures is needed.
"""

import re
from base64 import b64encode
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from tests.browsers import CHROMIUM

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = ROOT / "docs" / "how-to" / "console"
SCREENS: Final = ROOT / "var" / "screens"
SHOWN: Final = re.compile(r"!\[[^\]]*\]\(([a-z-]+)\.jpg\)")
WIDTH: Final = 720
TALLEST: Final = 900
"""Pixels of a picture; what is below stays away."""
QUALITY: Final = 60


def main() -> None:
    """Make every picture that a page shows. Raises `SystemExit` if a screenshot is missing."""
    names = sorted({name for page in PAGES.glob("*.md") for name in SHOWN.findall(page.read_text(encoding="utf-8"))})
    if missing := [name for name in names if not (SCREENS / f"{name}.png").exists()]:
        raise SystemExit(f"No screenshot in {SCREENS} of: {', '.join(missing)}. Run the tests in a browser first.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": TALLEST})
        for name in names:
            encoded = b64encode((SCREENS / f"{name}.png").read_bytes()).decode()
            tab.set_content(
                f'<body style="margin:0"><img width="{WIDTH}" src="data:image/png;base64,{encoded}"></body>'
            )
            tab.wait_for_function("document.images[0].complete")
            height = min(int(tab.evaluate("document.images[0].height")), TALLEST)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
            tab.screenshot(path=PAGES / f"{name}.jpg", type="jpeg", quality=QUALITY, clip=clip)  # type: ignore[arg-type]  # a dict of this shape
        browser.close()


if __name__ == "__main__":
    main()
