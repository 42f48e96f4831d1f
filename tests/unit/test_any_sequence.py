"""The property tests of each service play all of its commands."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.system.registry import deciding_services
from services.trade.vocabulary import FieldCorrection, Role
from shared.domain.service import Service

HERE = Path(__file__).parent


@pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)
def test_every_command_is_played_in_any_order(service: Service[Any]) -> None:
    """Each command that follows the opening, and that a person may send, is among those that are played in any order."""
    files = sorted(HERE.glob(f"{service.name}/test_*_any_sequence.py"))
    assert files, f"tests/unit/{service.name} has no test_*_any_sequence.py: write one like that of education"
    module = import_module(f"tests.unit.{service.name}.{files[0].stem}")
    played = {type(command) for command in module.COMMANDS}
    left_out = [
        command.__name__
        for command in service.commands
        if not (command.opens or command in played or issubclass(command, FieldCorrection))
        and service.roles_for(command) != {Role.SYSTEM}
    ]
    assert not left_out, f"add {', '.join(left_out)} to COMMANDS of {files[0].relative_to(HERE.parents[1])}"
