"""What a service declares is what its match statements are typed over, so that mypy says which branch is missing."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import pytest

from services.disposal.domain.evolve import DisposalEvent
from services.education.domain.state import EducationEvent
from services.referral.domain.state import ReferralEvent
from services.registry import DECIDING
from services.rj_conference.events import ConferenceEvent
from shared.runtime.service import Service

ROOT = Path(__file__).parents[2]

EVENT_UNIONS: Final[dict[str, tuple[str, str, Any]]] = {
    "referral": ("ReferralEvent", "domain/state.py", ReferralEvent),
    "education": ("EducationEvent", "domain/state.py", EducationEvent),
    "disposal": ("DisposalEvent", "domain/state.py", DisposalEvent),
    "rj_conference": ("EventAfterProposal", "events.py", ConferenceEvent),
}
"""The union that `evolve` matches on: the name to add to, its file within the service, and all of it."""

SERVICES: Final = pytest.mark.parametrize("service", DECIDING, ids=lambda service: service.name)


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
def test_mypy_says_which_branch_is_missing(service: Service[Any]) -> None:
    """Both matches end in assert_never, so that a member of the union without a branch is an error of type."""
    for function, subject in ((service.decider.evolve, "event"), (service.decider.decide, "command")):
        path = Path(inspect.getfile(function))
        ending = f"case _:\n            assert_never({subject})"
        assert ending in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)}: end the match with `{ending}`"
