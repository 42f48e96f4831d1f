"""Names as they are compared: without case, accents, punctuation and order. Pure."""

import re
import unicodedata
from typing import Final

_PLAIN: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
"""Letters that Unicode does not take apart into a letter and an accent."""
_UNSEEN: Final = frozenset({"Cf", "Me", "Mn"})
"""Format characters, as Word leaves them in a name that is copied from it, and marks: a name with one is found without."""
_FILLERS: Final = "\u115f\u1160"
"""Letters that are blank."""
_WITHIN_A_WORD: Final = re.compile(r"[^\w\s,]|_")
_BETWEEN_WORDS: Final = re.compile(r"[\s,]+")


def plain(text: str) -> str:
    """Remove case, accents and what nobody sees (Unicode NFKD, without marks and format characters, casefolded)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    seen = (letter for letter in decomposed if unicodedata.category(letter) not in _UNSEEN and letter not in _FILLERS)
    return "".join(seen).casefold().translate(_PLAIN)


def forms_of(name: str) -> frozenset[str]:
    """Return a name without spaces, hyphens and apostrophes, as it stands, and with its first or last word at the other end.

    Two names are the same if they have a form in common: Anne-Marie O'Neil and o neil annemarie.
    """
    words = [word for word in _BETWEEN_WORDS.split(_WITHIN_A_WORD.sub("", plain(name))) if word]
    return frozenset("".join(words[n:] + words[:n]) for n in range(len(words)))
