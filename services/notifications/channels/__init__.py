"""The ways in which a message leaves: a mail server, GOV.UK Notify, or the referral's record alone."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID


class NotSent(Exception):
    """The message was not sent, for sure, and may be sent later."""


class Refused(Exception):
    """The address is refused for good."""


class Uncertain(Exception):
    """Whether the message was sent is not known."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message to one address: held in memory while it is sent, and nowhere else."""

    id: UUID
    channel: str
    address: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    invitation: bytes | None = field(default=None, repr=False)
    method: str | None = None
    repeated: bool = False
    """Whether it may have been sent before."""
    again: str = ""
    """The words that mark a repeat, in the language of the text."""


class Carrier(Protocol):
    """A carrier of messages to people."""

    @property
    def name(self) -> str:
        """NOTIFY, SMTP or RECORD."""
        ...

    @property
    def channels(self) -> Collection[str]:
        """The channels that it has: EMAIL, SMS, LETTER."""
        ...

    @property
    def most_repeats(self) -> int:
        """How often a message with an unknown result may be sent again."""
        ...

    async def find(self, envelope: Envelope) -> str | None:
        """Return the carrier's reference of a message; None if it has none, or cannot say."""
        ...

    async def send(self, envelope: Envelope) -> str | None:
        """Send a message, and return the carrier's reference. Raises `NotSent`, `Refused` or `Uncertain`."""
        ...

    async def outcome(self, id_: UUID) -> str | None:
        """Return DELIVERED or NOT_DELIVERED; None while that is not known, or if the carrier cannot say."""
        ...
