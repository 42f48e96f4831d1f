"""Somebody at a page of the console, by mouse or by the keyboard alone."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from playwright.sync_api import Locator, Page, Response

MOST_TABS: Final = 400
"""Presses of Tab within which every control of a page is reached."""
WAY: Final = """one => {
    const at = document.activeElement;
    if (!document.hasFocus()) return 'away';
    if (at === one || (at.type === 'radio' && at.name === one.name && at.form === one.form)) return 'there';
    return one.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING ? 'Shift+Tab' : 'Tab';
}"""
"""Where a control is from the focus. A group of radios is one stop."""
RECORD: Final = "main .govuk-button:text-matches('^Record (this|these . steps)$')"


@dataclass
class Hand:
    """Somebody at a page, whose presses and boxes are counted."""

    tab: Page
    presses: int = 0
    boxes: int = 0

    def press(self, selector: str | Locator) -> Response | None:
        """Press a link, a button or a fold, and return the answer that it leads to."""
        control = self.tab.locator(selector).first if isinstance(selector, str) else selector
        if control.evaluate("one => one.tagName") == "SUMMARY":
            self.unfold(control)
            return None
        return self.follow(control)

    def unfold(self, fold: Locator) -> None:
        """Press a fold."""
        self.presses += 1
        self.push(fold)

    def follow(self, control: Locator) -> Response | None:
        """Press a link or a button; returns the answer that it leads to, once it is there."""
        self.presses += 1
        with self.tab.expect_navigation() as led:
            self.push(control)
        return led.value

    def push(self, control: Locator) -> None:
        """Push the button of the mouse on a control."""
        control.click()

    def answer(self, **answers: str) -> None:
        """Fill in, choose or tick a field for each answer; a double underscore stands for the dot of a name."""
        for name, value in answers.items():
            field = name.replace("__", ".")
            control = self.tab.locator(f"main [name='{field}']")
            if control.first.get_attribute("type") in {"radio", "checkbox"}:
                self.choose(self.tab.locator(f"main [name='{field}'][value='{value}']"))
            elif control.first.evaluate("one => one.tagName") == "SELECT":
                self.select(control, value)
            else:
                self.write(control, value)
            self.boxes += 1

    def choose(self, control: Locator) -> None:
        """Choose a radio, or tick a box or take its tick away."""
        control.click()

    def select(self, control: Locator, value: str) -> None:
        """Choose from a list."""
        control.select_option(value)

    def write(self, control: Locator, value: str) -> None:
        """Fill in a text."""
        control.fill(value)

    def tick(self, name: str) -> None:
        """Tick the first box of a field."""
        self.tab.check(f"main [name='{name}'] >> nth=0")
        self.boxes += 1

    def answer_day(self, name: str, on: date) -> None:
        """Fill in the three boxes of a day."""
        self.answer(**{f"{name}.{part}": str(getattr(on, part)) for part in ("day", "month", "year")})

    def go_on(self) -> None:
        """Go on to the next form of the same turn; what was answered is checked at its end."""
        self.press("main button[name=then][value=next]")
        assert self.tab.locator(".govuk-error-summary").count() == 0, self.tab.inner_text("main")

    def check(self) -> None:
        """Go on to the check of what was answered."""
        self.press("main button:has-text('Continue') >> visible=true")

    def record(self, button: str = RECORD) -> None:
        """Check what was answered, and record it."""
        self.check()
        self.press(button)
        assert self.tab.locator(".govuk-error-summary").count() == 0, self.tab.inner_text("main")


class Keys(Hand):
    """Somebody who has no mouse."""

    def push(self, control: Locator) -> None:
        """Go to a control, and press Enter."""
        self._go_to(control)
        self.tab.keyboard.press("Enter")

    def choose(self, control: Locator) -> None:
        """Go to the group, and along it by the arrows; or press the space bar on a box."""
        if control.get_attribute("type") == "checkbox":
            self._go_to(control)
            self.tab.keyboard.press("Space")
            return
        group = self.tab.locator(f"main [name='{control.get_attribute('name')}']")
        self._go_to(group.first)
        self.tab.keyboard.press("Space")
        for _ in range(group.count()):
            if control.is_checked():
                return
            self.tab.keyboard.press("ArrowDown")
        assert control.is_checked(), f"no arrow reaches {control}"

    def select(self, control: Locator, value: str) -> None:
        """Go along a list by the arrows, from its beginning: an answer may stand there already."""
        self._go_to(control)
        self.tab.keyboard.press("Home")
        for _ in range(control.locator("option").count()):
            if control.input_value() == value:
                return
            self.tab.keyboard.press("ArrowDown")
        assert control.input_value() == value

    def write(self, control: Locator, value: str) -> None:
        """Go to a box, and type over what stands there."""
        self._go_to(control)
        self.tab.keyboard.press("ControlOrMeta+a")
        self.tab.keyboard.type(value)

    def _go_to(self, control: Locator) -> None:
        """Look at the window, and press Tab, or Shift and Tab, until a control has the focus."""
        one = control.element_handle()
        for _ in range(MOST_TABS):
            match way := one.evaluate(WAY):
                case "there":
                    return
                case "away":
                    self.tab.bring_to_front()
                case _:
                    self.tab.keyboard.press(way)
        raise AssertionError(f"no keyboard reaches {control}")
