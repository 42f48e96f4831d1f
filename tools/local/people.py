"""The people whom the sign-in page of the development issuer offers: one for each role, and a second if two must act."""

from dataclasses import dataclass
from typing import Any, Final

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
    also: tuple[str, ...] = ()
    """Further roles."""

    @property
    def key(self) -> str:
        """The value that the form sends."""
        return f"{self.role}-{self.number}"

    @property
    def email(self) -> str:
        """An address at which nobody is (RFC 2606)."""
        return f"{self.name.lower().replace(' ', '.')}@example.org"

    @property
    def role_in_words(self) -> str:
        """The roles as the page names them."""
        words = " ".join(_WORDS.get(word, word.lower()) for word in "_and_".join((self.role, *self.also)).split("_"))
        return words[0].upper() + words[1:]

    def form(self) -> dict[str, Any]:
        """Return the person as a token request names them."""
        return {
            "sub": str(derived_uuid("officer", self.role, self.number)),
            "role": " ".join((self.role, *self.also)),
            "organisation": self.organisation,
            "area": AREA,
        }


PEOPLE: Final = (
    Person("Sam Okafor", "SAFE_SCHOOLS_OFFICER", "takes in referrals from schools, triages and advises"),
    Person("Nia Brandt", "SAFE_SCHOOLS_OFFICER", "the same, at another school", number=2),
    Person("Iris Duarte", "INTERNET_SAFETY_OFFICER", "takes in what happened online"),
    Person("Ravi Menon", "YJS_CASE_MANAGER", "carries cautions and their conditions"),
    Person("Grace Lund", "RJ_FACILITATOR", "prepares and holds restorative conferences"),
    Person("Ken Abara", "RJ_FACILITATOR", "the same, and works at a school", 2, also=("SAFE_SCHOOLS_OFFICER",)),
    Person("Tom Achterberg", "POLICE_DECISION_MAKER", "decides the disposal"),
    Person("Elin Sorby", "POLICE_DECISION_MAKER", "decides where the first may not", number=2),
    Person("Hanna Weiss", "SUPERVISOR", "oversees all of it, and signs what needs a second person"),
    Person("Owen Pryce", "SUPERVISOR", "a second supervisor, for what the first may not sign alone", number=2),
    Person("Leila Haddad", "VICTIM_WORKER", "tells victims what they may know"),
    Person("Martha Quill", "AUDITOR", "checks the records; gives a reason for each look"),
    Person("Jonas Berg", "ANALYST", "reads the measures, and no case"),
    Person("Ada Marsh", "DATA_PROTECTION_OFFICER", "answers for personal data; gives a reason for each look"),
    Person("Peter Vance", "SCHOOL", "sees the state of the school's own referrals", organisation="113867"),
)
"""Everyone whom the page offers, in its order."""

BY_KEY: Final = {person.key: person for person in PEOPLE}
