"""Duties: what is due when, computed from facts and policy when asked. Nothing is ever written because a day passed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to be done: opened by a fact, due on a Europe/London day, met by another fact or still open.

    `item` tells duties of one name apart within a stream (a condition, a session, a person). `closed_on` is set where
    the duty fell away unmet (a session cancelled, a condition omitted): from that day on it is no longer shown.
    `lapsed_on` is the day on which its stream was closed before it was met: it stays shown, neither
    open nor overdue, also where something done afterwards meets it.
    """

    duty: str
    opened_on: date
    due: date
    met_on: date | None = None
    item: str = ""
    closed_on: date | None = None
    lapsed_on: date | None = None

    def lapsing(self, stream_closed_on: date | None) -> Duty:
        """The duty as the closing of its stream leaves it: unmet by that day, it lapses; what opens later never does."""
        day = stream_closed_on
        if day is None or _by(self.met_on, day) or _by(self.closed_on, day):
            return self
        if self.opened_on > day:
            return replace(self, closed_on=day)
        return replace(self, lapsed_on=day)

    def is_open(self, as_of: date) -> bool:
        """Whether it had been opened by the end of a day, and was neither met nor lapsed nor fallen away."""
        return self.shown(as_of) and not _by(self.met_on, as_of) and not _by(self.lapsed_on, as_of)

    def overdue(self, as_of: date) -> bool:
        """Whether it stood unmet after its due date."""
        return self.due < as_of and not _by(self.met_on, as_of) and not _by(self.lapsed_on, as_of)

    @property
    def late(self) -> bool:
        """Whether it was met, but after its due date."""
        return self.met_on is not None and self.met_on > self.due

    def standing(self, as_of: date) -> Duty:
        """The duty as it stood at the end of a day: what was met later, or lapsed later, had not been yet."""
        met_on, lapsed_on = (day if _by(day, as_of) else None for day in (self.met_on, self.lapsed_on))
        return replace(self, met_on=met_on, lapsed_on=lapsed_on)

    def as_json(self, as_of: date) -> dict[str, Any]:
        """The duty as it stood at the end of a day, in the catalogue's words."""
        duty = self.standing(as_of)
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

    def shown(self, as_of: date) -> bool:
        """Whether it is shown on a day: opened by then, and not fallen away."""
        return self.opened_on <= as_of and not _by(self.closed_on, as_of)


def _by(day: date | None, as_of: date) -> bool:
    """Whether something that may never happen had happened by the end of a day."""
    return day is not None and day <= as_of
