"""The messages of a case: to whom, how, what they say, and what became of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.console.forms.next_steps import Steps
from services.console.records import Record
from services.console.rendering import address
from services.console.words import in_words, moment


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as a line of a table, in words."""

    at: str
    who: str
    what: str
    channel: str
    standing: str
    why: str
    """Why it failed; else empty."""
    text: str
    """What was written, or why it is not shown."""
    letter: str = ""
    """The address of its letter, if it went as one."""


def messages_of(records: Iterable[Record], names: Mapping[str, str]) -> list[SentMessage]:
    """Return the messages of a case, the latest first; `names` are those of people by their ids."""
    lines = []
    for record in records:
        state = record.state.value or {}
        base = f"/records/{record.collection}/{record.id}"
        texts = {text["version"]: text for text in (state.get("details") or {}).get("texts") or ()}
        lines += [
            (message["at"], _line(message, names, texts, address(f"{base}/documents/message-letter", item=id_)))
            for id_, message in (state.get("messages") or {}).items()
        ]
    return [line for _, line in sorted(lines, key=lambda dated: dated[0], reverse=True)]


def open_in(steps: Mapping[str, Steps], command: str) -> list[str]:
    """Return the records to which a command can be sent now; `steps` are those of records by their ids."""
    return [id_ for id_, shown in steps.items() if any(step.type == command and step.is_open for step in shown.shown)]


def _line(
    message: Mapping[str, Any], names: Mapping[str, str], texts: Mapping[int, Mapping[str, Any]], letter: str
) -> SentMessage:
    text = texts.get(message["sent_version"])
    return SentMessage(
        moment(message["at"]),
        names.get(message["person_id"], "Name not shown"),
        in_words(message["template"]),
        in_words(message["channel"]),
        in_words(message["status"]),
        in_words(message["why"]),
        _in_words(text),
        letter if message["channel"] == "LETTER" and isinstance((text or {}).get("value"), str) else "",
    )


def _in_words(text: Mapping[str, Any] | None) -> str:
    if text is None:
        return ""
    if isinstance(text.get("value"), str):
        return str(text["value"])
    return "Forgotten" if text.get("forgotten") else "Not shown to your role"
