"""The dated values that the measures compare with: those that are shipped, and those that the partnership loads.

A version that it loads is TOML, a value a line, of names that policy.toml has, such as

    children_10_17 = 74210
    population_10_17 = {WHITE = 61800, MIXED = 4200}
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from services.trade.versions import read_versions
from shared.domain.policy import Entry, PolicyBook, PolicyValue
from shared.servers.settings import InvalidSetting, Settings

SETTING: Final = "OOC_TABLES"
SHIPPED: Final = PolicyBook.load(Path(__file__).parent / "policy.toml")


class TableSettings(Settings):
    """Where the tables of the partnership are, beside the settings of every process."""

    tables: Path | None = None
    """A directory with a file DAY.toml for each version; None: only those that are shipped."""


def read_tables(file: Path, _since: date) -> Mapping[str, Any]:
    """Read a version. Raises `InvalidSetting` with the value that is wrong."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{file}: {error}") from error
    for name, value in tables.items():
        if name not in SHIPPED.terms:
            raise InvalidSetting(f"{file}: {name} is none of {', '.join(SHIPPED.terms)}")
        shipped = SHIPPED.terms[name].entries[-1].value
        if type(value) is not type(shipped):
            raise InvalidSetting(f"{file}: {name} is {value!r}: write it as the shipped one, {shipped!r}")
    if not tables:
        raise InvalidSetting(f"{file}: name at least one value, such as children_10_17 = 74210")
    return tables


def loaded() -> Iterator[PolicyValue]:
    folder = TableSettings().tables
    versions = {} if folder is None else read_versions(folder, SETTING, read_tables, ".toml")
    for name, term in SHIPPED.terms.items():
        own = [Entry(since, tables[name]) for since, tables in versions.items() if name in tables]
        if own:
            before = (entry for entry in term.entries if entry.since < own[0].since)
            yield replace(term, source=f"{term.source}; loaded by the partnership", entries=(*before, *own))


POLICY: Final = PolicyBook(SHIPPED.terms, loaded)
