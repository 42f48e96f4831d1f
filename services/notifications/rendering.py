"""The words of a message, and the invitation that goes with an e-mail (RFC 5545). Pure: nothing is kept."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from icalendar import Calendar, Event, vCalAddress

from services.notifications.plan import Message
from services.notifications.table import AccountTemplate
from services.trade.languages import day_of_week
from services.trade.partnership import partnership_on
from services.trade.vocabulary import Language
from shared.domain.dates import LONDON, local_day
from shared.domain.ids import derived_uuid

SEVERAL: Final = "SEVERAL"
ENGLISH: Final = Language.ENGLISH
WELSH: Final = Language.WELSH
METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("PLACE_BOOKED", "PLACE_MOVED", "CONFERENCE_PLANNED", "VICTIM_CONFERENCE"), "REQUEST"),
    **dict.fromkeys(("PLACE_CANCELLED", "CONFERENCE_CANCELLED"), "CANCEL"),
}
"""The templates that change a diary, with their method (RFC 5546)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message's text, with its language and the edition of its template."""

    template: str
    version: int
    language: Language
    subject: str
    body: str


@cache
def templates(language: Language) -> Mapping[str, Any]:
    file = Path(__file__).parent / "templates" / ("cy.toml" if language == WELSH else "en.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def render(messages: Sequence[Message], places: Mapping[str, str | None], *, welsh: bool) -> Text:
    """Return the text of some messages to one person; `places` has the place of each appointment."""
    texts = [_render_message(message, places.get(message.record), welsh=welsh) for message in messages]
    if len(texts) == 1:
        return texts[0]
    head = templates(ENGLISH)[SEVERAL]
    return Text(
        SEVERAL, head["version"], ENGLISH, head["subject"], "\n\n".join((head["text"], *(text.body for text in texts)))
    )


def render_digest(digest: Mapping[str, Sequence[str]]) -> Text:
    """Return the reminder of an officer: under what they are reminded of the numbers of cases, and nothing else."""
    words = templates(ENGLISH)[AccountTemplate.OFFICER_DIGEST]
    lines = [f"{words[kind]}: {', '.join(case[:8] for case in cases)}." for kind, cases in digest.items() if cases]
    body = "\n".join((words["text"], *(lines or [words["nothing"]])))
    return Text(AccountTemplate.OFFICER_DIGEST, words["version"], ENGLISH, words["subject"], body)


def _render_message(message: Message, place: str | None, *, welsh: bool) -> Text:
    for_other = message.recipient != message.concerns
    language = WELSH if welsh and _has(WELSH, message.template, for_other=for_other) else ENGLISH
    texts, words = templates(language)[message.template], templates(language)["words"]
    entry = partnership_on(local_day(message.moment))
    phone = (entry.victims if message.harmed else entry.yjs).telephone
    local = message.moment.astimezone(LONDON)
    fields = {
        "day": day_of_week(local, language),
        "time": f"{local:%H:%M}",
        "place": place or words["no_place"],
        "phone": phone,
        "number": str(message.referral_id)[:8],
    }
    body = texts.get("for_other", texts["text"]) if for_other else texts["text"]
    return Text(message.template, texts["version"], language, texts["subject"].format(**fields), body.format(**fields))


def _has(language: Language, template: str, *, for_other: bool) -> bool:
    """Whether a language has the words for this recipient: a parent needs other words than a child."""
    own, english = templates(language).get(template), templates(ENGLISH)[template]
    return own is not None and (not for_other or "for_other" in own or "for_other" not in english)


def invitation(message: Message, place: str | None, sender: str, recipient: str) -> bytes | None:
    """Return the invitation, its change or its end; None for a message that changes no diary. It names no reason."""
    method = METHODS.get(message.template)
    if method is None:
        return None
    event = Event()
    event.add("uid", str(derived_uuid("invitation", message.record, message.recipient)))
    event.add("sequence", message.sequence)
    event.add("dtstamp", datetime.now(UTC))
    event.add("dtstart", message.moment.astimezone(UTC))
    event.add("dtend", message.moment.astimezone(UTC) + timedelta(hours=float(message.hours or 1)))
    event.add("summary", "Appointment")
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("organizer", vCalAddress(f"mailto:{sender}"))
    event.add("attendee", vCalAddress(f"mailto:{recipient}"))
    if place:
        event.add("location", place)
    calendar = Calendar()
    calendar.add("prodid", "-//Out of court//Notifications//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    return bytes(calendar.to_ical())
