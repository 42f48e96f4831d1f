"""Policy is data: each value, changed, moves a rule, a duty or a date, and nothing but the value had to change."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from services.notifications.policy import POLICY
from services.system.registry import deciding_services
from shared.domain.service import Service
from tests.as_one_test import as_one_test
from tests.policy_books import with_entry
from tests.unit.policy.moves import Moved

SINCE: Final = date(2025, 2, 2)
"""The day of the changed entry: before every story. It takes the place of later ones."""

HERE: Final = "tests/unit/{}/policy_moves.py"

SERVICES: Final[Mapping[str, Service[Any]]] = {service.name: service for service in deciding_services()}


TABLE: Final[Mapping[str, Mapping[str, Moved]]] = {
    name: import_module(f"tests.unit.{name}.policy_moves").MOVES for name in SERVICES
}
"""Service -> value -> what it moves."""
CASES: Final = [(service, name) for service, values in TABLE.items() for name in values]


@pytest.mark.parametrize("service", SERVICES)
def test_no_value_is_left_out(service: str) -> None:
    """Given the file of a service, when its values are listed, then each has its story here, and no other has."""
    moving, values = set(TABLE[service]), set(SERVICES[service].policy.terms)
    assert not values - moving, f"{sorted(values - moving)}: add what each moves to {HERE.format(service)}"
    assert not moving - values, (
        f"{sorted(moving - values)}: no policy.toml of {service} has them; take them from {HERE.format(service)}"
    )


def test_code_and_policy_name_the_same_values() -> None:
    """Code reads no value that no policy.toml has, and notifications has none that its code does not name."""
    files = [(path.parts[1], path.read_text(encoding="utf-8")) for path in Path("services").rglob("*.py")]
    values = {name for path in Path("services").rglob("policy.toml") for name in tomllib.loads(path.read_text("utf-8"))}
    read = {
        (place, name) for place, text in files for name in re.findall(r'\.(?:codes|number|flag|table)\("(\w+)"', text)
    }
    unknown = sorted(f"services/{place}: {name}" for place, name in read if name not in values)
    assert not unknown, f"no policy.toml has {unknown}: correct the name, or add it to that of the service"
    told = "".join(text for place, text in files if place == "notifications")
    unread = [name for name in POLICY.terms if f'"{name}"' not in told]
    assert not unread, f"services/notifications/policy.toml: nothing reads {unread}"


@as_one_test
@pytest.mark.parametrize(("service", "name"), CASES)
def test_a_changed_value_moves_an_answer(service: str, name: str) -> None:
    """Given a story, when one value of policy is another from a day before it, then the answer is another."""
    before = SERVICES[service]
    book = with_entry(before.policy, name, SINCE, TABLE[service][name].becomes)
    after = replace(before, read_model=replace(before.read_model, policy=book))
    moved = TABLE[service][name]
    assert moved.observe(before) != moved.observe(after), (
        f"{name} as {moved.becomes!r} changes nothing: let a rule, a duty or a date of services/{service}/domain read it,"
        f" or choose in {HERE.format(service)} another value or another story"
    )


@as_one_test
@pytest.mark.parametrize(("service", "name"), CASES)
def test_a_later_entry_leaves_what_was_judged(service: str, name: str) -> None:
    """Given a story, when a value changes only after it, then the answer stays: a fact is judged by its own day."""
    before = SERVICES[service]
    book = with_entry(before.policy, name, date(2026, 11, 1), TABLE[service][name].becomes)
    later = replace(before, read_model=replace(before.read_model, policy=book))
    observe = TABLE[service][name].observe
    assert observe(before) == observe(later), (
        f"{name} was read by another day than that of the fact: read it in services/{service}/domain from context.policy"
    )
