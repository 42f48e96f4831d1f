"""Policy: every age, limit, period, amount and table as dated data with its source.

A file policy.toml holds one table for each value:

    [completion_limit_weeks]
    unit = "weeks"
    source = "YCC Code of Practice, section 9"
    entries = [{from = 2013-04-08, value = 20}]

Entries are append-only: a change is a new entry with its own from-date. A fact is judged by the policy of its own day,
and its event is stamped with the edition: the latest from-date that had come into force by that day. Replay asks for
the same day and so gets the same answer for ever.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from shared.domain.messages import PolicyStamp


class NoPolicy(Exception):
    """A value, or a whole policy, that is not in force yet on the day that a fact would be judged by."""


@dataclass(frozen=True)
class Entry:
    """A value from a day on."""

    since: date
    value: Any


@dataclass(frozen=True)
class PolicyValue:
    """One policy value through time, oldest entry first."""

    name: str
    unit: str
    source: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Policy:
    """The policy in force on one day."""

    day: date
    edition: str
    values: Mapping[str, Any]
    later: frozenset[str] = frozenset()
    """The names of values that come into force after the day."""

    def value(self, name: str) -> Any:
        """A value as it stands in the file; raises `NoPolicy`, or KeyError for a name that no file holds."""
        if name in self.later:
            raise NoPolicy(f"the policy has no value {name!r} yet on {self.day}")
        if name not in self.values:
            raise KeyError(f"no policy.toml of this service has a value {name!r}: correct the name, or add it there")
        return self.values[name]

    def number(self, name: str) -> int:
        """A whole number (years, days, weeks, pence, points)."""
        return int(self.value(name))

    def decimal(self, name: str) -> Decimal:
        """A number with a fraction (hours)."""
        return Decimal(str(self.value(name)))

    def flag(self, name: str) -> bool:
        """A yes or no."""
        return bool(self.value(name))

    def table(self, name: str) -> Mapping[str, Any]:
        """A table, such as the maxima by trial mode."""
        table: Mapping[str, Any] = self.value(name)
        return table

    def words(self, name: str) -> frozenset[str]:
        """A set of codes."""
        return frozenset(self.value(name))

    @property
    def stamp(self) -> PolicyStamp:
        """What an event says of the policy that judged it."""
        return PolicyStamp(edition=self.edition, day=self.day)


class PolicyBook:
    """Every policy value of a service, through time."""

    def __init__(self, terms: Mapping[str, PolicyValue]) -> None:
        self.terms = dict(terms)
        self._on = lru_cache(maxsize=4096)(self._judge)

    @classmethod
    def load(cls, path: Path) -> PolicyBook:
        """Read a policy.toml; raises ValueError naming the file, the value and what is wrong with it."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls({name: _term(name, table) for name, table in raw.items()})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def on(self, day: date) -> Policy:
        """The policy in force on a day."""
        return self._on(day)

    def _judge(self, day: date) -> Policy:
        values: dict[str, Any] = {}
        since: list[date] = []
        for term in self.terms.values():
            in_force = [entry for entry in term.entries if entry.since <= day]
            if in_force:
                values[term.name] = in_force[-1].value
                since.append(in_force[-1].since)
        return Policy(day, max(since).isoformat() if since else "none", values, frozenset(self.terms) - values.keys())

    def with_entry(self, name: str, since: date, value: Any) -> PolicyBook:
        """A book with one more entry: for tests that move a value and see the rule move."""
        term = self.terms[name]
        entries = tuple(
            sorted((*(e for e in term.entries if e.since != since), Entry(since, value)), key=lambda e: e.since)
        )
        return PolicyBook({**self.terms, name: PolicyValue(name, term.unit, term.source, entries)})


def _term(name: str, raw: Any) -> PolicyValue:
    """A value as its table says it; raises ValueError."""
    _require_keys(name, raw, {"unit", "source", "entries"})
    _require(raw["source"] and raw["unit"], f"{name} needs a source and a unit")
    listed = isinstance(raw["entries"], list)
    _require(listed, f"the entries of {name} must be a list: entries = [{{from = 2025-01-01, value = 1}}]")
    entries = tuple(_entry(name, entry) for entry in raw["entries"])
    days = [entry.since for entry in entries]
    in_order = bool(days) and days == sorted(set(days))
    _require(in_order, f"the entries of {name} must be dated, each later than the one before, and at least one")
    return PolicyValue(name, raw["unit"], raw["source"], entries)


def _entry(name: str, raw: Any) -> Entry:
    _require_keys(f"an entry of {name}", raw, {"from", "value"})
    since = raw["from"]
    a_day = isinstance(since, date) and not isinstance(since, datetime)
    _require(a_day, f"an entry of {name} is from {since!r}: it must be a day, without quotes, such as 2025-01-01")
    return Entry(since, raw["value"])


def _require_keys(what: str, raw: Any, wanted: set[str]) -> None:
    """Refuse what lacks a key or has one that is misspelt."""
    _require(isinstance(raw, dict), f"{what} must be a table with {', '.join(sorted(wanted))}, and is {raw!r}")
    wrong = [f"{key!r} is {'missing' if key in wanted else 'not known'}" for key in sorted(wanted ^ raw.keys())]
    _require(not wrong, f"{what} needs {', '.join(sorted(wanted))} and nothing else: {', '.join(wrong)}")


def _require(holds: object, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
