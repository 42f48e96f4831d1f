"""The registry that the rules of referral are entered in."""

from __future__ import annotations

from services.referral.domain.state import Referral
from shared.domain.rules import RuleBook

rules: RuleBook[Referral] = RuleBook("referral")
