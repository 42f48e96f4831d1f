"""Printed documents: deterministic PDF files from a layout, texts in one language, and data of the state.

The layout is typst. The texts are TOML, one file for each language, with the same keys. Data and texts reach the layout
as values (`sys.inputs`), never as source, so no name or free text is read as markup. The result is PDF/UA-1
(ISO 14289-1): tagged, with a title and a language. Its bytes depend only on the data, the texts, the layout and the
locked version of typst. The date is that of the facts, and the fonts are those inside typst.

A layout that has printed documents never changes. Its successor is a new file, NAME-2.typ, with the texts NAME-2; the
earlier one stays, so that what was printed and signed with it prints to the same bytes.
"""

import hashlib
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from shared.domain.dates import local_day
from shared.domain.documents import LINE, Document, DocumentData, NotAvailable, day_of
from shared.domain.envelope import Fact

S = TypeVar("S")

ROOT: Final = Path(__file__).parents[2]
"""The root directory for files that a layout reads."""

PAPER: Final = Path(__file__).parent / "layout"

LANGUAGES: Final = ("en", "cy")
"""Language codes (ISO 639-1). English is complete; Welsh uses the English text if a translation is missing."""

AWAITING: Final = "[awaiting translation]"
"""The placeholder of a missing translation in a text file."""

_SHA256: Final = re.compile("[0-9a-fA-F]{64}")

_MAX_PRINTS: Final = 1000


class NotPrintable(Exception):
    """A character that the embedded fonts do not have, or more text than there may be. The message names it and a remedy."""


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A printed document: a PDF, and the languages of its texts."""

    body: bytes
    languages: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 (FIPS 180-4) in lower-case hexadecimal, as in a signature."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def digest(self) -> str:
        """The value of the header Repr-Digest (RFC 9530)."""
        return f"sha-256=:{b64encode(hashlib.sha256(self.body).digest()).decode()}:"


def render(
    name: str, document: Document[Any], data: DocumentData, language: str, layout: int | None = None
) -> RenderedDocument:
    """Print a document, by default in the layout in which it was signed, else in the current one.

    Takes some ten milliseconds of CPU for each layout tried, so call it in a thread. Raises `NotPrintable`.
    """
    import typst  # noqa: PLC0415  # only an API prints

    if document.most_letters is not None and _letters_in(data.values) > document.most_letters:
        raise NotPrintable(
            "its texts fill more pages than are printed at once: correct the longest, or write the document by hand"
        )
    number = _layout_of(name, document, data) if layout is None else layout
    stem = _stem(name, number)
    words, awaiting = texts(document.folder, language, document.more_texts)
    try:
        body = typst.compile(
            document.folder / f"{stem}.typ",
            root=ROOT,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=list(document.standards),
            timestamp=int(data.at.timestamp()),
            sys_inputs={
                "name": stem,
                "language": language,
                "texts": _json(words),
                "awaiting": _json(sorted(awaiting)),
                "data": _json({"on": day_of(data.at), "sender": _sender(document, data, language), **data.values}),
            },
        )
    except typst.TypstError as error:
        if "could not be displayed" in str(error):
            raise NotPrintable(
                f"{str(error).partition(':')[2].strip()}: the fonts for printing have no such character. Correct the record, or write the document by hand."
            ) from error
        raise
    assert isinstance(body, bytes)
    _remember(_input_hash(stem, document, data, language), hashlib.sha256(body).hexdigest())
    used = {key for key in words if key.startswith((f"{name}.", f"{stem}."))}
    present = {"en" if key in awaiting else language for key in used}
    return RenderedDocument(body, tuple(code for code in LANGUAGES if code in present))


def is_print(sha256: str, name: str, document: Document[S], state: S, facts: Sequence[Fact]) -> bool:
    """Tell whether the document, printed from these facts in one of its languages and layouts, has this SHA-256.

    A signature asks for it after the print. To print again takes some ten milliseconds of CPU in each language and layout,
    so the SHA-256 of a print is looked up by a hash of its input first. Neither tells anything of a person.
    """
    data = document.fill(state, facts)
    if isinstance(data, NotAvailable) or not _SHA256.fullmatch(sha256):
        return False
    try:
        layouts = range(document.layout, 0, -1)
        return any(_is_in_layout(layout, sha256, name, document, data) for layout in layouts)
    except NotPrintable:
        return False


def _layout_of(name: str, document: Document[Any], data: DocumentData) -> int:
    """Return the number of the earlier layout in which the document was signed, else that of the current one."""
    signed = data.signed
    if signed is not None:
        for layout in range(1, document.layout):
            if _is_in_layout(layout, signed, name, document, data):
                return layout
    return document.layout


def _is_in_layout(layout: int, sha256: str, name: str, document: Document[Any], data: DocumentData) -> bool:
    return any(_sha256_of_print(layout, name, document, data, language) == sha256.lower() for language in LANGUAGES)


_prints: Final[dict[bytes, str]] = {}


def _sha256_of_print(layout: int, name: str, document: Document[Any], data: DocumentData, language: str) -> str:
    cached = _prints.get(_input_hash(_stem(name, layout), document, data, language))
    return render(name, document, data, language, layout).sha256 if cached is None else cached


def _input_hash(stem: str, document: Document[Any], data: DocumentData, language: str) -> bytes:
    sender = _sender(document, data, language)
    input_text = _json([str(document.folder), stem, language, data.at.isoformat(), data.values, sender])
    return hashlib.sha256(input_text.encode()).digest()


def _remember(input_hash: bytes, sha256: str) -> None:
    _prints[input_hash] = sha256
    if len(_prints) > _MAX_PRINTS:
        del _prints[next(iter(_prints))]


def _sender(document: Document[Any], data: DocumentData, language: str) -> Mapping[str, Any]:
    return document.sender(local_day(data.at), language)


def _letters_in(value: Any) -> int:
    """Count the letters of all texts, as the lines count that they fill: a thousand short lines take many pages."""
    match value:
        case str():
            return sum(max(LINE, len(line)) for line in value.splitlines())
        case Mapping():
            return sum(map(_letters_in, value.values()))
        case list() | tuple():
            return sum(map(_letters_in, value))
        case _:
            return 0


def _stem(name: str, layout: int) -> str:
    return name if layout == 1 else f"{name}-{layout}"


@cache
def texts(
    folder: Path, language: str, more: Callable[[str], Mapping[str, str]] | None = None
) -> tuple[Mapping[str, str], frozenset[str]]:
    """Read the common and the service's texts in a language, by dotted key, and the keys without a translation."""
    english = _texts(folder, "en", more)
    own = _texts(folder, language, more)
    awaiting = frozenset(key for key in english if own.get(key, AWAITING) == AWAITING)
    return {key: english[key] if key in awaiting else own[key] for key in english}, awaiting


def _texts(folder: Path, language: str, more: Callable[[str], Mapping[str, str]] | None) -> dict[str, str]:
    own = {} if more is None else more(language)
    return text_file(PAPER / f"{language}.toml") | text_file(folder / f"{language}.toml") | dict(own)


def text_file(path: Path) -> dict[str, str]:
    """Read the texts of a TOML file by dotted key, each on one line."""

    def flatten(table: Mapping[str, Any], before: str) -> Iterable[tuple[str, str]]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from flatten(value, f"{before}{key}.")
            else:
                yield f"{before}{key}", " ".join(str(value).split())

    return dict(flatten(tomllib.loads(path.read_text(encoding="utf-8")), ""))


@cache
def _fonts() -> Any:
    """Load the fonts inside typst only, so that installed fonts cannot change a document."""
    import typst  # noqa: PLC0415  # only an API prints

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
