"""No carrier: the message is only recorded in the referral, sealed, and the console shows it."""

from typing import Final
from uuid import UUID

from services.notifications.channels import Envelope


class RecordOnly:
    """A carrier that accepts every message and sends none."""

    name: Final = "RECORD"
    channels: Final = frozenset({"EMAIL", "SMS", "LETTER"})
    most_repeats: Final = 1_000_000

    async def find(self, _envelope: Envelope) -> str | None:
        """Return None: nothing is kept here."""
        return None

    async def send(self, _envelope: Envelope) -> str | None:
        """Do nothing: the record follows, once for each message."""
        return None

    async def outcome(self, _id: UUID) -> str | None:
        """Return None: nobody brings it."""
        return None
