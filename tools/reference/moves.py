"""The moves of a service's state machine that the stories make. Nothing is drawn by hand."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from shared.domain.messages import Correction
from shared.domain.service import Service
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Difference, Run

PLAYED_AT: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""When the stories are played: after all of them, so that none lies in the future."""

BEGINNING: Final = ""
"""The state of what has not begun."""


@dataclass(frozen=True, order=True)
class Move:
    """One step of a state machine: an event that leads from one state to another."""

    before: str
    after: str
    event: str


def play_stories(services: Iterable[Service[Any]], stories: Path) -> Memory:
    """Return a system in which every story of a folder has been played once."""
    played = Memory(services, clock=lambda: PLAYED_AT)
    for story in sorted(stories.glob("*.yaml")):
        # A story that fails has a test of its own; its events until then are of use.
        with suppress(Difference):
            Run(read_scenario(story), played, run="reference").play()
    return played


def moves_of(service: Service[Any], played: Memory) -> Sequence[Move]:
    """Return the moves of the service's streams, sorted. Corrections are left out: they tell the same history better."""
    found = set[Move]()
    for name, history in played.histories:
        state, here = None, BEGINNING
        if name == service.name:
            for fact in takewhile(lambda fact: not isinstance(fact.event, Correction), history):
                state = service.decider.evolve(state, fact)
                before, here = here, str(service.read_model.view(state)["state"])
                if before != here:
                    found.add(Move(before, here, fact.name))
    return sorted(found)
