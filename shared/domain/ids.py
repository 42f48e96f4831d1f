"""Derive ids: every UUID that this house makes follows from what it names (RFC 9562, version 5)."""

from typing import Final
from uuid import UUID, uuid5

IDS: Final = UUID("5c3b0f0e-8d3c-5b5e-9d0a-0c5f6b0a7e11")
"""The namespace of every derived UUID version 5 (RFC 9562)."""


def derived_uuid(*parts: object) -> UUID:
    """Derive a UUID version 5 (RFC 9562) from the parts, in the namespace `IDS`."""
    return uuid5(IDS, "/".join(str(part) for part in parts))


def event_id(command_id: UUID, n: int) -> UUID:
    """Derive the id of the event with index `n` of a command."""
    return uuid5(command_id, str(n))


RESERVED: Final = 8
"""The version (RFC 9562) of the UUIDs under which the kernel alone begins a stream."""


def reserved_id(id_: UUID) -> UUID:
    """Return the id of a stream of the kernel whose own id, which all can derive, somebody gave to a record."""
    return UUID(int=id_.int & ~(0xF << 76) | RESERVED << 76)
