"""What a partnership chooses: warnings of a decision that are off as the program comes, and areas that do not share records."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from services.system.registry import deciding_services
from shared.domain.service import Service
from tests.policy_books import with_entry
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import MarkStep, Step

LOCAL: Final = Path(__file__).parent / "local"
WARNINGS: Final = ("D5W", "D6W", "D7W", "D8W")


def _that_warns(service: Service[Any]) -> Service[Any]:
    """Return a service whose policy has every warning of a decision on."""
    if service.name != "disposal":
        return service
    policy = with_entry(service.read_model.policy, "warnings_of_a_decision", date(2025, 2, 2), list(WARNINGS))
    return replace(service, read_model=replace(service.read_model, policy=policy))


def test_a_decision_warns_as_the_partnership_wants_it() -> None:
    """Given a policy with every warning of a decision, then the story of one decision meets each, and what lifts it."""
    memory = Memory(map(_that_warns, deciding_services()))
    assert Run(read_scenario(LOCAL / "157-decisions-that-warn.yaml"), memory).play().skipped == 0


def test_a_merge_of_one_area_leaves_the_records_of_another() -> None:
    """Given a girl known in two areas, when one area merges the ids that it has of her, then it counts her earlier caution, and the other area's records stand."""
    memory = Memory(deciding_services())

    def move(step: Step, _what: str) -> None:
        if isinstance(step, MarkStep):
            memory.area = {"area": "NORTH" if step.name.startswith("north") else "DORSET"}

    assert Run(read_scenario(LOCAL / "158-one-girl-in-two-areas.yaml"), memory, notice=move).play().skipped == 0
