"""What the APIs and the console say of malformed values: in our words, for every command, never in those of a library."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import pytest
from pydantic import ValidationError

from services.system.registry import deciding_services
from shared.api.command_schemas import standalone_schemas
from shared.api.problems import Malformed
from shared.domain.remedies import OTHERWISE
from shared.domain.service import Service
from tests.unit.test_command_schemas import RECEIVED

SERVICES = deciding_services()
WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    7,
    -1,
    10**12,
    1.23456,
    "",
    "x",
    "x\x00",
    "x\u202e",
    "y" * 20_001,
    [],
    [7],
    [[]] * 101,
    {},
    {"a": 1},
)
WRONG_DAYS: Final = ("2026-02-31", "1700-01-01", "2199-12-31", "2026-06-09T10:00:00", "9999-12-31T00:00:00Z")


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a command."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if name != "type":
            yield (*path, name)
            yield from places(part, (*path, name))


def changed(command: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a command with another value at a path."""
    copy = deepcopy(command)
    inner = copy
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_answer_repeats_a_library(service: Service[Any]) -> None:
    """Given every command with every value made wrong, then each answer has our words, and neither the library's nor the value."""
    said = set()
    for schema in standalone_schemas(service).values():
        (example,) = schema["examples"]
        required = {**example, **dict.fromkeys(schema["properties"].keys() - example.keys() - {"type"})}
        for path in places(required):
            for wrong in (*WRONG, *WRONG_DAYS):
                said |= answers(service, changed(required, path, wrong))
    assert said
    for message, of_library in said:
        assert message not in {of_library, OTHERWISE, ""}, of_library
        for word in ("Value error", "Input should", "should have", "pydantic", "yyy"):
            assert word not in message


def answers(service: Service[Any], command: Any) -> set[tuple[str, str]]:
    """Return what is said of each error of a command, with what the library says; of our own errors it says nothing."""
    try:
        service.parse_command(json.dumps(command).encode(), RECEIVED)
    except ValidationError as error:
        ours = {"code", "control_character", "sealed"}
        library = ["" if item["type"] in ours else item["msg"] for item in error.errors()]
        return {
            (remedy, msg) for (_, remedy), msg in zip(Malformed.from_validation(error).errors, library, strict=True)
        }
    return set()
