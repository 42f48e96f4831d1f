"""The journey of a person, and what the other commands are about."""

from typing import Final

from services.people.domain import commands
from services.people.domain.commands import DEFAULT_ROLES
from services.people.domain.state import Person, Stage
from shared.domain.journeys import Journey, Purposes, Step, once

JOURNEYS: Final[tuple[Journey[Person], ...]] = (
    Journey(
        "What is known",
        lambda person: person.stage is Stage.KNOWN,
        (
            Step(
                "Record what was given elsewhere, how a child lives, or to which child the person stands in a relation",
                (commands.RecordHistory, commands.RecordCircumstance, commands.RecordRelation),
                frozenset(role.value for role in DEFAULT_ROLES),
                once(lambda person: bool(person.history or person.circumstances or person.relations)),
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {"Who it is": (commands.MergePerson, commands.SeparatePerson)}
"""Where the other commands stand."""
