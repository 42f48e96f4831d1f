"""What the commands of a person are about. A person has no journey: nothing has to be done."""

from typing import Final

from services.people.domain import commands
from services.people.domain.state import Person
from shared.domain.journeys import Journey, Purposes

JOURNEYS: Final[tuple[Journey[Person], ...]] = ()

PURPOSES: Final[Purposes] = {
    "Who it is": (commands.MergePerson, commands.SeparatePerson),
    "About a child": (commands.RecordHistory, commands.RecordRelation),
}
"""Where the commands stand."""
