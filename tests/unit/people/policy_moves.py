"""What each value of policy of people moves: it has none (tests/unit/policy/test_policy_moves.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.unit.policy.moves import Moved

MOVES: Final[Mapping[str, Moved]] = {}
