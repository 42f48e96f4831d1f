"""The goal of the program as data: the wishes of a story, in order, and how its case ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from tests.integration.program.program import Officer, Wish
from tools.client.tokens import officer_id
from tools.scenario.naming import Names
from tools.scenario.parser import read_scenario
from tools.scenario.story import CommandStep, Result

STORIES = Path(__file__).parents[2] / "scenarios"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wished, and the members of each record at the end of the case. Names of records stand in `names`."""

    names: Names
    case: UUID
    wishes: tuple[Wish, ...]
    ends: Mapping[tuple[str, UUID], Mapping[str, Any]]
    """Service and record -> members of its state."""


def read_goal(file: Path, run: str) -> Goal:
    """Read a goal and the story that it names; `run` makes its ids its own."""
    story = yaml.safe_load(file.read_text(encoding="utf-8"))
    scenario = read_scenario(STORIES / story["story"])

    def no_event(stream: str, event: str) -> UUID:
        raise LookupError(f"the program knows no event {event} of {stream}")

    names = Names(scenario.id, run, scenario.people, lambda who: officer_id(who.role, who.number), no_event)
    officers = {f"${name}": f"$officer.{role}" for name, role in story["officers"].items()}
    wishes = tuple(
        _wish(
            step,
            names.fill_in({name: officers.get(str(value), value) for name, value in step.fields.items()}),
            names,
            story.get("excuses", {}),
        )
        for step in scenario.steps
        # A story also sends without a reason what needs one; the program learns that from a dry run.
        if isinstance(step, CommandStep) and step.expected.word is not Result.NEEDS_RATIONALE
    )
    ends = {
        (service, names.id(record)): members
        for stream, members in story["ends"].items()
        for service, _, record in [stream.partition("/")]
    }
    return Goal(names, names.id(story["case"]), wishes, ends)


def _wish(step: CommandStep, fields: Mapping[str, Any], names: Names, excuses: Mapping[str, str]) -> Wish:
    """Return the wish of a step; `excuses` are the officer's reasons that the story does not need."""
    return Wish(
        officer=Officer(step.by.role, step.by.number),
        service=step.service,
        record=names.id(step.to),
        type=step.command,
        values={name: value for name, value in fields.items() if name != "rationale"},
        at=step.at,
        excuses={**excuses, **fields.get("rationale", {})},
        refused_by=step.expected.rules,
    )
