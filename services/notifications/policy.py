"""The dated values by which messages are planned and sent."""

from pathlib import Path
from typing import Final

from shared.domain.policy import PolicyBook

POLICY: Final = PolicyBook.load(Path(__file__).parent / "policy.toml")
