"""Whether what was signed is the document as this system prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.vocabulary import Disposal
from shared.domain.envelope import Fact
from shared.domain.rules import Context

DOCUMENT: Final = {Disposal.YRD: "yrd", Disposal.YC: "yc", Disposal.YCC: "ycc"}
"""The name of the document that belongs to each disposal."""


def is_printed_here(sha256: str, disposal: Disposal | None, facts: Sequence[Fact], context: Context) -> bool:
    """Return whether the document of a disposal, as it is printed of these facts, has this SHA-256 (hexadecimal)."""
    return disposal is not None and context.prints(sha256, DOCUMENT[disposal], facts)
