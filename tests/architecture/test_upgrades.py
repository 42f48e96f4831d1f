"""A migration only adds, so that the release before runs beside the next one: what it uses is taken away a release later."""

import re
from pathlib import Path
from typing import Final

import pytest

from services.system.registry import DECIDING, databases_without_events
from shared.runtime.privileges import Schema
from shared.runtime.provision import KEYRING_DATABASE, service_database
from tests.as_one_test import as_one_test

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted(ROOT.glob("shared/**/migrations/**/*.sql")) + sorted(ROOT.glob("services/**/migrations/*.sql"))

TAKES_AWAY: Final = re.compile(
    r"\bdrop\s+(?:table|column|function|view|type|schema|trigger|default)\b|\brename\b|\bset\s+not\s+null\b|\btruncate\s+\w",
    re.IGNORECASE,
)
COMMENT: Final = re.compile(r"--.*")
TRIGGER: Final = re.compile(r"create trigger .*?;", re.DOTALL)

TAKEN: Final = {
    "20261202070000_no_trigger_by_role.sql": "the release before only met the refusals of these triggers",
    "20261202070100_one_tree.sql": "the same; and a function that refuses the same takes the place of another",
}
"""Migrations that take something away, and why the release before does without it."""


SCHEMAS: Final = [KEYRING_DATABASE, *(service_database(entry.name) for entry in DECIDING), *databases_without_events()]


@pytest.mark.parametrize(("name", "schema"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_each_migration_of_a_database_has_a_number_of_its_own(name: str, schema: Schema) -> None:
    """Given the folders of migrations of one database, then no two have a number in common: the second would not be applied."""
    numbers = [path.name.partition("_")[0] for part in schema.parts for path in part.migrations.glob("*.sql")]
    assert len(set(numbers)) == len(numbers), name


@as_one_test
@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
def test_a_migration_takes_nothing_away_that_the_release_before_uses(path: Path) -> None:
    """Given the part of a migration that is applied, nothing in it drops or renames; an exception has its reason here."""
    up = path.read_text(encoding="utf-8").partition("-- migrate:down")[0]
    taken = TAKES_AWAY.findall(TRIGGER.sub("", COMMENT.sub("", up)))
    assert bool(taken) == (path.name in TAKEN), f"{taken}: add now, and take away in the release after"
