"""Ages of the people of a referral, from birth dates that may have been forgotten."""

from __future__ import annotations

from datetime import date

from shared.privacy.sealing import Forgotten, NotOpened, Sealed


def born_on(date_of_birth: Sealed[date]) -> date | None:
    """The birth date, or None where its key was destroyed."""
    try:
        held: date | str = date_of_birth.value
    except (Forgotten, NotOpened):
        return None
    # A corrected birth date is kept as its JSON text.
    return date.fromisoformat(held) if isinstance(held, str) else held
