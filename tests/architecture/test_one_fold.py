"""One fold: what the events of a stream amount to is said by its own service alone; all others query its read model."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.system.registry import deciding_services

ROOT: Final = Path(__file__).parents[2]
EVENTS: Final = {service.name: {cls.__name__ for cls in service.events.events} for service in deciding_services()}
MODULES: Final = sorted((*ROOT.glob("services/**/*.py"), *ROOT.glob("ooc/**/*.py")))
MAY: Final = {
    "services/console/officers/standing.py": "a timeline in parts: decisions, contacts and reports",
    "services/console/officers/victims.py": "a timeline: the log of what was done for a victim",
    "services/disposal/domain/history.py": "what other records say of the child, for rules that count what came before",
    "services/trade/relations.py": "who may have no contact with whom, which every service asks (`Context.known`)",
    "services/trade/people.py": "the links that rules of every service look at (ADR 65)",
    "services/trade/victims/__init__.py": "the log of a victim, which referral and disposal fold alike",
}
"""Modules that look at the types of others' events, and why each may; reactions may, each for its own service."""


def names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case _:
                pass


def looked_at(module: ast.AST) -> Iterator[str]:
    """Yield the names that a module compares with: classes of patterns and of `isinstance`, and texts."""
    for node in ast.walk(module):
        match node:
            case (
                ast.MatchClass(cls=classes) | ast.Call(func=ast.Name(id="isinstance" | "has_event"), args=[_, classes])
            ):
                yield from names_in(classes)
            case ast.Constant(value=str() as text):
                yield text
            case _:
                pass


def foreign_events(path: Path) -> set[str]:
    """Return the names of events of other services that a module looks at."""
    names = set(looked_at(ast.parse(path.read_text(encoding="utf-8"))))
    owner = path.relative_to(ROOT).parts[1]
    others = set[str]().union(*(events for service, events in EVENTS.items() if service != owner))
    return (names & others) - EVENTS.get(owner, set())


def test_nobody_else_looks_at_the_type_of_an_event() -> None:
    """Given the events of a service, then no module of another matches on their types, by class or name, but its reactions and timelines."""
    found = {str(path.relative_to(ROOT)) for path in MODULES if path.name != "reactions.py" and foreign_events(path)}
    assert found == MAY.keys(), "query read_model.py of the service instead, or take the module off the list"
