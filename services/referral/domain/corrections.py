"""What may be corrected in a referral: each field of an earlier event, but those that others own or that were computed."""

from __future__ import annotations

from typing import Final

from services.referral.domain.state import Referral, evolve
from services.referral.events import (
    ActivityUndertaken,
    CrimeOutcomeAssigned,
    PersonLinked,
    ReferralCorrected,
    ReferralReceived,
)
from shared.domain.corrections import CorrectionEngine

CORRECTIONS: Final[CorrectionEngine[ReferralCorrected, Referral]] = CorrectionEngine(
    ReferralCorrected,
    evolve,
    fixed=frozenset(
        {
            # The case and the person decide whose key seals what follows.
            (ReferralReceived, "case_id"),
            (PersonLinked, "person_id"),
            # Computed from the birth date, which can be corrected.
            (PersonLinked, "age_at_incident"),
            # Carried from another service, where it is corrected.
            (CrimeOutcomeAssigned, "disposal_id"),
            (ActivityUndertaken, "session_id"),
            (ActivityUndertaken, "person_id"),
        }
    ),
)
"""How the record of a referral is corrected."""
