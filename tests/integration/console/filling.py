"""Filling in a form that the console draws from a command, and sending it as a person does: answers, check, send."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from shared.domain.dates import LONDON
from tests.integration.console.browsing import Driver, Form, Page

PLAIN_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}:\d{2}):\d{2}\+00:00)?")
"""A day, or a time in UTC, that may be none of the calendar: it is filled in as it is."""


class NotDrawn(Exception):
    """Something that the form has no place for, so nobody can enter it."""


def answers(command: Mapping[str, Any], form: Form, prefix: str = "") -> Iterator[tuple[str, str | list[str]]]:
    """Yield the fields of a form for the fields of a command, as a person would fill them in."""
    for key, value in command.items():
        name = f"{prefix}{key}"
        if f"{name}.day" in form.names:
            yield from _day(name, value, form.names)
        elif isinstance(value, Mapping):
            yield from answers(value, form, f"{name}.0." if f"rows.{name}" in form.names else f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for row, item in enumerate(value):
                yield from answers(item, form, f"{name}.{row}.")
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif isinstance(value, list):
            if value:
                texts = [str(item) for item in value]
                yield name, texts if name in form.options else "\n".join(texts)
        else:
            yield name, str(value)


def _day(name: str, value: Any, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    try:
        found = value if isinstance(value, date) else datetime.fromisoformat(str(value))
    except ValueError:
        match = PLAIN_DAY.fullmatch(str(value))
        assert match is not None, value
        yield from zip((f"{name}.{part}" for part in ("year", "month", "day")), match.groups()[:3], strict=True)
        if match[4]:
            yield f"{name}.clock", match[4]
        return
    if f"{name}.clock" in names:
        if not isinstance(found, datetime) or found.tzinfo is None:
            raise NotDrawn(f"{name} asks for a time in Europe/London: there is no time without a zone")
        found = found.astimezone(LONDON)
        yield f"{name}.clock", f"{found:%H:%M}"
    yield from ((f"{name}.{part}", str(getattr(found, part))) for part in ("day", "month", "year"))


ASKED: Final = {
    "involved_in_case": "no",
    "received_admission": "no",
    "others_unavailable": "yes",
    "taken_by": "CONSTABLE",
    "interview": "VOLUNTARY",
    "legal_advice": "DECLINED",
}
"""What a form asks for and an older client leaves out, as the stories do."""


def fill_in(browser: Driver, page: Page, command: Mapping[str, Any], *, forged: bool = False) -> Page:
    """Fill in a form, with as many rows as are needed, and continue to the check. Raises `NotDrawn`."""
    for key, value in command.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for _ in value[1:]:
                form = page.form("/do/")
                form.buttons = [one for one in form.buttons if one[:2] == ("add", key)]
                page = browser.send(page, form)
    if {"field", "value"} <= command.keys() and not any(re.match(r"value\b", name) for name in page.form("/do/").names):
        # The value is asked in the way of its field, once that is chosen.
        chosen = {name: str(command[name]) for name in ("corrects", "field") if name in command}
        page = browser.send(page, page.form("/do/"), chosen, forged=forged)
    offered: frozenset[str] = frozenset()
    if {"role", "category"} <= command.keys() and "category" not in page.form("/do/").names:
        # Somebody is looked for first, and the details are asked for the part of the person, once that is chosen.
        form = page.form("/do/")
        sought = {name: text for name, text in answers(command, form) if name in form.names - {"person_id"}}
        page = browser.send(page, form, sought, forged=forged)
        if "shown.people" in page.form("/do/").names:
            # None of those who are known.
            offered = frozenset(page.form("/do/").options["person_id"])
            someone = {"person_id": str(command.get("person_id") or uuid4())}
            page = browser.send(page, page.form("/do/"), someone, forged=True)
            if not any("/do/" in form.action for form in page.forms()):
                return page  # The form was sent before: it leads to what was recorded.
    form = page.form("/do/")
    form.buttons = [one for one in form.buttons if one[0] != "add"]
    if "person_id" in form.options and not any(name.startswith("details.") for name in form.names):
        # Whoever is chosen is known: nothing about them is asked again.
        command = {key: value for key, value in command.items() if key != "details"}
    filled = {name: text for name, text in ASKED.items() if name in form.names} | dict(answers(command, form))
    if missing := filled.keys() - form.names:
        raise NotDrawn(f"{page.url} draws no {sorted(missing)}; it draws {sorted(form.names)}")
    page = browser.send(page, form, filled, forged=forged)
    page.offered = offered
    return page


def record(browser: Driver, address: str, command: Mapping[str, Any], reason: str = "") -> Page:
    """Open a form, fill it in, give a reason where a warning asks for one, and record it; returns the page that follows."""
    page = fill_in(browser, browser.open(address), command)
    if any("/reasons" in form.action for form in page.forms()):
        assert reason, page.words
        form = page.form("/reasons")
        page = browser.send(page, form, {name: reason for name in form.names if name.startswith("reason.")})
    assert any("/send" in form.action for form in page.forms()), page.words
    return browser.send(page, page.form("/send"))
