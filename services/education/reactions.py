"""Education reacts to no other service; others react to its register (see events.py)."""

from __future__ import annotations

from typing import Final

from shared.domain.service import Reaction

REACTIONS: Final[tuple[Reaction, ...]] = ()
