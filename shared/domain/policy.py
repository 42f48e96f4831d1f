"""Policy: ages, limits, periods, amounts and tables as dated data with their sources.

A file policy.toml holds one table for each value:

    [loan_weeks]
    unit = "weeks"
    source = "byelaw 4"
    entries = [{from = 2013-04-08, value = 3}]

Entries are append-only: a change is a new entry with its own from-date. The policy of the day of a fact applies to it.
Its event carries the edition: the latest from-date in force on that day. A replay looks up the same day, and so always
finds the same values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from shared.domain.envelope import PolicyStamp


class NoPolicy(Exception):
    """A value, or a whole policy, that was not yet in force on the day of a fact."""


@dataclass(frozen=True)
class Entry:
    """A value and the first day on which it is in force."""

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
    """The policy values in force on one Europe/London day, and their edition (the latest from-date among them)."""

    day: date
    edition: str
    values: Mapping[str, Any]
    not_yet_in_force: frozenset[str] = frozenset()
    """The names of the values that come into force after the day."""

    def value(self, name: str) -> Any:
        """Return a value as the file has it. Raises `NoPolicy`, or KeyError for an unknown name."""
        if name in self.not_yet_in_force:
            raise NoPolicy(f"the policy value {name!r} was not yet in force on {self.day}: give a later day")
        if name not in self.values:
            raise KeyError(f"no policy.toml of this service has a value {name!r}: correct the name, or add it there")
        return self.values[name]

    def require_any(self) -> Policy:
        """Return the policy itself. Raises `NoPolicy` if none of its values was in force yet."""
        if self.not_yet_in_force and not self.values:
            raise NoPolicy(f"no policy of this service was in force yet on {self.day}: give a later day")
        return self

    def number(self, name: str) -> int:
        """Return a whole number (years, days, weeks, pence, points). Raises as `value`."""
        return int(self.value(name))

    def decimal(self, name: str) -> Decimal:
        """Return a decimal number, such as hours. Raises as `value`."""
        return Decimal(str(self.value(name)))

    def flag(self, name: str) -> bool:
        """Return a yes or no. Raises as `value`."""
        return bool(self.value(name))

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a table, such as limits by category. Raises as `value`."""
        table: Mapping[str, Any] = self.value(name)
        return table

    def codes(self, name: str) -> frozenset[str]:
        """Return a set of codes. Raises as `value`."""
        return frozenset(self.value(name))

    @property
    def stamp(self) -> PolicyStamp:
        """The edition and the day of this policy, as the events that it judged record them."""
        return PolicyStamp(edition=self.edition, day=self.day)


PolicyOn = Callable[[date], Policy]
"""The policy in force on a day, which raises `NoPolicy` for a value that was not yet in force then."""


class PolicyBook:
    """Every policy value of a service, through time."""

    def __init__(
        self, terms: Mapping[str, PolicyValue], of_operator: Callable[[], Iterable[PolicyValue]] = tuple
    ) -> None:
        self._own, self._of_operator = terms, of_operator
        self.on: PolicyOn = lru_cache(maxsize=4096)(self._policy_on)

    @cached_property
    def terms(self) -> dict[str, PolicyValue]:
        """The values by name. Raises what the reader of the operator's values raises."""
        return {**self._own, **{value.name: value for value in self._of_operator()}}

    @classmethod
    def load(cls, path: Path, of_operator: Callable[[], Iterable[PolicyValue]] = tuple) -> PolicyBook:
        """Read a policy.toml; `of_operator` returns the operator's own values; it is called at the first use.

        Raises ValueError with the file, the line, the value and its fault.
        """
        text = path.read_text(encoding="utf-8")
        try:
            raw = tomllib.loads(text)
        except ValueError as error:  # it names the line
            raise ValueError(f"{path}: {error}") from error
        values = {}
        for name, table in raw.items():
            try:
                values[name] = _policy_value(name, table)
            except _Fault as fault:
                raise ValueError(f"{path}, line {_line_of(text, name, fault.entry)}: {fault}") from fault
        return cls(values, of_operator)

    def _policy_on(self, day: date) -> Policy:
        values: dict[str, Any] = {}
        since: list[date] = []
        for term in self.terms.values():
            in_force = [entry for entry in term.entries if entry.since <= day]
            if in_force:
                values[term.name] = in_force[-1].value
                since.append(in_force[-1].since)
        return Policy(day, max(since).isoformat() if since else "none", values, frozenset(self.terms) - values.keys())


class _Fault(ValueError):
    """What is wrong with a value, or with its entry of that number."""

    def __init__(self, fault: str, entry: int | None = None) -> None:
        super().__init__(fault)
        self.entry = entry


def _line_of(text: str, name: str, entry: int | None) -> int:
    own, first_line, seen = False, 1, -1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([\w-]+)", line):
            if not own and header[1] == name:
                first_line = number
            own = header[1] == name
        if own and entry is not None:
            seen += len(re.findall(r"\bfrom\s*=", line.partition("#")[0]))
            if seen >= entry:
                return number
    return first_line


def _policy_value(name: str, raw: Any) -> PolicyValue:
    _require_keys(name, raw, {"unit", "source", "entries"})
    _require(raw["source"] and raw["unit"], f"{name} needs a source and a unit")
    _require(
        isinstance(raw["entries"], list),
        f"the entries of {name} must be a list: entries = [{{from = 2025-01-01, value = 1}}]",
    )
    entries = tuple(_entry(name, entry, number) for number, entry in enumerate(raw["entries"]))
    days = [entry.since for entry in entries]
    early = next((number for number in range(1, len(days)) if days[number] <= days[number - 1]), None)
    in_order = bool(days) and early is None
    _require(in_order, f"the entries of {name} must be dated, each later than the one before, and at least one", early)
    return PolicyValue(name, raw["unit"], raw["source"], entries)


def _entry(name: str, raw: Any, number: int) -> Entry:
    _require_keys(f"an entry of {name}", raw, {"from", "value"}, number)
    since = raw["from"]
    is_day = isinstance(since, date) and not isinstance(since, datetime)
    _require(
        is_day, f"an entry of {name} is from {since!r}: it must be a day, without quotes, such as 2025-01-01", number
    )
    return Entry(since, raw["value"])


def _require_keys(name: str, raw: Any, keys: set[str], entry: int | None = None) -> None:
    """Raise ValueError for a table with a missing or an unknown key."""
    _require(isinstance(raw, dict), f"{name} must be a table with {', '.join(sorted(keys))}, and is {raw!r}", entry)
    wrong = [f"{key!r} is {'missing' if key in keys else 'not known'}" for key in sorted(keys ^ raw.keys())]
    _require(not wrong, f"{name} needs {', '.join(sorted(keys))} and nothing else: {', '.join(wrong)}", entry)


def _require(condition: object, fault: str, entry: int | None = None) -> None:
    if not condition:
        raise _Fault(fault, entry)
