"""Duties: what is due when, computed from facts and policy when asked. Nothing is ever written because a day passed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to be done: opened by a fact, due on a Europe/London day, met by another fact or still open.

    `item` tells duties of one name apart within a stream (a condition, a session, a person). `closed_on` is set where
    the duty fell away unmet (a cancelled session, a disposal that ended): from that day on it is no longer shown.
    """

    duty: str
    opened_on: date
    due: date
    met_on: date | None = None
    item: str = ""
    closed_on: date | None = None

    def overdue(self, as_of: date) -> bool:
        """Whether it stood unmet after its due date."""
        return self.due < as_of and (self.met_on is None or self.met_on > as_of)

    @property
    def late(self) -> bool:
        """Whether it was met, but after its due date."""
        return self.met_on is not None and self.met_on > self.due

    def standing(self, as_of: date) -> Duty:
        """The duty as it stood at the end of a day: one that was met later was not met yet."""
        return replace(self, met_on=None) if self.met_on is not None and self.met_on > as_of else self

    def as_json(self, as_of: date) -> dict[str, Any]:
        """The duty as it stood at the end of a day, in the catalogue's words."""
        duty = self.standing(as_of)
        return {
            "duty": duty.duty,
            "item": duty.item or None,
            "opened_on": duty.opened_on.isoformat(),
            "due": duty.due.isoformat(),
            "met_on": None if duty.met_on is None else duty.met_on.isoformat(),
            "overdue": duty.overdue(as_of),
            "late": duty.late,
        }

    def shown(self, as_of: date) -> bool:
        """Whether the daily sheet of a day knows of it."""
        return self.opened_on <= as_of and (self.closed_on is None or self.closed_on > as_of)
