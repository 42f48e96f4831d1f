"""The settings of the partnership that runs the system: its letterheads, telephone numbers and address for complaints.

They stand in a file (`OOC_PARTNERSHIP`; without it the made-up county of partnership.toml), as dated entries: what is
printed of a day prints to the same bytes for ever.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.trade.vocabulary import OffenceCategory, OffenceCode, OffenceTitle, Organisation, TrialMode
from shared.domain.policy import Entry, PolicyValue
from shared.servers.settings import InvalidSetting, Settings

EXAMPLE: Final = Path(__file__).with_name("partnership.toml")

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\n]*\S[^\n]*$")]

Urn = Annotated[str, StringConstraints(pattern=r"^[0-9]{6,7}$")]


class PartnershipSettings(Settings):
    """Where the file is, beside the settings of every process."""

    partnership: Path | None = None
    """A file with the letterheads and telephone numbers of the partnership; None: those of a made-up county."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sender(_Part):
    """Who writes, in English and perhaps in Welsh, and their telephone number."""

    letterhead: Line
    cy: Line | None = None
    telephone: Line


class Victims(_Part):
    """Whom a victim rings."""

    telephone: Line


class Offence(_Part):
    """An offence that forms offer by its title: how it is tried, whether it is recordable on the PNC, and its kind."""

    title: OffenceTitle
    trial_mode: TrialMode
    recordable: bool
    category: OffenceCategory | None = None


class Partnership(_Part):
    """The partnership from a day on."""

    since: date = Field(alias="from")
    name: Line
    feedback: Line
    area: Line | None = None
    """The area of what anybody reports on the public page, as tokens name it; None: the page only says whom to ring."""
    police: Sender
    yjs: Sender
    victims: Victims
    areas: tuple[Line, ...] = ()
    """The areas that a case may move to, as tokens name them; if any is named, it moves to no other (TR1)."""
    organisations: tuple[Organisation, ...] = ()
    """Whence members of the panel come; if any is named, they come from no other."""
    schools: Mapping[Urn, Line] = {}
    """The schools that forms offer by their unique reference numbers; another one can be typed."""
    offences: Mapping[OffenceCode, Offence] = {}
    """The offences that forms offer by their codes in the national list; another one can be typed."""

    def sender(self, sender: Sender, language: str) -> Mapping[str, str]:
        """Return what a paper says of its sender, in a language (ISO 639-1)."""
        return {
            "name": (sender.cy if language == "cy" else None) or sender.letterhead,
            "partnership": self.name,
            "feedback": self.feedback,
            "police": self.police.telephone,
            "yjs": self.yjs.telephone,
            "victims": self.victims.telephone,
        }


def read_partnership(path: Path) -> tuple[Partnership, ...]:
    """Read the entries of a file, the earliest first. Raises `InvalidSetting`."""
    try:
        text = path.read_text(encoding="utf-8")
        entries = tomllib.loads(text).get("partnership")
    except (OSError, ValueError, RecursionError) as error:  # a fault of TOML names its line
        raise InvalidSetting(f"{path}: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries or [None]):
        raise InvalidSetting(f"{path}, line 1: it has no [[partnership]]: see {EXAMPLE.name}")
    partnerships: list[Partnership] = []
    for number, entry in enumerate(entries):
        try:
            partnerships.append(Partnership.model_validate(entry))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = [str(part) for part in first["loc"]]
            line = _line_of(text, number, where)
            raise InvalidSetting(f"{path}, line {line}: {'.'.join(where)}: {first['msg']}") from None
        if number and partnerships[number].since <= partnerships[number - 1].since:
            line = _line_of(text, number, ["from"])
            raise InvalidSetting(f"{path}, line {line}: from: each entry is later than the one before")
    return tuple(partnerships)


def _line_of(text: str, number: int, where: Sequence[str]) -> int:
    """Return the line of a key in an entry; that of its table or of the entry itself if the key is missing."""
    *tables, key = where
    entry, table, line = -1, "partnership", 1
    for n, content in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([\w.]+)\s*\]+", content)
        if header:
            entry += content.lstrip().startswith("[[")
            table = header[1]
        if entry != number:
            continue
        inside = table == ".".join(["partnership", *tables])
        if header and (inside or table == f"partnership.{key}" or content.lstrip().startswith("[[")):
            line = n
        if inside and re.match(rf"\s*{re.escape(key)}\s*=", content):
            return n
    return line


@cache
def partnership() -> tuple[Partnership, ...]:
    """Read the file of this process. Raises `InvalidSetting`."""
    return read_partnership(PartnershipSettings().partnership or EXAMPLE)


def as_policy(name: str, listed: str) -> Sequence[PolicyValue]:
    """Return as policy what the partnership lists, by its name there. Raises `InvalidSetting`."""
    entries = tuple(Entry(entry.since, getattr(entry, listed)) for entry in partnership())
    return [PolicyValue(name, listed, "local policy: the partnership's own file", entries)]


def partnership_on(day: date) -> Partnership:
    """Return the partnership of a day; before the first entry, the first."""
    entries = partnership()
    return next((entry for entry in reversed(entries) if entry.since <= day), entries[0])


def _of(name: str) -> Callable[[date, str], Mapping[str, Any]]:
    def sender(day: date, language: str) -> Mapping[str, Any]:
        entry = partnership_on(day)
        return entry.sender(getattr(entry, name), language)

    return sender


POLICE: Final = _of("police")
"""The police as the sender of a paper."""

YJS: Final = _of("yjs")
"""The youth justice service as the sender of a paper."""
