"""The summary of a stream: what measures count and lists sort by, as values of a service's folded state, without keys.

A service's `summary.py` extends it with days, codes, ages and ids of its own. A summary holds no counter: counting is done
when a question is asked. A service without one is summarised plainly: stream, home and area are enough for the case list.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.messages import ValueObject


class LapsedDuty(ValueObject):
    """A duty that was not met when its stream was closed, and the day of that."""

    duty: str
    on: date


class Led(ValueObject):
    """Who leads a record since a day: another area, or None: the one that opened it."""

    by: str | None
    since: date


@dataclass(frozen=True, slots=True)
class CaseView:
    """The part of a stream's view that one case shows."""

    view: Mapping[str, Any]
    hidden_items: frozenset[str] = frozenset()
    """The items of duties that concern other cases."""
    people: frozenset[UUID] | None = None
    """Who is named for this case; None: all whom the stream mentions."""


class Summary(ValueObject):
    """One stream, as measures and lists see it. `officer` is who has the work; `cases` are those that it belongs to."""

    is_shared: ClassVar[bool] = False
    """Whether several cases share a stream, so that each sees only its own part."""

    stream: UUID
    home: UUID
    area: str | None = None
    officer: UUID | None = None
    cases: tuple[UUID, ...] = ()
    lapsed: tuple[LapsedDuty, ...] = ()
    """The duties of the service that lapsed; reporting adds them."""
    led_by: str | None = None
    """Another area that leads the record, as after a transfer; reporting adds it. None: the one that opened it."""
    led: tuple[Led, ...] = ()
    """Each change of that, in order; reporting adds it."""
    merged: Mapping[UUID, UUID] = {}
    """The ids that are given up of persons whom the record names, each with the one that is kept; reporting adds them."""

    def kept(self, person: UUID) -> UUID:
        """Return the one id under which a person counts."""
        return self.merged.get(person, person)

    def leader_on(self, day: date) -> str | None:
        """Return the other area that led the record at the end of a day; None: the one that opened it."""
        return next((led.by for led in reversed(self.led) if led.since <= day), None)

    @property
    def counted_in(self) -> str | None:
        """The area in which measures count it: the one that leads it."""
        return self.led_by or self.area

    @property
    def subject(self) -> UUID | None:
        """The person by whom a measure finds what else is recorded of them."""
        return None

    @property
    def follows(self) -> UUID | None:
        return None

    @property
    def is_counted(self) -> bool:
        """Whether measures count it: not if it was taken back."""
        return True

    @property
    def is_work(self) -> bool:
        """Whether the stream is a piece of work of its home, the case; a shared session is home to itself."""
        return self.home in self.cases

    def view_for_case(self, view: Mapping[str, Any], _case_id: UUID) -> CaseView:
        """Return the part of the view that concerns a case: all of it, unless the stream is shared."""
        return CaseView(view)

    @classmethod
    def events_for_case(cls, history: Sequence[tuple[Fact, Fact]], _case_id: UUID) -> Collection[UUID]:
        """Return the ids of the events that concern a case, of pairs: a fact as recorded, and with its corrections."""
        return [recorded.event_id for recorded, _ in history]


def common_fields(first: Fact) -> dict[str, Any]:
    """Return the fields that follow from a stream's first fact."""
    return {"stream": first.stream_id, "home": first.envelope.home, "area": first.envelope.labels.get("area")}


def plain_summary(_state: object, first: Fact) -> Summary:
    """Summarise a stream of a service without a summary: it belongs to its home, unless that is the stream itself."""
    home = first.envelope.home
    return Summary(**common_fields(first), cases=() if home == first.stream_id else (home,))
