"""Filling in a form that the console draws from a command, and sending it as a person does: answers, check, send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from shared.domain.dates import LONDON
from tests.integration.console.browsing import Browser, Form, Page


def answers(command: Mapping[str, Any], form: Form, prefix: str = "") -> Iterator[tuple[str, str | list[str]]]:
    """Yield the fields of a form for the fields of a command, as a person would fill them in."""
    for key, value in command.items():
        name = f"{prefix}{key}"
        if f"{name}.day" in form.names:
            yield from _day(name, value, form.names)
        elif isinstance(value, Mapping):
            yield from answers(value, form, f"{name}.")
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
    if f"{name}.clock" in names:
        moment = (value if isinstance(value, datetime) else datetime.fromisoformat(str(value))).astimezone(LONDON)
        day: date = moment
        yield f"{name}.clock", f"{moment:%H:%M}"
    else:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
    yield from ((f"{name}.{part}", str(getattr(day, part))) for part in ("day", "month", "year"))


def fill_in(browser: Browser, page: Page, command: Mapping[str, Any]) -> Page:
    """Fill in a form, with as many rows as are needed, and continue to the check."""
    for key, value in command.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for _ in value[1:]:
                form = page.form("/do/")
                form.buttons = [one for one in form.buttons if one[:2] == ("add", key)]
                page = browser.send(page, form)
    form = page.form("/do/")
    form.buttons = [one for one in form.buttons if one[0] != "add"]
    return browser.send(page, form, dict(answers(command, form)))


def record(browser: Browser, address: str, command: Mapping[str, Any], reason: str = "") -> Page:
    """Open a form, fill it in, give a reason where a warning asks for one, and record it; returns the page that follows."""
    page = fill_in(browser, browser.open(address), command)
    if any("/reasons" in form.action for form in page.forms()):
        assert reason, page.words
        form = page.form("/reasons")
        page = browser.send(page, form, {name: reason for name in form.names if name.startswith("reason.")})
    assert any("/send" in form.action for form in page.forms()), page.words
    return browser.send(page, page.form("/send"))
