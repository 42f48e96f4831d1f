"""The marked scenarios of test_marked_system.py, played in memory: what they mark is all that may be sealed."""

from services.system.registry import deciding_services
from shared.domain.sealing import sealed_fields
from tests.hostile.marking import Marker, marked_path, marked_scenarios
from tests.unit.test_access import EVENTS, sealed_paths
from tools.scenario.in_memory import Memory
from tools.scenario.runner import Run


def test_the_marked_scenarios_write_every_sealed_field() -> None:
    """Given the marked scenarios, when they are played, then each sealed field of the contract has a mark."""
    marker, memory = Marker("qmarked"), Memory(deciding_services())
    for scenario in marked_scenarios(marker).values():
        Run(scenario, memory).play()
    fields = {
        (name, type(fact.event), marked_path(path, sealed, marker))
        for name, facts in memory.histories
        for fact in facts
        for path, _, sealed in sealed_fields(fact.event, fact.sealing_home)
    }
    contract = {(service.name, event, path) for service, event in EVENTS for path in sealed_paths(event)}
    assert {f"{name}.{event.__name__}.{path}" for name, event, path in contract - fields} == set()
