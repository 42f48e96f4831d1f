"""The console's forms as a backend of scenarios: each command is sent as a person does it, by the pages alone."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from services.system.registry import COLLECTIONS
from tests.integration.console.browsing import Driver, Page
from tests.integration.console.filling import NotDrawn, fill_in
from tools.client.http import Client
from tools.scenario.backend import Request, Response
from tools.scenario.over_http import READER, Http
from tools.scenario.story import Officer, Result

RULE: Final = re.compile(r"Rule ([A-Z]{1,3}[0-9]{1,3}[A-Z]?)\. Source")
REASON: Final = "reason."
BEGINS: Final = frozenset({"ReceiveReferral", "OpenDisposalCase"})
OF_ONE_CASE: Final = frozenset({"referral", "disposal"})


class Forms(Http):
    """A backend whose commands go through the console's forms; what is checked is read from the APIs, as by `Http`.

    Args:
        opens: what opens the browser of one more person.

    """

    def __init__(self, client: Client, opens: Callable[[], Driver]) -> None:
        super().__init__(client)
        self._opens = opens
        self._browsers: dict[Officer, Driver] = {}
        self._cases: dict[object, str] = {}
        """The case of each record, as far as a command named it."""
        self._latest: Driver | None = None
        """The browser of whoever did something last."""
        self._drawn: dict[str, Page] = {}
        """The page of each form as it was drawn, by the key of its command: an old tab."""
        self._receipts: dict[str, Mapping[str, Any]] = {}
        self.forms = 0
        """How many forms were sent."""

    def close(self) -> None:
        """Close every browser."""
        for browser in self._browsers.values():
            browser.close()

    def send(self, request: Request) -> Response:
        """Open the form of the command, fill it in, check it and send it; one that was sent before is sent again as it was.

        What no form has a place for is invalid: nobody can enter it. A value that a form does not offer is sent all the same.
        """
        if request.by.role == "SYSTEM":
            return Response(Result.FORBIDDEN, why="nobody is given the role SYSTEM")
        browser = self._browser(request.by)
        command = dict(request.body)
        rationale = command.pop("rationale", {})
        version = command.pop("expected_version", None)
        type_ = command.pop("type")
        address = f"/records/{COLLECTIONS[request.service]}/{request.stream}/do/{type_}"
        key = str(uuid5(NAMESPACE_URL, f"{request.service} {request.key}"))
        page = self._drawn.get(key) or browser.reach(address, self._start(request), stays=browser is self._latest)
        self._latest = browser
        if page.status in {403, 404}:
            # A record that the person may not know of has no form: to them it is not there.
            kept_from = page.status == 403 or self.history(request.service, request.stream)
            return Response(Result.FORBIDDEN if kept_from else Result.UNKNOWN, why=page.words)
        if version is not None:
            page = _with(page, version=str(version))
        self._drawn[key] = page
        try:
            page = fill_in(browser, _with(page, key=key), command, forged=True)
        except NotDrawn as error:
            return Response(Result.INVALID, why=str(error))
        self.forms += 1
        response = self._checked(browser, request, page, rationale, key)
        if response.word is Result.ACCEPTED:
            assert self._drawn[key].is_led_to, f"no link of {self._start(request)} leads to {address}"
        return response

    def _checked(
        self, browser: Driver, request: Request, page: Page, rationale: Mapping[str, str], key: str
    ) -> Response:
        if rationale and any("/reasons" in form.action for form in page.forms()):
            form = page.form("/reasons")
            reasons = {f"{REASON}{rule}": text for rule, text in rationale.items() if f"{REASON}{rule}" in form.names}
            page = browser.send(page, form, reasons)
        forms = [form.action for form in page.forms()]
        if any("/reasons" in action for action in forms):
            names = sorted(name for name in page.form("/reasons").names if name.startswith(REASON))
            rules = tuple(name.removeprefix(REASON) for name in names)
            return Response(Result.NEEDS_RATIONALE, rules=rules, known=tuple(page.offered))
        if any("/version" in action for action in forms):
            return Response(Result.CONFLICT, why=page.words)
        if page.status == 422:
            rules = tuple(dict.fromkeys(RULE.findall(page.words)))
            return Response(Result.REFUSED if rules else Result.INVALID, rules=rules, why=page.words)
        if any("/send" in action for action in forms):
            page = browser.send(page, page.form("/send"))
        assert page.status == 200, page.words
        return self._recorded(request, page, key)

    def _recorded(self, request: Request, page: Page, key: str) -> Response:
        """Return the receipt of what the page says was recorded."""
        if key in self._receipts:
            return Response(Result.REPEATED, events=_types(self._receipts[key]), receipt=self._receipts[key])
        recorded = parse_qs(urlsplit(page.url).query)["recorded"][0]
        answer = self._client.get(request.service, f"/v1/commands/{recorded}", role=READER)
        assert answer.status == 200, answer.body
        receipt: Mapping[str, Any] = answer.body["receipt"]
        self._receipts[key] = receipt
        return Response(Result.ACCEPTED, events=_types(receipt), receipt=receipt)

    def _start(self, request: Request) -> str:
        """Return the page from which a person comes to the form of a command: begin, the case, or the record itself.

        A school reads no case: what it can do about a report of its own stands on its first page.
        """
        type_, named = str(request.body["type"]), str(request.body.get("case_id", ""))
        begins = type_ in BEGINS and named not in self._cases.values()
        case = self._cases.setdefault(request.stream, named) if request.service in OF_ONE_CASE else ""
        if begins or type_ == "PlanSession":
            return "/begin"
        if request.by.role == "SCHOOL":
            return "/"
        return f"/cases/{case}" if case else f"/records/{COLLECTIONS[request.service]}/{request.stream}"

    def _browser(self, officer: Officer) -> Driver:
        if officer not in self._browsers:
            browser = self._browsers[officer] = self._opens()
            browser.sign_in(f"{officer.role}-{officer.number}")
        return self._browsers[officer]


def _types(receipt: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(event["type"]).split(".")[-2] for event in receipt["events"])


def _with(page: Page, **hidden: str) -> Page:
    """Return a page whose form was drawn with other values in its hidden fields, as in an older tab."""
    for control in page.form("/do/").element.iter("input"):
        if control.get("name") in hidden:
            control.set("value", hidden[str(control.get("name"))])
    return page
