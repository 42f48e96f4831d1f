"""A tab of a real browser that carries a story: from the page where a person starts it goes on by pressing what stands there."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import BrowserContext, Locator, Response

from tests.integration.console.browsing import Form, Page, parsed
from tests.integration.console.hands import Hand

SET: Final = "(one, text) => { one.value = text; }"
OFFER: Final = "(one, text) => { one.append(new Option(text, text)); }"
CONTROLS: Final = """form => {
    const all = {};
    for (const one of form.elements) (all[one.name] ||= []).push({
        kind: one.type, value: one.value, checked: one.checked ?? false, folded: !!one.closest('details:not([open])'),
        options: [...(one.options ?? [])].map(option => option.value),
    });
    return all;
}"""
IS_FOLDED: Final = "one => !!one.parentElement.closest('details:not([open])')"
PAGE: Final = """() => ({
    wide: document.documentElement.scrollWidth, window: window.innerWidth, text: document.documentElement.outerHTML,
})"""
LEAD: Final = "(one, address) => { one.setAttribute('href', address); }"
OF_AN_OLDER_TAB: Final = ("key", "version")
OWN_PAGES: Final = {"SignDocument": "sign", "BookConditionSession": "book"}


class Tab:
    """A tab in which one person works.

    Ids are the story's: where a page gives a new one, the tab puts the story's in its place. What else a page does not offer
    is put there too, as whoever writes their own request does.
    """

    def __init__(self, context: BrowserContext, hand: type[Hand] = Hand) -> None:
        self._context = context
        self._tab = context.new_page()
        self._hand = hand(self._tab)
        self._shown: Page | None = None

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    def sign_in(self, person: str) -> Page:
        """Sign in by the button of a person."""
        self._tab.goto("/")
        return self._look(self._hand.follow(self._tab.locator(f"button[value='{person}']")))

    def open(self, address: str) -> Page:
        """Open an address."""
        return self._look(self._tab.goto(address))

    def reach(self, address: str, start: str, *, stays: bool) -> Page:
        """Go to a form by the link that a page has to it."""
        record, _, command = address.rpartition("/do/")
        forms = {address, f"{record}/{OWN_PAGES.get(command)}"}
        shown = self._shown if stays and urlsplit(self._tab.url).path == start else None
        links = [link.get("href", "") for link in next((shown or self.open(start)).root.iter("main")).iter("a")]
        there = [link for link in links if link.partition("?")[0] in forms]
        begins = [link for link in links if link.startswith("/begin/") and f"/{command}" in link]
        if not there + begins:
            page = self.open(address)
            page.is_led_to = False
            return page
        led = min(there, key=len) if there else begins[0]
        link = self._tab.locator(f"main a[href='{led}']").first
        if not there:
            led = f"{address}?{urlsplit(led).query}"
            link.evaluate(LEAD, led)
            link = self._tab.locator(f"main a[href='{led}']")
        return self._press(link)

    def send(
        self,
        page: Page,
        form: Form,
        values: Mapping[str, Any] | None = None,
        button: str | None = None,
        *,
        forged: bool = False,  # noqa: ARG002 - of the interface
    ) -> Page:
        """Fill in a form, and press its first button, or the one with a text."""
        if page is not self._shown:
            self.open(page.url)
        drawn = self._tab.locator(f"form[action='{form.action}']")
        shown = drawn.evaluate(CONTROLS)
        for name in OF_AN_OLDER_TAB:
            for hidden in form.element.findall(f".//input[@name='{name}'][@type='hidden']"):
                if hidden.get("value") != shown[name][0]["value"]:
                    drawn.locator(f"input[name='{name}']").evaluate(SET, hidden.get("value"))
        unknown = (values or {}).keys() - form.names
        assert not unknown, f"{page.url} draws no {sorted(unknown)}; it draws {sorted(form.names)}"
        for name, value in (values or {}).items():
            self._answer(drawn, name, [value] if isinstance(value, str) else list(value), shown[name])
        name, value, text = next(one for one in form.buttons if button is None or one[2] == button)
        pressed = f"button[name='{name}'][value='{value}']" if name else "button:not([name]):not([tabindex='-1'])"
        return self._press(drawn.locator(pressed).filter(has_text=text).first)

    def _answer(self, form: Locator, name: str, texts: list[str], shown: list[dict[str, Any]]) -> None:
        """Answer a field, as far as the page has not filled it in already."""
        controls, kind = form.locator(f"[name='{name}']"), shown[0]["kind"]
        if kind in {"radio", "checkbox"}:
            self._choose(controls, texts, shown)
            return
        (text,) = texts
        if text == shown[0]["value"]:
            return
        if kind == "hidden":
            controls.evaluate(SET, text)
            return
        if shown[0]["folded"]:
            self._unfold(controls)
        if kind != "select-one":
            self._hand.write(controls, text)
            return
        if text not in shown[0]["options"]:
            controls.evaluate(OFFER, text)
        self._hand.select(controls, text)

    def _choose(self, controls: Locator, texts: list[str], shown: list[dict[str, Any]]) -> None:
        offered = [one["value"] for one in shown]
        spare = (n for n in reversed(range(len(offered))) if offered[n] not in texts)
        for n, text in zip(spare, [text for text in texts if text not in offered], strict=False):
            controls.nth(n).evaluate(SET, text)
            offered[n] = text
        for n, one in enumerate(shown):
            wanted = offered[n] in texts
            if one["checked"] != wanted and (wanted or one["kind"] == "checkbox"):
                if one["folded"]:
                    self._unfold(controls.nth(n))
                self._hand.choose(controls.nth(n))

    def _unfold(self, control: Locator) -> None:
        """Open the folds in which a control stands, the outermost first."""
        if not control.evaluate(IS_FOLDED):
            return
        for fold in control.locator("xpath=ancestor::details[not(@open)]/summary").all():
            self._hand.unfold(fold)

    def _press(self, control: Locator) -> Page:
        self._unfold(control)
        return self._look(self._hand.follow(control))

    def _look(self, answer: Response | None) -> Page:
        """Read the page that was led to. None is wider than the window."""
        assert answer is not None
        page = self._tab.evaluate(PAGE)
        assert page["wide"] <= page["window"], f"{self._tab.url} is {page['wide']} pixels wide"
        self._shown = parsed(answer.status, self._tab.url, f"<!DOCTYPE html>{page['text']}", httpx2.Headers())
        return self._shown
