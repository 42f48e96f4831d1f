"""The registry that the rules of referral are entered in."""

from services.referral.domain.state import Referral
from shared.domain.rules import RuleBook

rules: RuleBook[Referral] = RuleBook("referral")
