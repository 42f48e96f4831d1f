"""The one table of messages.

A line says for which occasion which people get which text, and between which times. The channel is the one that the person
prefers, of those for which an address is known. No text names the reason of an appointment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, get_args

from services.notifications.policy import POLICY
from services.notifications.times import at_hour, days_before, next_open
from services.referral.events import WrittenByHand
from services.trade.vocabulary import MessageTemplate
from shared.domain.dates import local_day


class Audience(StrEnum):
    """The recipients of an occasion."""

    CHILD = "CHILD"
    """The child whose appointment or condition it is."""
    PARENT = "PARENT"
    """That child's parents and carers, if the case leaves no doubt whose they are."""
    PERSON = "PERSON"
    """The recipient of a message written by hand."""
    SCHOOL = "SCHOOL"
    """The school's account that sent a referral in."""
    OFFICER = "OFFICER"
    """The account of the officer to whom a referral is allocated."""
    FACILITATOR = "FACILITATOR"
    """The account of the officer who leads a conference."""
    VICTIM = "VICTIM"
    """Somebody who was harmed, if their contact is marked as safe and they want updates."""


ACCOUNTS: Final = frozenset({Audience.SCHOOL, Audience.OFFICER, Audience.FACILITATOR})
"""The audiences that are accounts, and no people of the case."""


class AccountTemplate(StrEnum):
    """Messages to accounts, which are not recorded: they contain only the number of a case or a referral."""

    SCHOOL_RECEIVED = "SCHOOL_RECEIVED"
    SCHOOL_NEWS = "SCHOOL_NEWS"
    OFFICER_DIGEST = "OFFICER_DIGEST"


class Occasion(StrEnum):
    """An event, past or to come, with messages."""

    PLACE_BOOKED = "PLACE_BOOKED"
    PLACE_MOVED = "PLACE_MOVED"
    PLACE_CANCELLED = "PLACE_CANCELLED"
    PLACE_MISSED = "PLACE_MISSED"
    MEETING_PLANNED = "MEETING_PLANNED"
    MEETING_CANCELLED = "MEETING_CANCELLED"
    CONDITION_DUE = "CONDITION_DUE"
    DECISION_MADE = "DECISION_MADE"
    REFERRAL_RECEIVED = "REFERRAL_RECEIVED"
    REFERRAL_MOVED = "REFERRAL_MOVED"
    WRITTEN_BY_HAND = "WRITTEN_BY_HAND"


Time = Callable[[datetime, datetime], datetime]
"""A function from the recording time of the occasion, and the time of the appointment or due day, to a time."""


def _at_once(occurred: datetime, _moment: datetime) -> datetime:
    return next_open(occurred)


def _days_before(value: str) -> Time:
    def time(occurred: datetime, moment: datetime) -> datetime:
        return days_before(moment, POLICY.on(local_day(occurred)).number(value))

    return time


def _morning_before(value: str) -> Time:
    def time(occurred: datetime, moment: datetime) -> datetime:
        day = local_day(moment) - timedelta(days=POLICY.on(local_day(occurred)).number(value))
        return next_open(at_hour(day, 0))

    return time


def _at_the_moment(_occurred: datetime, moment: datetime) -> datetime:
    return moment


