"""Anchors: hashes of a service's database in its position record, so that its topic proves them.

An attacker with every right on the database must rewrite the position topic too, or `ooc verify` names the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anchors:
    """The log hash at the position reached, and the last line of the access log then: its number and hash.

    Empty, or 0, if the position record is older than these headers.
    """

    log_hash: bytes = b""
    access_sequence: int = 0
    access_hash: bytes = b""

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the headers of the position record: hashes in hexadecimal, the number in decimal digits."""
        return [
            ("ooc_log_hash", self.log_hash.hex().encode()),
            ("ooc_access_sequence", b"%d" % self.access_sequence),
            ("ooc_access_hash", self.access_hash.hex().encode()),
        ]

    @classmethod
    def read(cls, headers: Sequence[tuple[str, bytes | None]]) -> Anchors:
        """Read a position record's headers; raises ValueError."""
        named: Mapping[str, bytes] = {name: value or b"" for name, value in headers}
        sequence = int(named.get("ooc_access_sequence", b"0"))
        if not 0 <= sequence < 2**63:
            raise ValueError("ooc_access_sequence is no line of an access log")
        return cls(
            bytes.fromhex(named.get("ooc_log_hash", b"").decode()),
            sequence,
            bytes.fromhex(named.get("ooc_access_hash", b"").decode()),
        )
