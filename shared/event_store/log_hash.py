"""The log hash: one chain over the whole event store, in order of position (docs/adr/0018).

A stream's hash covers an event's bytes. The log hash covers position
and recorded_at, which are assigned under the event store's lock, the event's hash, and the stored answer of its command. The SQL function `append` computes
it; here it is computed again, by code that the database cannot change.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.domain.envelope import GENESIS

EMPTY_LOG: Final = GENESIS
"""The log hash of an event store without events."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PLACE: Final = struct.Struct(">qq")


def log_entry(position: int, recorded_at: datetime, event_hash: bytes) -> bytes:
    """Return an event's place in the log, 48 bytes: position, recorded_at in microseconds since 1970, both big-endian, and hash."""
    return _PLACE.pack(position, (recorded_at - _EPOCH) // _MICROSECOND) + event_hash


def kept_answer(command_id: UUID, digest: bytes) -> bytes:
    """Return the part of a command's receipt that the log hash covers, at the last of its events."""
    return command_id.bytes + digest


def next_log_hash(previous: bytes, entry: bytes, answer: bytes = b"") -> bytes:
    """SHA-256 over the log hash before, the event's `log_entry` and, at a command's last event, its `kept_answer`."""
    return hashlib.sha256(previous + entry + answer).digest()
