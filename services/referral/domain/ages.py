"""Ages of the people of a referral, from birth dates whose keys may have been destroyed."""

from __future__ import annotations

from datetime import date
from typing import Final

from services.vocabulary import Category
from shared.privacy.sealing import Forgotten, NotOpened, Sealed

OF_AN_OFFENDER: Final = frozenset({Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC})
"""Categories that a child under ten can never have."""


def born_on(date_of_birth: Sealed[date]) -> date | None:
    """Return the birth date, or None where its key was destroyed."""
    try:
        value: date | str = date_of_birth.value
    except (Forgotten, NotOpened):
        return None
    # A corrected birth date is kept as its JSON text.
    return date.fromisoformat(value) if isinstance(value, str) else value
