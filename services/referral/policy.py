"""Every dated policy value of referral, as `domain/policy.toml` gives it."""

from pathlib import Path
from typing import Final

from shared.domain.policy import PolicyBook

POLICY: Final = PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml")
