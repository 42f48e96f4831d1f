"""Receipts: the answer to a command that was recorded."""

from uuid import UUID

from shared.domain.messages import Message, Timestamp


class ReceiptLine(Message):
    """One recorded event of a receipt; `hash` is hexadecimal."""

    event_id: UUID
    type: str
    version: int
    position: int
    hash: str


class ReceiptSignature(Message):
    """A signature with Ed25519: the name and id of its key, as its line in the list of keys begins, and 64 bytes in base64."""

    key: str
    value: str


class Receipt(Message):
    """The receipt of a command: its recorded events and their places, without their data.

    The same idempotency key gives the same receipt again. `position` is that of the last event; the position token is
    `service:position`. `hash` is the hash of the stream after that event. `signature` is over all other members, as
    canonical JSON (RFC 8785); an API always signs. With it, a client can later prove to others that an event is missing.
    """

    command_id: UUID
    service: str
    stream: str
    version: int
    position: int
    position_token: str
    recorded_at: Timestamp
    hash: str
    events: tuple[ReceiptLine, ...]
    signature: ReceiptSignature | None = None
