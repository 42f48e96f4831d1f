"""Books of policy values, changed for a test."""

from datetime import date
from typing import Any

from services.disposal.domain.matrix import POLICY_VALUE, Matrix
from shared.domain.policy import Entry, PolicyBook, PolicyValue


def with_entry(book: PolicyBook, name: str, since: date, value: Any) -> PolicyBook:
    """Copy a book with one more entry, in place of those of the same day and later."""
    term = book.terms[name]
    entries = (*(entry for entry in term.entries if entry.since < since), Entry(since, value))
    return PolicyBook({**book.terms, name: PolicyValue(name, term.unit, term.source, entries)})


def with_matrices(book: PolicyBook, *matrices: Matrix) -> PolicyBook:
    """Copy disposal's book with these versions of the gravity matrix loaded."""
    entries = tuple(Entry(date.fromisoformat(matrix.version), matrix) for matrix in matrices)
    return PolicyBook({**book.terms, POLICY_VALUE: PolicyValue(POLICY_VALUE, "matrix", "sample", entries)})
