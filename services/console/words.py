"""Codes, days and times as people read them."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from services.system.registry import deciding_services
from services.trade.vocabulary import WORDS
from services.trade.words import texts_of
from shared.domain.dates import LONDON, age_on, local_day
from shared.domain.declared import read_beside
from shared.domain.sentences import words_of

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
DUTIES: Final = texts_of("duties")
TURNS: Final[Mapping[str, Mapping[str, Collection[str]]]] = {
    service.name: read_beside(__file__, "turns.toml").get(service.name, {})
    | {step.duty: step.who for journey in service.journeys for step in journey.steps}
    for service in deciding_services()
}
"""Service -> duty -> the roles whose turn it is."""
PAPERS: Final = texts_of("papers")
_ACRONYMS: Final = re.compile(r"\b(mash|yot|yjs|cps|rj)\b")


def in_words(code: Any) -> str:
    """Return a code in words, with a capital: the words of the sentences, else its letters."""
    words = within(code)
    return words[:1].upper() + words[1:] if words != code else words


def given_in_words(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what was given and when, in the order of the days: Youth caution, 23 April 2026."""
    return [
        f"{in_words(one['kind'])}, {day(one['on'])}"
        + (f", by {one['by']}" if one.get("by") else "")
        + (", annulled" if one.get("annulled") or one.get("is_annulled") else "")
        for one in sorted(given, key=lambda one: str(one["on"]))
    ]


def within(code: Any) -> str:
    text = str(code or "")
    return _ACRONYMS.sub(lambda match: match[0].upper(), words_of(text, WORDS)) if _CODE.fullmatch(text) else text


def duty_in_words(code: str) -> str:
    """Return a duty as the thing to do; one without words of its own as its code in words."""
    return DUTIES.get(code) or in_words(code)


def list_turns(duty: Mapping[str, Any]) -> list[str]:
    """List in words whose turn a duty is."""
    return sorted(in_words(role) for role in TURNS[duty["service"]].get(duty["duty"], ()))


def paper_in_words(name: str) -> str:
    """Return a paper as people call it; one without words of its own as its name in words."""
    return PAPERS.get(name) or name.replace("-", " ").capitalize()


def command_in_words(type_: str) -> str:
    """Return the name of a command in words, such as "Issue disposal"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type_).capitalize()


def day(value: Any) -> str:
    """Return a date, or the Europe/London date of a time, such as 9 June 2026."""
    on = _read(value)
    return "" if on is None else f"{on.day} {on:%B %Y}"


def moment(value: Any) -> str:
    """Return a time in Europe/London to the minute, such as 9 June 2026 at 10:15."""
    at = _read(value)
    if at is None:
        return ""
    return f"{day(at)} at {at.astimezone(LONDON):%H:%M}" if isinstance(at, datetime) else day(at)


def today() -> date:
    """Return the current date in Europe/London."""
    return local_day(datetime.now(UTC))


def day_of(moment: str | None) -> date:
    """Return the day by which a state at a moment is judged, as the API does: its Europe/London day; today without one."""
    at = _read(moment or None)
    return today() if at is None else at.date() if isinstance(at, datetime) else at


def distance(value: Any, from_day: date) -> str:
    """Say how far a day is from another, such as "in 3 days" or "2 days ago"."""
    on = _read(value)
    if on is None:
        return ""
    days = (on.date() if isinstance(on, datetime) else on).toordinal() - from_day.toordinal()
    if days in {-1, 0, 1}:
        return ("yesterday", "today", "tomorrow")[days + 1]
    return f"in {days} days" if days > 0 else f"{-days} days ago"


def import_note(origin: Mapping[str, Any] | None, digits: int = 64) -> str:
    """Say from which row of which file an event was imported, by so many digits of its SHA-256; empty for any other event."""
    if not origin or origin.get("kind") != "IMPORT":
        return ""
    file, _, row = str(origin.get("reference") or "").partition("#row=")
    return f"Imported, row {row} of the file with SHA-256 {file[:digits]}{'…' if digits < len(file) else ''}"


def age(born: Any, on: date) -> int | None:
    """Return the age on a day; None if the date of birth is not known."""
    try:
        return age_on(date.fromisoformat(str(born)), on)
    except ValueError:
        return None


def _read(value: Any) -> date | datetime | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return (
            date.fromisoformat(value)
            if len(str(value)) == 10
            else datetime.fromisoformat(str(value)).astimezone(LONDON)
        )
    except (ValueError, OverflowError):
        return None
