"""Calls every operation of a running system with the client library, and prints as JSON what each answered.

It runs in the environment of `make clients`, which has nothing of the partnership's. Standard input is JSON: `urls` of the
services, `tokens` to be tried in their order until one is no 403, and the `calls` of each service.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID, uuid4

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "clients/python"))

from ooc_client import Partnership, Refused  # noqa: E402


def operations_of(service: str) -> Iterator[ModuleType]:
    """Yield the module of each operation."""
    package = import_module(f"ooc_client.api.{service}.api")
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        if not found.ispkg:
            yield import_module(found.name)


def typed(value: Any, kind: Any) -> Any:
    """Return a value of JSON as the argument of a generated function, by its annotation."""
    for option in get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,):
        if option is UUID:
            return UUID(str(value))
        if hasattr(option, "from_dict") and isinstance(value, dict):
            try:
                return option.from_dict(dict(value))
            except (KeyError, ValueError, TypeError, AttributeError):
                continue
        if inspect.isclass(option) and issubclass(option, StrEnum):
            return option(value)
    return value


def arguments(module: ModuleType, call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a generated function for a call."""
    wanted = inspect.get_annotations(module.sync_detailed, eval_str=True)
    given: dict[str, Any] = {}
    for name, value in (dict(call["where"]) | call["query"] | call["header"]).items():
        snake = name.lower().replace("-", "_")
        python_name = next(known for known in (snake, f"{snake}_", f"{snake}_query") if known in wanted)
        given[python_name] = typed(value, wanted[python_name])
    if call["body_media"]:
        given["body"] = typed(call["body"], wanted["body"])
    return given


def call_all(asked: dict[str, Any]) -> Iterator[tuple[str, str, int, str]]:
    """Call each operation; yield its service and name, the status and the class of the answer."""
    for service, calls in asked["calls"].items():
        modules = {module.__name__.rpartition(".")[2]: module for module in operations_of(service)}
        for call in calls:
            module = modules.pop(call["operation"])
            given = arguments(module, call)
            for token in asked["tokens"]:
                caller = Partnership({service: asked["urls"][service]}, lambda token=token: token, reason="TEST")
                answer = module.sync_detailed(client=caller.client(service), **given)
                if answer.status_code != HTTPStatus.FORBIDDEN:
                    break
            yield service, call["operation"], int(answer.status_code), type(answer.parsed).__name__
        assert not modules, f"no document has {sorted(modules)}"


def send_twice(urls: dict[str, str], token: str) -> bool:
    """Send a command and repeat it; tell whether both have the same receipt, the outcome is known and a mistake is refused."""
    begun = ["an expired token", token]
    partnership = Partnership(urls, lambda: begun.pop(0) if len(begun) > 1 else begun[0], reason="TEST")
    models = import_module("ooc_client.api.education.models")
    plan = {"kind": "GROUP", "topic": "DIVERSITY", "starts_at": "2026-06-01T10:00:00Z", "hours": 2, "place": "Hall"}
    session, command = uuid4(), models.PlanSession.from_dict({"type": "PlanSession", **plan})
    first, again = (partnership.send("education", session, command, key="first") for _ in range(2))
    try:
        partnership.send("education", session, command)
    except Refused as refused:
        said = refused.problem.status == HTTPStatus.UNPROCESSABLE_ENTITY
        return first == again and partnership.outcome(first).state == "recorded" and said
    return False


def main() -> None:
    """Call, send, and say what came of it."""
    asked = json.load(sys.stdin)
    sent = send_twice(asked["urls"], asked["tokens"][0])
    json.dump({"sent": sent, "answers": list(call_all(asked))}, sys.stdout)


if __name__ == "__main__":
    main()
