"""The people whom the sign-in page of the development issuer offers: one for each role, and a second if two must act."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.declared import read_beside
from shared.domain.ids import derived_uuid

AREA: Final = "DORSET"
TEAM: Final = "OOC_DEVELOPMENT"
_WORDS: Final = {"YJS": "youth justice service", "RJ": "restorative justice"}


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the development system. The ids are those by which `ooc` and the scenarios act."""

    name: str
    role: str
    work: str
    """What the role does, for the page."""
    number: int = 1
    organisation: str = TEAM
    also: Sequence[str] = ()
    """Further roles."""

    @property
    def key(self) -> str:
        return f"{self.role}-{self.number}"

    @property
    def email(self) -> str:
        """An address at which nobody is (RFC 2606)."""
        return f"{self.name.lower().replace(' ', '.')}@example.org"

    @property
    def role_in_words(self) -> str:
        words = " ".join(_WORDS.get(word, word.lower()) for word in "_and_".join((self.role, *self.also)).split("_"))
        return words[0].upper() + words[1:]

    def form(self) -> dict[str, Any]:
        return {
            "sub": str(derived_uuid("officer", self.role, self.number)),
            "role": " ".join((self.role, *self.also)),
            "organisation": self.organisation,
            "area": AREA,
        }


PEOPLE: Final = tuple(Person(**person) for person in read_beside(__file__)["person"])
"""Everyone whom the page offers, in its order."""

BY_KEY: Final = {person.key: person for person in PEOPLE}
