"""How a person's events fold, and what is shown of them."""

from typing import Final

from services.people.access import ACCESS
from services.people.domain.decide import decider
from services.people.domain.state import Person, Stage
from services.people.events import EVENTS
from services.people.views import view
from shared.domain.service import ReadModel

READ_MODEL: Final[ReadModel[Person]] = ReadModel(
    collection="people",
    events=EVENTS,
    decider=decider,
    view=view,
    access=ACCESS,
    states=tuple(Stage),
    # Nothing is ever left to do.
    ended=frozenset(Stage),
)
