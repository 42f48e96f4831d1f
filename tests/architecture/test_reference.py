"""The reference pages say what the code says; `make docs` writes them anew."""

import re
from pathlib import Path
from typing import Any

import pytest

from services.system.registry import deciding_services
from services.trade.vocabulary import Role
from shared.domain.messages import events_of
from shared.domain.service import Service
from tests.explored_commands import explore
from tools.reference.__main__ import MEASURED, declared_pages, told_pages
from tools.reference.compatibility import incompatible_changes
from tools.reference.contract import committed_contract, contract_of_code, explain, text_of
from tools.reference.pages import duty_texts, undated_rules
from tools.scenario.in_memory import Memory

PLACE = Path(__file__).parents[2] / "docs" / "reference"
STALE = "docs/reference is not what the code says: run `make docs` and commit what it writes"


def differing(pages: dict[str, str]) -> list[str]:
    return [
        path
        for path, text in sorted(pages.items())
        if not (PLACE / path).is_file() or (PLACE / path).read_text(encoding="utf-8") != text
    ]


def test_the_pages_of_declarations_are_fresh() -> None:
    """The committed pages of commands, events, rules, duties, policy and measures equal the generated ones."""
    pages = declared_pages()
    assert not differing(pages), STALE
    states = {f"{service.name}/states.md" for service in deciding_services()}
    written = {page for page in pages if page.endswith(".md")}
    assert {str(path.relative_to(PLACE)) for path in PLACE.rglob("*.md")} == {*written, *states, *MEASURED}, STALE


def test_a_new_rule_without_a_first_day_is_named() -> None:
    """Given pages that lack a rule, when they are written, then it is named once, if its command is there."""
    (disposal,) = (service for service in deciding_services() if service.name == "disposal")
    page = (PLACE / "disposal" / "rules.md").read_text(encoding="utf-8")
    assert undated_rules(disposal, page) == undated_rules(disposal, "") == []
    (line,) = undated_rules(disposal, page.replace("`penalty_is_within_its_limit`", ""))
    assert line.startswith("disposal R16 (penalty_is_within_its_limit) is new")


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """Build the contract of the code once."""
    return contract_of_code(deciding_services())


def test_the_code_keeps_the_contract_that_others_have_been_given(contract: dict[str, Any]) -> None:
    """The contract of the code is compatible with the committed one; otherwise the message says what to do."""
    breaks = incompatible_changes(committed_contract(PLACE), contract)
    assert not breaks, explain(breaks)


def test_the_documents_of_the_contract_are_fresh(contract: dict[str, Any]) -> None:
    """The committed AsyncAPI, OpenAPI and event schemas equal the generated ones."""
    committed = committed_contract(PLACE)
    assert set(committed) == set(contract), STALE
    stale = [path for path, text in contract.items() if (PLACE / path).read_text(encoding="utf-8") != text_of(text)]
    assert not stale, STALE


@pytest.mark.slow
def test_the_events_of_a_command_are_those_that_it_declares(played_stories: Memory) -> None:
    """The events that commands record in trials are those that they declare, and each event is one that a command declares."""
    for service in deciding_services():
        for command, made in explore(service, played_stories).items():
            assert made <= set(events_of(command)), command
        declared = {event for command in service.commands for event in events_of(command)}
        assert declared == set(service.events.events)


def test_the_state_machines_are_fresh(played_stories: Memory) -> None:
    """The pictures show the moves that the stories make today, and every state that is stayed in."""
    pages = told_pages(played_stories)
    assert not differing(pages), STALE
    for service in deciding_services():
        page = pages[f"{service.name}/states.md"]
        missing = {str(state) for state in service.read_model.states if f"`{state}`" not in page}
        # An agreement, or none, is passed in the moment in which it is reached.
        assert missing <= {"AGREED", "NO_AGREEMENT"}


@pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)
def test_a_command_is_open_to_known_roles(service: Service[Any]) -> None:
    """No command names a role that the vocabulary does not have."""
    unknown = {command.__name__: sorted(service.roles_for(command) - set(Role)) for command in service.commands}
    assert not any(unknown.values()), (
        f"{unknown}: add the role to services/trade/vocabulary.py, or take it from the command"
    )


def test_every_duty_is_described_in_the_same_way() -> None:
    """The docstrings say of each duty what opens it, when it is due and what meets it, and name only values that are there."""
    for service in deciding_services():
        for name, parts in duty_texts(service).items():
            place = f"{name} in services/{service.name}/domain/duties.py"
            assert len(parts) in {3, 4}, (
                f"{place}: say what opens it, when it is due and what meets it, as its neighbours do"
            )
            unknown = sorted(set(re.findall(r"`(\w+)`", parts[1])) - set(service.policy.terms))
            assert not unknown, f"{place} names {unknown}: add it to services/{service.name}/domain/policy.toml"
