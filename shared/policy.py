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
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from shared.messages import PolicyStamp


class NoPolicy(Exception):
    """A value, or a whole policy, that is not in force yet on the day that a fact would be judged by."""


@dataclass(frozen=True)
class Entry:
    """A value from a day on."""

    since: date
    value: Any


@dataclass(frozen=True)
class Term:
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

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self.terms = dict(terms)
        self._on = lru_cache(maxsize=4096)(self._judge)

    @classmethod
    def load(cls, path: Path) -> PolicyBook:
        """Read a policy.toml; raises ValueError naming the entry that is wrong."""
        terms: dict[str, Term] = {}
        for name, raw in tomllib.loads(path.read_text(encoding="utf-8")).items():
            entries = tuple(Entry(entry["from"], entry["value"]) for entry in raw["entries"])
            days = [entry.since for entry in entries]
            if not entries or days != sorted(set(days)):
                raise ValueError(f"{path}: the entries of {name} must be dated, each later than the one before")
            if not raw.get("source") or not raw.get("unit"):
                raise ValueError(f"{path}: {name} needs a source and a unit")
            terms[name] = Term(name, raw["unit"], raw["source"], entries)
        return cls(terms)

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
        return PolicyBook({**self.terms, name: Term(name, term.unit, term.source, entries)})
