"""How a person's events fold, and what is shown of them."""

from pathlib import Path
from typing import Final

from services.people.access import ACCESS
from services.people.domain.decide import decider
from services.people.domain.state import Person, Stage
from services.people.events import EVENTS, OF_PERSONS, PersonMerged, PersonSeparated
from services.people.summary import summary
from services.people.views import view
from services.trade.people import DETAILS_OF_PERSONS
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel

READ_MODEL: Final[ReadModel[Person]] = ReadModel(
    collection="people",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    policy=PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml"),
    access=ACCESS,
    keeps_of_people={**DETAILS_OF_PERSONS, **{cls: OF_PERSONS[cls] for cls in (PersonMerged, PersonSeparated)}},
    states=tuple(Stage),
    # Nothing is ever left to do.
    ended=frozenset(Stage),
)
