"""When an attendance counts as an activity undertaken (rule O22)."""

from services.vocabulary import AttendanceStatus
from shared.domain.policy import Policy


def is_activity(status: AttendanceStatus, policy: Policy, *, complied: bool) -> bool:
    """Whether somebody took part, and complied."""
    return complied and status.value in policy.codes("statuses_of_an_activity")
