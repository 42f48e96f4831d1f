"""Duties: tasks with a due date, computed from facts and policy on every query.

No event records the passing of a day, so no timer has to run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from shared.domain.dates import add_working_days
from shared.domain.policy import PolicyOn


@dataclass(frozen=True, slots=True)
class Duty:
    """A task: opened by a fact, due on a Europe/London day, met by another fact or still open.

    `item` distinguishes the duties of one name within a stream, such as one for each person. `closed_on` is the day on
    which the duty fell away unmet; from that day it is no longer shown. `lapsed_on` is the day on which its stream was
    closed before the duty was met. A lapsed duty stays shown, neither open nor overdue, even if a later fact meets it.
    """

    duty: str
    opened_on: date
    due: date
    met_on: date | None = None
    item: str = ""
    closed_on: date | None = None
    lapsed_on: date | None = None

    def lapsing(self, stream_closed_on: date | None) -> Duty:
        """Apply the closing of the stream: a duty unmet on that day lapses, and a duty opened later is never shown."""
        day = stream_closed_on
        if day is None or _happened_by(self.met_on, day) or _happened_by(self.closed_on, day):
            return self
        if self.opened_on > day:
            return replace(self, closed_on=day)
        return replace(self, lapsed_on=day)

    def is_open(self, as_of: date) -> bool:
        """Tell whether the duty was open at the end of a day: opened, not met, not lapsed, not fallen away."""
        return self.is_shown(as_of) and not _happened_by(self.met_on, as_of) and not _happened_by(self.lapsed_on, as_of)

    def overdue(self, as_of: date) -> bool:
        """Tell whether the duty was unmet after its due date."""
        return self.due < as_of and not _happened_by(self.met_on, as_of) and not _happened_by(self.lapsed_on, as_of)

    @property
    def late(self) -> bool:
        """Whether the duty was met after its due date."""
        return self.met_on is not None and self.met_on > self.due

    def at(self, as_of: date) -> Duty:
        """Return the duty as it stood at the end of a day, without a later meeting or lapse."""
        met_on, lapsed_on = (day if _happened_by(day, as_of) else None for day in (self.met_on, self.lapsed_on))
        return replace(self, met_on=met_on, lapsed_on=lapsed_on)

    def as_json(self, as_of: date) -> dict[str, Any]:
        """Convert the duty, as it stood at the end of a day, to JSON with the field names of the catalogue."""
        duty = self.at(as_of)
        return {
            "duty": duty.duty,
            "item": duty.item or None,
            "opened_on": duty.opened_on.isoformat(),
            "due": duty.due.isoformat(),
            "met_on": None if duty.met_on is None else duty.met_on.isoformat(),
            "lapsed_on": None if duty.lapsed_on is None else duty.lapsed_on.isoformat(),
            "overdue": duty.overdue(as_of),
            "late": duty.late,
        }

    def is_shown(self, as_of: date) -> bool:
        """Tell whether the duty is shown on a day: opened by then, and not fallen away."""
        return self.opened_on <= as_of and not _happened_by(self.closed_on, as_of)


def due_after(day: date, policy_on: PolicyOn, term: str) -> date:
    """Return the day by which a duty is due: the working days of a policy value after a day, by its own policy."""
    return add_working_days(day, policy_on(day).number(term))


def duty_after(
    name: str,
    opened_on: date,
    policy_on: PolicyOn,
    term: str,
    met_on: date | None,
    item: str = "",
    closed_on: date | None = None,
) -> Duty:
    """Return a duty that is due some working days after it opens (`due_after`)."""
    return Duty(name, opened_on, due_after(opened_on, policy_on, term), met_on, item, closed_on)


def numbered(number: int) -> str:
    """Return the item of a duty that a record may open several times: empty for the first."""
    return "" if number == 1 else str(number)


def _happened_by(day: date | None, as_of: date) -> bool:
    return day is not None and day <= as_of
