"""Proofs, checked by the console itself: that an event is in a log whose size and root somebody has signed.

The service gives numbers, hashes and signatures; nothing that it says of them is believed. What is computed is described in
docs/explanation/evidence.md.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.event_store.log_hash import log_entry
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import check_inclusion, hash_leaf
from shared.privacy.signed_note import COSIGNATURE, BadNote, SignedNote, VerifierKey

_TIME: Final = slice(4, 12)
"""Where the time of a cosignature stands, after the id of its key."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A signature of somebody else under a checkpoint."""

    name: str
    at: datetime | None
    """When it was given; None of one that covers no time, or none of a calendar."""
    checked: bool
    """Whether the key of that witness is known here, and fits."""


@dataclass(frozen=True, slots=True)
class CheckedCheckpoint:
    """A checkpoint, with who has signed it; or the fault that makes it worth nothing."""

    origin: str = ""
    size: int = 0
    root: bytes = b""
    cosignatures: Sequence[Cosignature] = ()
    fault: str = ""

    @property
    def root_text(self) -> str:
        return base64.b64encode(self.root).decode()


@dataclass(frozen=True, slots=True)
class EventProof:
    """What came of the check of one event."""

    number: int
    """Its place in the log, from 1: its position."""
    hash: str
    checkpoint: CheckedCheckpoint
    path: Sequence[str] = ()
    """The hashes of the service's proof, in hexadecimal, from the event to the root."""
    fault: str = ""
    waits: bool = False
    """Whether no checkpoint reaches the event yet."""

    @property
    def holds(self) -> bool:
        """Whether the event is proved."""
        return not (self.fault or self.waits or self.checkpoint.fault)


def check_checkpoint(note: str, keys: Iterable[str], witness: VerifierKey | None) -> CheckedCheckpoint:
    try:
        known = [VerifierKey.parse(key) for key in keys]
        signed = SignedNote.parse(note)
        checkpoint = Checkpoint.parse(signed.text)
        signers = signed.signers_among(known if witness is None else [*known, witness])
    except BadNote as error:
        return CheckedCheckpoint(fault=str(error))
    fault = ""
    if not any(key.name == checkpoint.origin for key in signers):
        fault = f"no known key has signed this checkpoint of {checkpoint.origin}"
    others = [(name, raw) for name, raw in signed.signatures if name != checkpoint.origin]
    checked = {(key.name, key.identifier) for key in signers if key.kind == COSIGNATURE}
    return CheckedCheckpoint(
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root,
        [Cosignature(name, _time_of(raw), (name, raw[:4]) in checked) for name, raw in others],
        fault,
    )


def check_event(event: Mapping[str, Any], checkpoint: CheckedCheckpoint, path: Sequence[str]) -> EventProof:
    """Follow the proof of an event, a line of a history, along its hashes in base64 to the root of a checkpoint."""
    number, hash_ = int(event["position"]), str(event["hash"])
    if checkpoint.fault:
        return EventProof(number, hash_, checkpoint)
    if number > checkpoint.size:
        return EventProof(number, hash_, checkpoint, waits=True)
    try:
        hashes = [base64.b64decode(node, validate=True) for node in path]
        entry = log_entry(number, datetime.fromisoformat(event["recorded_at"]), bytes.fromhex(hash_))
        check_inclusion(hash_leaf(entry), number - 1, checkpoint.size, hashes, checkpoint.root)
    except ValueError as error:
        return EventProof(number, hash_, checkpoint, fault=str(error))
    return EventProof(number, hash_, checkpoint, [node.hex() for node in hashes])


def _time_of(signature: bytes) -> datetime | None:
    seconds = signature[_TIME]
    if len(signature) <= _TIME.stop or len(signature) == _TIME.start + 64:  # a plain signature covers no time
        return None
    try:
        return datetime.fromtimestamp(int.from_bytes(seconds, "big"), UTC)
    except (OSError, OverflowError, ValueError):  # beyond every calendar
        return None
