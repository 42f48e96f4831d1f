"""The state machine that a service declares, as a table: for each state the commands that it allows."""

import importlib
from collections.abc import Iterable
from typing import Any, Protocol

from shared.domain.messages import Command
from shared.domain.service import Service
from tools.reference.markdown import codes


class Row(Protocol):
    """A row of a declared state machine."""

    commands: tuple[type[Command], ...]
    stages: frozenset[Any]
    standing: Any
    condition: Any


def allowed_commands(service: Service[Any]) -> dict[str, Any]:
    """Return the commands that each state allows, those before the first event, and those that any state allows."""
    rows: Iterable[Row] = importlib.import_module(f"services.{service.name}.domain.state_machine").STATE_MACHINE
    by_command: dict[type[Command], list[Row]] = {command: [] for command in service.commands if not command.opens}
    for row in rows:
        for command in row.commands:
            if command in by_command:
                by_command[command].append(row)
    lines = []
    for state in service.read_model.states:
        allowed = [c for c, rows in by_command.items() if rows and all(state in row.stages for row in rows)]
        more = [c for c in allowed if any(row.standing or row.condition for row in by_command[c])]
        lines.append((f"`{state}`", _names(c for c in allowed if c not in more), _names(more)))
    return {
        "by_state": lines,
        "opening": _names(command for command in service.commands if command.opens),
        "everywhere": _names(command for command, rows in by_command.items() if not rows),
    }


def _names(commands: Iterable[type[Command]]) -> str:
    return codes(command.__name__ for command in commands) or "nothing"
