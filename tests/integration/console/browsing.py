"""A browser without JavaScript: follows links, fills in forms as they are drawn, and checks every page that it is given."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

import html5lib
import httpx2

from tests import loopback

IGNORED: Final = frozenset({"unexpected-null-character"})
"""Parse errors of html5lib that are none by the HTML standard of today."""
NOT_SENT: Final = frozenset({"button", "submit", "reset"})


@dataclass
class Form:
    """A form of a page, with what a browser would send."""

    action: str
    method: str
    fields: dict[str, list[str]]
    names: frozenset[str]
    options: dict[str, set[str]]
    """What can be chosen, by the name of the field."""
    buttons: list[tuple[str, str, str]]
    """Name, value and text of each button."""
    element: Element


@dataclass
class Page:
    """An answer that is a page."""

    status: int
    url: str
    text: str
    root: Element
    headers: httpx2.Headers = field(repr=False)
    is_led_to: bool = True
    """Whether a link leads there from where a person starts."""
    offered: frozenset[str] = frozenset()
    """The ids of those who were offered as known already, when somebody was looked for before."""

    @property
    def title(self) -> str:
        return text_of(next(self.root.iter("title")))

    @property
    def heading(self) -> str:
        return text_of(next(self.root.iter("h1")))

    @property
    def words(self) -> str:
        return text_of(next(self.root.iter("main")))

    def links(self) -> dict[str, str]:
        return {text_of(link): link.get("href", "") for link in self.root.iter("a")}

    def summary(self) -> dict[str, str]:
        """Return the rows of the page's summary lists, by their keys."""
        terms, values = self.root.iter("dt"), self.root.iter("dd")
        return {text_of(term): text_of(value) for term, value in zip(terms, values, strict=True)}

    def forms(self) -> list[Form]:
        return [_form(element) for element in self.root.iter("form")]

    def form(self, action: str = "") -> Form:
        """Return the one form that is sent to an address that contains `action`."""
        found = [one for one in self.forms() if action in one.action and "/sign-out" not in one.action]
        assert len(found) == 1, f"{self.url} has {len(found)} forms for {action!r}"
        return found[0]


class Driver(Protocol):
    """One person's browser, of whatever kind: what carries a story through the pages."""

    def open(self, address: str) -> Page:
        """Open an address."""
        ...

    def reach(self, address: str, start: str, *, stays: bool) -> Page:
        """Go to a form from the page on which a person starts; where they are there, and nothing happened since, they stay."""
        ...

    def send(
        self,
        page: Page,
        form: Form,
        values: Mapping[str, Any] | None = None,
        button: str | None = None,
        *,
        forged: bool = False,
    ) -> Page:
        """Fill in a form, and press its first button, or the one with a text."""
        ...

    def sign_in(self, person: str) -> Page:
        """Sign in by the button of a person."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Browser:
    """One person's browser, with its cookies."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.client = loopback.blocking_client(follow_redirects=True, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()

    def open(self, address: str) -> Page:
        return page_of(self.client.get(urljoin(self.base, address)))

    def reach(self, address: str, start: str, *, stays: bool) -> Page:  # noqa: ARG002 - of the interface
        """Open a form by its address; where a person would start from does not matter."""
        return self.open(address)

    def send(
        self,
        page: Page,
        form: Form,
        values: Mapping[str, Any] | None = None,
        button: str | None = None,
        *,
        forged: bool = False,
    ) -> Page:
        """Send a form with some fields filled in, by a button's text; a field that it does not draw is an error.

        A forged form has values that the form does not offer, as whoever writes their own request may send them.
        """
        answers = {name: [value] if isinstance(value, str) else list(value) for name, value in (values or {}).items()}
        for name, texts in answers.items():
            choices = form.options.get(name)
            assert forged or choices is None or all(text in choices or len(text) == 36 for text in texts), (
                f"{name}: {texts} of {choices}"
            )
        for name in [name for name in answers if f"{name}-day" in form.names]:
            (text,) = answers.pop(name)
            year, month, day = text.split("-") if text else ("", "", "")
            answers |= {f"{name}-day": [day], f"{name}-month": [month], f"{name}-year": [year]}
        unknown = answers.keys() - form.names
        assert not unknown, f"{page.url} draws no {sorted(unknown)}; it draws {sorted(form.names)}"
        data = {**form.fields, **answers}
        chosen = [one for one in form.buttons if button is None or one[2] == button]
        assert chosen, f"{page.url} has no button {button!r}"
        if chosen[0][0]:
            data[chosen[0][0]] = [chosen[0][1]]
        address = urljoin(page.url, form.action)
        if form.method == "get":
            return page_of(self.client.get(address, params=data))
        return page_of(self.client.post(address, data=data))

    def sign_in(self, person: str) -> Page:
        """Sign in as a person of the development issuer, by the key of the button, such as `SUPERVISOR-1`; whoever was before is gone."""
        self.client.cookies.clear()
        page = self.open("/")
        form = page.form("authorize")
        form.buttons = [one for one in form.buttons if one[1] == person]
        return self.send(page, form)


