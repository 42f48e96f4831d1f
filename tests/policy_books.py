"""Books of policy values, changed for a test."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.domain.policy import Entry, PolicyBook, PolicyValue


def with_entry(book: PolicyBook, name: str, since: date, value: Any) -> PolicyBook:
    """Copy a book with one more entry, in place of those of the same day and later."""
    term = book.terms[name]
    entries = (*(entry for entry in term.entries if entry.since < since), Entry(since, value))
    return PolicyBook({**book.terms, name: PolicyValue(name, term.unit, term.source, entries)})
