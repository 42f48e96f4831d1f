"""The time in which an offence can be prosecuted."""

from __future__ import annotations

from datetime import date

from services.disposal.events import Offence
from services.vocabulary import TrialMode
from shared.domain.dates import add_months
from shared.domain.policy import Policy


def prosecution_time_limit(offence: Offence, policy: Policy) -> date | None:
    """Return the last day on which a summary offence can be prosecuted, None if there is no such day.

    Theft from a shop is not barred whatever its value, though low-value theft is summary. Source: MCA 1980 ss22A, 127;
    Jobson v DPP [2025] EWHC 1385 (Admin).
    """
    if offence.trial_mode is not TrialMode.SUMMARY or offence.low_value_shoplifting:
        return None
    return add_months(offence.date, policy.number("prosecution_limit_months"))