def page_of(answer: httpx2.Response) -> Page:
    """Parse an answer as strictly as the standard, and check what every page must have."""
    return parsed(answer.status_code, str(answer.url), answer.text, answer.headers)


def parsed(status: int, url: str, text: str, headers: httpx2.Headers) -> Page:
    """Parse what was answered at an address as strictly as the standard, and check what every page must have."""
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    root = parser.parse(text)
    errors = [error for error in parser.errors if error[1] not in IGNORED]
    assert not errors, f"{url}: {errors[:3]}"
    ids = Counter(id_ for element in root.iter() if isinstance(element.tag, str) and (id_ := element.get("id")))
    assert not [id_ for id_, count in ids.items() if count > 1], f"{url}: {ids.most_common(3)}"
    for element in root.iter():
        for name in ("aria-describedby", "aria-labelledby", "for"):
            missing = set((element.get(name) or "").split()) - ids.keys()
            assert not missing, f"{url}: {name} names {missing}, which is not there"
    assert len(list(root.iter("h1"))) == 1, f"{url} has {len(list(root.iter('h1')))} first headings"
    assert len(list(root.iter("main"))) == 1
    assert not list(root.iter("script")), f"{url} has a script"
    assert not [one for one in root.iter() if one.get("style") or any(name.startswith("on") for name in one.attrib)]
    page = Page(status, url, text, root, headers)
    assert page.title
    return page


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _form(element: Element) -> Form:
    fields: dict[str, list[str]] = {}
    names: set[str] = set()
    offered: dict[str, set[str]] = {}
    buttons = []
    for control in element.iter():
        name = control.get("name", "")
        match control.tag:
            case "input" if control.get("type") in {"radio", "checkbox"}:
                names.add(name)
                offered.setdefault(name, set()).add(control.get("value", "on"))
                if "checked" in control.attrib:
                    fields.setdefault(name, []).append(control.get("value", "on"))
            case "input" if control.get("type") not in NOT_SENT:
                names.add(name)
                fields.setdefault(name, []).append(control.get("value", ""))
            case "textarea":
                names.add(name)
                fields.setdefault(name, []).append((control.text or "").removeprefix("\n"))
            case "select":
                names.add(name)
                options = list(control.iter("option"))
                offered[name] = {one.get("value", "") for one in options}
                chosen = next((one for one in options if "selected" in one.attrib), options[0])
                fields.setdefault(name, []).append(chosen.get("value", ""))
            case "button":
                buttons.append((name, control.get("value", ""), text_of(control)))
            case _:
                pass
    return Form(
        element.get("action", ""), element.get("method", "get"), fields, frozenset(names), offered, buttons, element
    )
