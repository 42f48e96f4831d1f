"""An answer as CSV: one line of names, one of values. A nested column is named by its path, with dots."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.trade.csv_text import csv_text


def as_csv(answered: Mapping[str, Any]) -> str:
    """Return a measure's answer as CSV: the same names as in the JSON; null is empty."""
    columns = list(flat(answered))
    return csv_text([[name for name, _ in columns], [value for _, value in columns]])


def flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each number of an answer with its dotted path."""
    for name, item in value.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(item, Mapping):
            yield from flat(item, here)
        else:
            yield here, item
