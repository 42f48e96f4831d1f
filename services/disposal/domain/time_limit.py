"""The time in which an offence can be prosecuted."""

from datetime import date

from services.disposal.events import Offence, TimeLimit
from services.trade.vocabulary import TrialMode
from shared.domain.dates import add_months
from shared.domain.policy import Policy


def prosecution_time_limit(offence: Offence, reported_on: date, policy: Policy) -> date | None:
    """Return the last day on which a summary offence can be prosecuted, None if there is no such day.

    Six months from the offence; or six months from the day on which it was known (without one, that of the report),
    within a longest time from the offence. Theft from a shop is not barred whatever its value, though low-value theft is
    summary. Source: MCA 1980 ss22A, 127; Communications Act 2003 s127(5)-(8); CJA 1988 s39A; Jobson v DPP [2025] EWHC
    1385 (Admin).
    """
    if offence.trial_mode is not TrialMode.SUMMARY or offence.low_value_shoplifting:
        return None
    months = policy.number("prosecution_limit_months")
    longest = policy.table("prosecution_longest_months").get(offence.time_limit or TimeLimit.SIX_MONTHS)
    if longest is None:
        return add_months(offence.date, months)
    return min(add_months(offence.known_on or reported_on, months), add_months(offence.date, int(longest)))
