"""The reference pages say what the code says; `make docs` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.registry import deciding_services
from services.vocabulary import Role
from shared.runtime.service import Service
from tools.reference.__main__ import declared_pages, explored_pages
from tools.reference.emitted_events import emitted_events
from tools.reference.pages import duty_texts

PLACE = Path(__file__).parents[2] / "docs" / "reference"
STORIES = Path(__file__).parents[1] / "scenarios"
CATALOGUE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8"))
OUR_COMMANDS = {"disposal": {"MoveConditionAttendance"}}
"""Commands of reactions that the catalogue does not know: see test_catalogue."""
STALE = "docs/reference is not what the code says: run `make docs` and commit what it writes"


def differing(pages: dict[str, str]) -> list[str]:
    return [
        path
        for path, text in sorted(pages.items())
        if not (PLACE / path).is_file() or (PLACE / path).read_text(encoding="utf-8") != text
    ]


def test_the_pages_of_declarations_are_fresh() -> None:
    """Commands, events, rules, duties, policy and measures are committed as the code has them, and nothing besides."""
    pages = declared_pages()
    assert not differing(pages), STALE
    states = {f"{service.name}/states.md" for service in deciding_services()}
    assert {str(path.relative_to(PLACE)) for path in PLACE.rglob("*.md")} == {*pages, *states}, STALE


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_state_machines_are_fresh() -> None:
    """The pictures show the moves that the rules let through today, and every state of the catalogue that is stayed in."""
    pages = explored_pages(STORIES)
    assert not differing(pages), STALE
    for service in deciding_services():
        (named,) = re.findall(r"enum\((.*)\)", CATALOGUE[service.name]["state"]["state"])
        missing = {state for state in named.split("|") if f"`{state}`" not in pages[f"{service.name}/states.md"]}
        # An agreement, or none, is passed in the moment in which it is reached.
        assert missing <= {"AGREED", "NO_AGREEMENT"}


@pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)
def test_the_events_of_a_command_are_read_right(service: Service[Any]) -> None:
    """What is read in the source of decide is what the catalogue says that each command emits."""
    wanted = CATALOGUE[service.name]["commands"]
    for command in service.commands:
        name = command.__name__
        if name in OUR_COMMANDS.get(service.name, ()):
            assert emitted_events(service, command)
            continue
        assert name in wanted, f"{name}: add it to tests/architecture/catalogue.yaml, under {service.name}, commands"
        made, told = {event.__name__ for event in emitted_events(service, command)}, set(wanted[name]["emits"])
        assert made == told, (
            f"{name} makes {sorted(made)} by services/{service.name}/domain/decide.py, and emits {sorted(told)} by"
            " tests/architecture/catalogue.yaml: correct one of them"
        )
        unknown = sorted(service.roles_for(command) - set(Role))
        assert not unknown, (
            f"{name} is open to {unknown}: add the role to services/vocabulary.py, or take it from {name}"
        )


def test_every_duty_of_the_catalogue_is_described() -> None:
    """The docstrings name each duty with what opens it, when it is due and what meets it, and name only values that are there."""
    described = {name for service in deciding_services() for name in duty_texts(service)}
    missing = sorted(set(CATALOGUE["duties"]) - described)
    assert not missing, (
        f"{missing}: say in the docstrings of services/<name>/domain/duties.py what opens and meets each"
    )
    for service in deciding_services():
        for name, parts in duty_texts(service).items():
            place = f"{name} in services/{service.name}/domain/duties.py"
            assert len(parts) in {3, 4}, (
                f"{place}: say what opens it, when it is due and what meets it, as its neighbours do"
            )
            unknown = sorted(set(re.findall(r"`(\w+)`", parts[1])) - set(service.policy.terms))
            assert not unknown, f"{place} names {unknown}: add it to services/{service.name}/domain/policy.toml"
