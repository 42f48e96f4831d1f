"""Checkpoints: the size and root of a log, as a signed note (https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.privacy.signed_note import BadNote, SignedNote, VerifierKey


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a checkpoint: the name of the log, the number of its entries, and the root of their tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed: origin, size and root in base64, a line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint. Raises `BadNote`."""
        lines = text.split("\n")
        try:
            origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
        except (IndexError, ValueError) as error:
            raise BadNote("the text is not a checkpoint: origin, size and root, a line each") from error
        if not origin or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size) or len(root) != 32:
            raise BadNote("the text is not a checkpoint: origin, size and root, a line each")
        return cls(origin, int(size), root)


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Read a checkpoint that one of these keys has signed under the name of its log. Raises `BadNote`."""
    signed = SignedNote.parse(note)
    checkpoint = Checkpoint.parse(signed.text)
    if not any(key.name == checkpoint.origin for key in signed.signers_among(keys)):
        raise BadNote(f"no known key has signed this checkpoint of {checkpoint.origin}")
    return checkpoint
