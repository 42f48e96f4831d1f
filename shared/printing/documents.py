"""Printed documents: a layout, its texts in a language, and data of the state make a PDF, always the same bytes.

The layout is typst, the texts are TOML, one file for each language with the same keys; data and texts reach the layout
as values (`sys.inputs`) and are never pasted into its source, so no name or free text can be read as markup. The result
is PDF/UA-1 (ISO 14289-1): tagged, with a title and a language. Nothing but the data, the texts, the layout and the
locked version of typst goes into the bytes: the date is that of the facts, and the fonts are those inside typst.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from shared.domain.dates import LONDON, local_day
from shared.domain.messages import Event, Fact
from shared.privacy.sealing import Forgotten, Sealed

S = TypeVar("S")

ROOT: Final = Path(__file__).parents[2]
"""What a layout may read: the packages themselves."""

PAPER: Final = Path(__file__).parent / "layout"
"""The house's own form, and the words that every document uses."""

LANGUAGES: Final = ("en", "cy")
"""English, which is complete, and Welsh (ISO 639-1), which falls back to English where a text awaits translation."""

AWAITING: Final = "[awaiting translation]"
"""What stands in a text file where nobody has translated the text yet."""

_SHA256: Final = re.compile("[0-9a-fA-F]{64}")

ERASED: Final = "[erased]"
"""What is printed in the place of a value whose key was destroyed."""


class NotPrintable(Exception):
    """A character that no font of the house can show: which one, and what to do."""


@dataclass(frozen=True, slots=True)
class DocumentData:
    """What is printed, as JSON values, and the time of the latest fact that it rests on."""

    values: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """The state does not allow this document: a sentence that says why, and what to do."""

    why: str


@dataclass(frozen=True)
class Document(Generic[S]):
    """A document that can be printed of a stream.

    `fill` sees the state and the facts it was folded from, opened, with corrections in place. It is asked with facts
    only, so that the same facts print the same bytes, whoever asks and when.
    """

    folder: Path
    """Where the layout `NAME.typ` and the texts `LANGUAGE.toml` are."""
    fill: Callable[[S, Sequence[Fact]], DocumentData | NotAvailable]
    roles: frozenset[str]
    """Who may print it."""


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A printed document: a PDF, and the languages that its texts are in."""

    body: bytes
    languages: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The digest (FIPS 180-4) in lower-case hexadecimal, as a signature names it."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def digest(self) -> str:
        """The digest as the header Repr-Digest has it (RFC 9530)."""
        return f"sha-256=:{b64encode(hashlib.sha256(self.body).digest()).decode()}:"


# What a service's `fill` needs to say


def shown(value: Sealed[Any] | None) -> Any:
    """A personal value as JSON, `[erased]` where its key was destroyed, None where there is none; raises `NotOpened`."""
    if value is None:
        return None
    try:
        plain = value.value
    except Forgotten:
        return ERASED
    return plain.isoformat() if isinstance(plain, date) else plain


def day_of(moment: datetime) -> str:
    """The Europe/London day of a moment, as JSON has it; the layout writes it in the language."""
    return local_day(moment).isoformat()


def clock_of(moment: datetime) -> str:
    """The time of day in Europe/London, such as 16:30."""
    return moment.astimezone(LONDON).strftime("%H:%M")


def pounds(pence: int | None) -> str | None:
    """An amount of pence as pounds: £50, £38.50."""
    if pence is None:
        return None
    return f"£{pence // 100}" if pence % 100 == 0 else f"£{pence // 100}.{pence % 100:02}"


def latest(facts: Iterable[Fact], *kinds: type[Event]) -> datetime:
    """When the last fact of these kinds happened; there must be one."""
    return max(fact.occurred_at for fact in facts if isinstance(fact.event, kinds))


# Printing


def render(name: str, document: Document[Any], filled: DocumentData, language: str) -> RenderedDocument:
    """Print a document (some ten milliseconds of a processor; ask in a thread). Raises `NotPrintable`."""
    import typst  # noqa: PLC0415  # only an API prints

    words, awaiting = texts(document.folder, language)
    try:
        body = typst.compile(
            document.folder / f"{name}.typ",
            root=ROOT,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=int(filled.at.timestamp()),
            sys_inputs={
                "name": name,
                "language": language,
                "texts": _json(words),
                "awaiting": _json(sorted(awaiting)),
                "data": _json({"on": day_of(filled.at), **filled.values}),
            },
        )
    except typst.TypstError as error:
        if "could not be displayed" in str(error):
            raise NotPrintable(
                f"{str(error).partition(':')[2].strip()}: the fonts for printing have no such character. Correct the record, or write the document by hand."
            ) from error
        raise
    assert isinstance(body, bytes)
    used = {key for key in words if key.startswith(f"{name}.")}
    found = {"en" if key in awaiting else language for key in used}
    return RenderedDocument(body, tuple(one for one in LANGUAGES if one in found))


def is_print(sha256: str, name: str, document: Document[S], state: S, facts: Sequence[Fact]) -> bool:
    """Whether a document, as it is printed of these facts in one of its languages, has this SHA-256 (hexadecimal)."""
    filled = document.fill(state, facts)
    if isinstance(filled, NotAvailable) or not _SHA256.fullmatch(sha256):
        return False
    try:
        return any(render(name, document, filled, language).sha256 == sha256.lower() for language in LANGUAGES)
    except NotPrintable:
        return False


@cache
def texts(folder: Path, language: str) -> tuple[Mapping[str, str], frozenset[str]]:
    """The house's and a service's texts by dotted key in a language, and the keys that stay English for now."""
    english = _texts(folder, "en")
    own = _texts(folder, language)
    awaiting = frozenset(key for key in english if own.get(key, AWAITING) == AWAITING)
    return {key: english[key] if key in awaiting else own[key] for key in english}, awaiting


def _texts(folder: Path, language: str) -> dict[str, str]:
    return text_file(PAPER / f"{language}.toml") | text_file(folder / f"{language}.toml")


def text_file(path: Path) -> dict[str, str]:
    """The texts of one file by dotted key."""

    def flat(table: Mapping[str, Any], before: str) -> Iterable[tuple[str, str]]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from flat(value, f"{before}{key}.")
            else:
                yield f"{before}{key}", " ".join(str(value).split())

    return dict(flat(tomllib.loads(path.read_text(encoding="utf-8")), ""))


@cache
def _fonts() -> Any:
    """The fonts inside typst, and no others: what a machine has installed must not change a document."""
    import typst  # noqa: PLC0415  # only an API prints

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
