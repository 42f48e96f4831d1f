"""Every command and event of a service has its branch, so that mypy or a test says which is missing."""

import ast
import inspect
from pathlib import Path
from typing import Any, Final

import pytest

from services.system.registry import deciding_services
from shared.domain.service import Service

ROOT = Path(__file__).parents[2]

SERVICES: Final = pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)


@SERVICES
def test_mypy_reports_an_event_without_a_branch_in_evolve(service: Service[Any]) -> None:
    """The match of `evolve` ends in assert_never, so that an event without a branch is an error of type."""
    path = Path(inspect.getfile(service.decider.evolve))
    ending = "case _:\n            assert_never(event)"
    assert ending in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)}: end the match with `{ending}`"


@SERVICES
def test_a_command_has_either_a_branch_in_decide_or_an_event_that_it_records(service: Service[Any]) -> None:
    """Each command either has a branch in `decide`, and may make events, or names on its class the event that it records."""
    path = Path(inspect.getfile(service.decider.decide))
    branches = _classes_with_a_branch(ast.parse(path.read_text(encoding="utf-8")))
    for command in service.commands:
        assert (command.__name__ in branches) is (command.records is None), (
            f"{command.__name__}: give it a branch in {path.relative_to(ROOT)}, or name on its class the event that it"
            " records (`records`) where it does nothing else; never both"
        )
        assert command.records is None or not command.makes, (
            f"{command.__name__}: what it `records` is all that it makes"
        )


def _classes_with_a_branch(module: ast.Module) -> set[str]:
    """Return the names of the classes that a module tells apart by `case` or `isinstance`."""
    patterns = [node.cls for node in ast.walk(module) if isinstance(node, ast.MatchClass)]
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    checked_classes = [call.args[1] for call in calls if ast.unparse(call.func) == "isinstance"]
    classes = [node for tree in (*patterns, *checked_classes) for node in ast.walk(tree)]
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in classes
        if isinstance(node, (ast.Name, ast.Attribute))
    }
