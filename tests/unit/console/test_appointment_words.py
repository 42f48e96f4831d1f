"""The page of an appointment in both languages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request

from services.console.everyone.appointments import WORDS, Appointment
from services.console.rendering import render
from services.trade.vocabulary import Language
from tests.reading_age import reading_age

BEGINS = datetime(2026, 6, 11, 15, 30, tzinfo=UTC)


def page_in(language: str, *, stands: bool) -> str:
    """Return the page of an appointment."""
    appointment, says = Appointment(BEGINS, "The Hall", stands), WORDS[language]
    request = Request({"type": "http", "path": "/next/x", "headers": []})
    shown: dict[str, Any] = {
        "appointment": appointment,
        "when": appointment.when(Language(language)),
        "ring": "01632 960018",
        "says": says,
    }
    return bytes(render(request, "appointment.html", None, **shown).body).decode()


@pytest.mark.parametrize("stands", [True, False])
def test_whoever_reads_welsh_gets_the_page_in_welsh(*, stands: bool) -> None:
    """Given a link in Welsh, then day, words and the language of the page are Welsh, and no English word is left."""
    page = page_in("WELSH", stands=stands)
    assert 'lang="cy"' in page
    assert "Dydd Iau 11 Mehefin 2026 am 16:30" in page
    english = [text for key, text in WORDS["ENGLISH"].items() if isinstance(text, str) and key != "lang"]
    assert not [text for text in english if f">{text}<" in page]
    assert "Thursday 11 June 2026 at 16:30" in page_in("ENGLISH", stands=stands)


def test_both_languages_say_the_same_things() -> None:
    """Given both languages, then each has every text of the other; the English ones are read at nine."""
    assert WORDS["ENGLISH"].keys() == WORDS["WELSH"].keys()
    for name in ("known", "off", "nothing", "no_place"):
        assert reading_age(WORDS["ENGLISH"][name]) <= 9, name
