"""What a service declares is what its match statements are typed over, so that mypy says which branch is missing."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import pytest

from services.disposal.events import DisposalEvent
from services.education.events import EducationEvent
from services.referral.events import ReferralEvent
from services.registry import deciding_services
from services.rj_conference.events import ConferenceEvent
from shared.runtime.service import Service

ROOT = Path(__file__).parents[2]

EVENT_UNIONS: Final[dict[str, tuple[str, str, Any]]] = {
    "referral": ("ReferralEvent", "events.py", ReferralEvent),
    "education": ("EventAfterPlanning", "events.py", EducationEvent),
    "disposal": ("DisposalEvent", "events.py", DisposalEvent),
    "rj_conference": ("EventAfterProposal", "events.py", ConferenceEvent),
}
"""The union that `evolve` matches on: the name to add to, its file within the service, and all of it."""

SERVICES: Final = pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)


def named(classes: set[type]) -> str:
    return ", ".join(sorted(cls.__name__ for cls in classes))


@SERVICES
def test_evolve_knows_every_event(service: Service[Any]) -> None:
    """The union that evolve is typed over has exactly the events of the service's book."""
    name, file, union = EVENT_UNIONS[service.name]
    place, known, booked = f"services/{service.name}", set(get_args(union)), set(service.events.events)
    assert not booked - known, (
        f"{named(booked - known)}: add it to {name} in {place}/{file}, and a branch for it in {place}/domain (the match of `evolve`)"
    )
    assert not known - booked, f"{named(known - booked)}: add it to EVENTS (or REGIMES) in {place}/events.py"


@SERVICES
def test_decide_knows_every_command(service: Service[Any]) -> None:
    """The union that decide is typed over has exactly the commands of the service."""
    place = f"services/{service.name}/domain"
    known = set(get_args(get_type_hints(service.decider.decide)["command"]))
    declared = set(service.commands)
    assert not declared - known, (
        f"{named(declared - known)}: add it to the union of commands that `decide` takes"
        f" ({place}/commands.py or decide.py), and its branch to {place}/decide.py"
    )
    assert not known - declared, f"{named(known - declared)}: add it to COMMANDS in {place}/commands.py"


@SERVICES
def test_mypy_reports_an_event_without_a_branch_in_evolve(service: Service[Any]) -> None:
    """The match of `evolve` ends in assert_never, so that an event without a branch is an error of type."""
    path = Path(inspect.getfile(service.decider.evolve))
    ending = "case _:\n            assert_never(event)"
    assert ending in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)}: end the match with `{ending}`"


@SERVICES
def test_a_command_has_either_a_branch_in_decide_or_an_event_that_it_records(service: Service[Any]) -> None:
    """Each command either has a branch in `decide` or names on its class the event that it records."""
    path = Path(inspect.getfile(service.decider.decide))
    branches = _classes_with_a_branch(ast.parse(path.read_text(encoding="utf-8")))
    for command in service.commands:
        assert (command.__name__ in branches) is (command.records is None), (
            f"{command.__name__}: give it a branch in {path.relative_to(ROOT)}, or name on its class the event that it"
            " records (`records`) where it does nothing else; never both"
        )


def _classes_with_a_branch(module: ast.Module) -> set[str]:
    """Return the names of the classes that a module tells apart by `case` or `isinstance`."""
    patterns = [node.cls for node in ast.walk(module) if isinstance(node, ast.MatchClass)]
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    asked = [call.args[1] for call in calls if ast.unparse(call.func) == "isinstance"]
    return {node.id for tree in (*patterns, *asked) for node in ast.walk(tree) if isinstance(node, ast.Name)}
