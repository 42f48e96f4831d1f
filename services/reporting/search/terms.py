"""Words and codes as they are compared: without case, accents, punctuation and order. Pure."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Final

from services.trade.names import plain
from services.trade.vocabulary import SearchKind

MIN_PREFIX: Final = 3
"""So many letters of a word find it; a shorter word must be given whole."""

LONGEST: Final = 200
"""So many letters of a name are compared: each beginning of a word is a term, and one word may be the whole text."""

_APOSTROPHES: Final = re.compile(r"['’ʼ`]")  # noqa: RUF001 - as names are typed
_HYPHENS: Final = re.compile(r"[‐‑–-]")  # noqa: RUF001 - the same
_FROM_ABROAD: Final = re.compile(r"^(?:00)?440?")
_WORD: Final = re.compile(r"\w+")


def code(text: str) -> str:
    """Return the letters and digits of a number or reference."""
    return "".join(letter for letter in plain(text) if letter.isalnum())


def code_of(kind: str, text: str) -> str:
    """Return what is compared of a text that is no name; a telephone number with the code of Britain as one without."""
    return _FROM_ABROAD.sub("0", code(text)) if kind is SearchKind.TELEPHONE else code(text)


def searched_words(text: str) -> set[tuple[str, ...]]:
    """Return the words of a search, with double names in one word and in two. A name that has any of these is found."""
    text, either = plain(text)[:LONGEST], (" ", "")
    choices = (_APOSTROPHES.sub(a, _HYPHENS.sub(h, text)) for a, h in product(either, either))
    return {words for choice in choices if (words := tuple(_WORD.findall(choice)))}


def indexed_terms(name: str) -> Iterator[str]:
    """Yield the terms under which a name is found: short words, and each beginning of at least `MIN_PREFIX` letters.

    A double name is found in one word and in two: O'Neill as oneill and as o neill.
    """
    for word in set[str]().union(*searched_words(name)):
        yield from (word[:n] for n in range(min(MIN_PREFIX, len(word)), len(word) + 1))


def days_written_alike(born: date) -> set[str]:
    """Return a day as its digits, and as it is written by mistake: with day and month exchanged, or with one digit other."""
    digits = f"{born:%Y%m%d}"
    others = {f"{digits[:n]}{other}{digits[n + 1 :]}" for n in range(len(digits)) for other in "0123456789"}
    return {f"{born:%Y%d%m}", *others}