def _when_stale(occurred: datetime, _moment: datetime) -> datetime:
    return occurred + timedelta(days=POLICY.on(local_day(occurred)).number("stale_days"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    occasion: Occasion
    template: MessageTemplate | AccountTemplate
    audiences: frozenset[Audience]
    not_before: Time
    not_after: Time
    follows: tuple[MessageTemplate, ...] = ()
    """Templates of which the person must have got one about the same appointment: its end is no news without it."""
    planned_ahead: bool = False
    """Whether it is left out if its time had passed when the occasion was recorded."""

    def __post_init__(self) -> None:
        """Raise TypeError if it tells people of a case what is written for accounts, or the other way round."""
        if not self.audiences or {audience in ACCOUNTS for audience in self.audiences} != {self.to_accounts}:
            raise TypeError(
                f"{self.template} goes to {', '.join(sorted(self.audiences)) or 'nobody'}: an AccountTemplate goes to"
                f" {', '.join(sorted(ACCOUNTS))}, a MessageTemplate to people of the case"
            )

    @property
    def to_accounts(self) -> bool:
        return isinstance(self.template, AccountTemplate)


_FAMILY: Final = frozenset({Audience.CHILD, Audience.PARENT})
_VICTIM: Final = frozenset({Audience.VICTIM})
_SCHOOL: Final = frozenset({Audience.SCHOOL})
_PLACE: Final = (MessageTemplate.PLACE_BOOKED, MessageTemplate.PLACE_MOVED, MessageTemplate.PLACE_REMINDER)
_MEETING: Final = (
    MessageTemplate.CONFERENCE_PLANNED,
    MessageTemplate.VICTIM_CONFERENCE,
    MessageTemplate.CONFERENCE_REMINDER,
)
_REMINDER: Final = _days_before("reminder_days")
_BEFORE_DUE: Final = _morning_before("condition_due_days")

TABLE: Final = (
    Line(Occasion.PLACE_BOOKED, MessageTemplate.PLACE_BOOKED, _FAMILY, _at_once, _at_the_moment),
    Line(Occasion.PLACE_BOOKED, MessageTemplate.PLACE_REMINDER, _FAMILY, _REMINDER, _at_the_moment, planned_ahead=True),
    Line(Occasion.PLACE_MOVED, MessageTemplate.PLACE_MOVED, _FAMILY, _at_once, _at_the_moment, follows=_PLACE),
    Line(Occasion.PLACE_CANCELLED, MessageTemplate.PLACE_CANCELLED, _FAMILY, _at_once, _at_the_moment, follows=_PLACE),
    Line(Occasion.PLACE_MISSED, MessageTemplate.PLACE_MISSED, _FAMILY, _at_once, _when_stale),
    Line(Occasion.MEETING_PLANNED, MessageTemplate.CONFERENCE_PLANNED, _FAMILY, _at_once, _at_the_moment),
    Line(Occasion.MEETING_PLANNED, MessageTemplate.VICTIM_CONFERENCE, _VICTIM, _at_once, _at_the_moment),
    Line(
        Occasion.MEETING_PLANNED,
        MessageTemplate.CONFERENCE_REMINDER,
        _FAMILY | _VICTIM,
        _REMINDER,
        _at_the_moment,
        planned_ahead=True,
    ),
    Line(
        Occasion.MEETING_CANCELLED,
        MessageTemplate.CONFERENCE_CANCELLED,
        _FAMILY | _VICTIM,
        _at_once,
        _at_the_moment,
        follows=_MEETING,
    ),
    Line(Occasion.CONDITION_DUE, MessageTemplate.CONDITION_DUE, _FAMILY, _BEFORE_DUE, _at_the_moment),
    Line(Occasion.DECISION_MADE, MessageTemplate.VICTIM_DECISION, _VICTIM, _at_once, _when_stale),
    Line(Occasion.REFERRAL_RECEIVED, AccountTemplate.SCHOOL_RECEIVED, _SCHOOL, _at_once, _when_stale),
    Line(Occasion.REFERRAL_MOVED, AccountTemplate.SCHOOL_NEWS, _SCHOOL, _at_once, _when_stale),
    *(
        Line(Occasion.WRITTEN_BY_HAND, template, frozenset({Audience.PERSON}), _at_once, _when_stale)
        for template in get_args(WrittenByHand)
    ),
)

LINKED: Final = frozenset(template for template in (*_PLACE, *_MEETING))
"""The templates of an appointment to come: they have a link to its page."""

LINES: Final[Mapping[Occasion, tuple[Line, ...]]] = {
    occasion: tuple(line for line in TABLE if line.occasion is occasion) for occasion in Occasion
}
