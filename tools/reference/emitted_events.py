"""Find the events that a command may make: the one it declares (`records`), else those of its branch of `decide`."""

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from types import FunctionType, MethodType, ModuleType
from typing import Any

from shared.domain.corrections import CorrectionEngine
from shared.domain.messages import Command, Event, event_from
from shared.domain.service import Service


def emitted_events(service: Service[Any], command: type[Command]) -> list[type[Event]]:
    """Return the events that a command may make, in the order in which the service declares them."""
    if command.records is not None:
        return [command.records]
    events = _events_in_decide(f"services.{service.name}.domain", command)
    return [event for event in service.events.events if event in events]


@cache
def _events_in_decide(domain: str, command: type[Command]) -> frozenset[type[Event]]:
    """Return the events in the branches of `decide`, which the pages ask for once for each event of the service."""
    events: set[type[Event]] = set()
    for module, body in _branches(domain, command):
        _collect(body, module, domain, events, set())
    return frozenset(events)


def _branches(domain: str, command: type[Command]) -> Iterator[tuple[ModuleType, Sequence[ast.AST]]]:
    """Return the code of `decide` for a command: the case that names it, or the body of its isinstance."""
    module = importlib.import_module(f"{domain}.decide")
    for node in ast.walk(_tree(module)):
        if (isinstance(node, ast.match_case) and command.__name__ in _classes(node.pattern)) or (
            isinstance(node, ast.If)
            and re.fullmatch(rf"isinstance\(command, (\w+\.)?{command.__name__}\)", ast.unparse(node.test))
        ):
            yield module, node.body


def _classes(pattern: ast.pattern) -> set[str]:
    classes = (node.cls for node in ast.walk(pattern) if isinstance(node, ast.MatchClass))
    return {cls.id if isinstance(cls, ast.Name) else ast.unparse(cls).rpartition(".")[2] for cls in classes}


def _collect(
    body: Sequence[ast.AST], module: ModuleType, domain: str, events: set[type[Event]], visited: set[FunctionType]
) -> None:
    nodes = [node for part in body for node in ast.walk(part)]
    for name in (name for node in nodes if isinstance(node, ast.Return) for name in _alternatives(node.value)):
        chosen = _resolve(name, module)
        if isinstance(chosen, type) and issubclass(chosen, Event):
            events.add(chosen)
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        called = _resolve(call.func, module)
        if isinstance(called, MethodType) and isinstance(called.__self__, CorrectionEngine):
            events.add(called.__self__.event)
        made = _resolve(call.args[0], module) if called is event_from and call.args else called
        if isinstance(made, type) and issubclass(made, Event):
            events.add(made)
        elif isinstance(called, FunctionType) and called.__module__.startswith(domain) and called not in visited:
            visited.add(called)
            _collect(_body(called), sys.modules[called.__module__], domain, events, visited)


def _alternatives(value: ast.expr | None) -> Iterator[ast.expr]:
    """Return the expressions that a return may yield: a name, or one of two."""
    if isinstance(value, ast.IfExp):
        yield from _alternatives(value.body)
        yield from _alternatives(value.orelse)
    elif isinstance(value, ast.Name | ast.Attribute):
        yield value


def _resolve(node: ast.expr, module: ModuleType) -> Any:
    """Return the object of a name, also of one in another module or of a correction engine."""
    if isinstance(node, ast.Name):
        return getattr(module, node.id, None)
    if isinstance(node, ast.Attribute) and isinstance(
        place := _resolve(node.value, module), ModuleType | CorrectionEngine
    ):
        return getattr(place, node.attr, None)
    return None


@cache
def _body(function: FunctionType) -> Sequence[ast.AST]:
    return ast.parse(textwrap.dedent(inspect.getsource(function))).body


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))
