"""From the events of a case to the messages that follow from them: pure, and the same each time.

The outbox is brought to what stands here after each event, so a correction or a cancellation changes or withdraws what has
not been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Final
from uuid import UUID

from services.disposal.events import (
    AppropriateAdultConfirmed,
    ConditionCompleted,
    ConditionExcused,
    ConditionFailed,
    ConditionsVaried,
    ConditionTerms,
    DisposalCaseOpened,
    DisposalCeased,
    DisposalClosedWithoutProceedings,
    DisposalCompleted,
    DisposalDecided,
    DisposalIssued,
    DisposalNotCompleted,
)
from services.disposal.events import RecordCorrected as DisposalCorrected
from services.disposal.events import VictimTold as VictimToldOfDisposal
from services.education.events import (
    AbsenceReasonDecided,
    AttendanceRecorded,
    PlaceBooked,
    PlaceCancelled,
    SessionCancelled,
    SessionPlanned,
)
from services.education.events import RecordCorrected as SessionCorrected
from services.notifications.people import People
from services.notifications.table import LINES, Audience, Line, Occasion
from services.notifications.times import next_open
from services.referral.events import (
    MessageRequested,
    PersonLinked,
    PreferencesRecorded,
    ReferralClosed,
    ReferralCorrected,
    ReferralReceived,
    ReferralTriaged,
    VictimDetailsRecorded,
)
from services.rj_conference.events import (
    ConferenceClosed,
    ConferenceDidNotProceed,
    ConferenceHeld,
    ConferenceProposed,
    ConferenceScheduled,
    ConsentGiven,
    ConsentWithdrawn,
    ParticipantAdded,
    ParticipantRole,
)
from services.rj_conference.events import RecordCorrected as ConferenceCorrected
from services.trade.vocabulary import AttendanceStatus, ConditionType, ConferenceMode, Role
from shared.domain.dates import end_of_day
from shared.domain.decider import versions_of
from shared.domain.envelope import Fact, has_event
from shared.domain.ids import derived_uuid
from shared.domain.messages import Correction, Event

FOLLOWED: Final[Mapping[str, tuple[type[Event], ...]]] = {
    "referral": (
        *(MessageRequested, PersonLinked, PreferencesRecorded, ReferralClosed, ReferralReceived, ReferralTriaged),
        *(VictimDetailsRecorded, ReferralCorrected),
    ),
    "education": (
        *(SessionPlanned, PlaceBooked, PlaceCancelled, AttendanceRecorded, AbsenceReasonDecided, SessionCancelled),
        SessionCorrected,
    ),
    "disposal": (
        *(AppropriateAdultConfirmed, ConditionCompleted, ConditionExcused, ConditionFailed, ConditionsVaried),
        *(DisposalCaseOpened, DisposalCeased, DisposalClosedWithoutProceedings, DisposalCompleted, DisposalDecided),
        *(DisposalIssued, DisposalNotCompleted, VictimToldOfDisposal, DisposalCorrected),
    ),
    "rj_conference": (
        *(ConferenceClosed, ConferenceDidNotProceed, ConferenceHeld, ConferenceProposed, ConferenceScheduled),
        *(ConsentGiven, ConsentWithdrawn, ParticipantAdded, ConferenceCorrected),
    ),
}
"""The events of each service from which messages follow."""

_LASTS: Final = frozenset({ConditionType.RESTRICTIVE, ConditionType.CURFEW})
"""Conditions that hold until their day, and are not to be done by it."""
_MISSED: Final = frozenset({AttendanceStatus.DNA_PENDING, AttendanceStatus.DNA_UNACCEPTABLE})

Clock = Callable[[Fact], datetime]
"""The time from which a fact is news."""


def when_recorded(fact: Fact) -> datetime:
    """Return when a fact was recorded: an appointment that is entered after its day is no news to anybody."""
    return fact.recorded_at or fact.occurred_at


@dataclass(frozen=True, slots=True)
class Message:
    """One message that is to be sent: to whom, about what, and between which times."""

    event_id: UUID
    """The event of which it tells."""
    template: str
    recipient: UUID
    concerns: UUID
    """The child or person whose matter it is: while their data are restricted, nobody is told."""
    case_id: UUID
    referral_id: UUID
    record: str
    """The stream of the appointment, such as `education/46a4…`."""
    item: UUID | None
    not_before: datetime
    not_after: datetime
    follows: tuple[str, ...]
    moment: datetime
    """When the appointment begins, or until when a condition is to be done."""
    hours: Decimal | None
    sequence: int
    """The version of the event in its record: it grows with each change of the appointment."""
    harmed: bool = False
    """Whether it goes to somebody as a person who was harmed: they ring those who work for victims."""
    to_account: bool = False
    """Whether the recipient is an account, and no person of the case."""
    family: tuple[UUID, ...] = ()
    """Who else of the recipient's family is told the same: who hears of it from them is not rung."""

    @property
    def key(self) -> UUID:
        """The message's id: the same for the same event, text and recipient."""
        return self._key_for(self.recipient)

    @property
    def beside(self) -> Sequence[UUID]:
        """The keys of the same message to the rest of the family."""
        return [self._key_for(person) for person in self.family]

    def _key_for(self, person: UUID) -> UUID:
        return derived_uuid("message", self.event_id, self.template, person, self.item or "")


@dataclass(frozen=True, slots=True)
class _News:
    """An occasion, with the person whose matter it is and those who were harmed by it."""

    occasion: Occasion
    because: Fact
    concerns: UUID
    moment: datetime
    hours: Decimal | None = None
    victims: tuple[UUID, ...] = ()
    item: UUID | None = None
    template: str | None = None
    """The one text, if somebody chose it."""
    accounts: tuple[UUID, ...] = ()


def plan(case_id: UUID, facts: Sequence[Fact], clock: Clock = when_recorded) -> Mapping[UUID, Message]:
    """Return the messages of a case by their keys. `facts` are those of `FOLLOWED`, each stream in order of version.

    Whoever begins a record says of which case it is: a record tells and names only people of the case in its own area.
    """
    of_areas: dict[str | None, list[Fact]] = {}
    for fact in facts:
        of_areas.setdefault(fact.envelope.labels.get("area"), []).append(fact)
    planned = (_plan_of_area(case_id, of_area, clock) for of_area in of_areas.values())
    return {message.key: message for messages in planned for message in messages}


def _plan_of_area(case_id: UUID, facts: Sequence[Fact], clock: Clock) -> Iterator[Message]:
    corrected = _as_corrected(facts)
    people = People.of(corrected)
    streams: dict[str, list[Fact]] = {}
    for fact in corrected:
        streams.setdefault(fact.envelope.stream, []).append(fact)
    corrections = [fact for fact in facts if isinstance(fact.event, Correction)]
    for record, history in streams.items():
        read = _READERS.get(record.partition("/")[0])
        for news in read(case_id, history, corrections) if read is not None else ():
            for line in LINES[news.occasion]:
                if news.template in {None, line.template}:
                    yield from _of_line(line, news, record, case_id, people, clock)


Plan = Callable[[UUID, Sequence[Fact]], Mapping[UUID, Message]]
"""A function from the events of a case to its messages."""


def plan_as_it_happened(case_id: UUID, facts: Sequence[Fact]) -> Mapping[UUID, Message]:
    """Return the messages that were due before the next event, after each one: for a story whose days are over."""
    ordered = sorted(facts, key=lambda fact: fact.occurred_at)
    messages: dict[UUID, Message] = {}
    for count, following in enumerate([*ordered[1:], None], start=1):
        known = {fact.event_id for fact in ordered[:count]}
        planned = plan(case_id, [fact for fact in facts if fact.event_id in known], lambda fact: fact.occurred_at)
        for key, message in planned.items():
            if following is None or message.not_before < following.occurred_at:
                messages.setdefault(key, message)
    return messages


def told_as_it_happened(person: UUID, facts: Iterable[Fact]) -> Sequence[Message]:
    """Return what somebody was told in the days of a story, in order of time, by the events of all its records."""
    of_cases: dict[UUID, list[Fact]] = {}
    streams: dict[str, list[Fact]] = {}
    for fact in facts:
        streams.setdefault(fact.envelope.stream, []).append(fact)
    for history in streams.values():
        for case_id in {case for fact in history for case in cases_in(fact)}:
            of_cases.setdefault(case_id, []).extend(history)
    planned = (plan_as_it_happened(case_id, of_case).values() for case_id, of_case in of_cases.items())
    messages: list[Message] = []
    for message in sorted(
        chain.from_iterable(planned), key=lambda message: (message.not_before, message.template, message.key)
    ):
        follows = (earlier.template in message.follows and earlier.record == message.record for earlier in messages)
        if message.recipient == person and (not message.follows or any(follows)):
            messages.append(message)
    return messages


def cases_in(fact: Fact) -> set[UUID]:
    """Return the cases that an event is about: its home, or if a session belongs to none, that of each place."""
    if fact.envelope.stream.partition("/")[0] != "education":
        return {fact.envelope.home}
    match fact.event:
        case PlaceBooked(case_id=UUID() as case):
            return {case}
        case SessionCorrected(place=place) if place is not None and place.after.case_id is not None:
            return {place.after.case_id}
        case _:
            return set()


def _as_corrected(facts: Iterable[Fact]) -> list[Fact]:
    return [of_fact[-1] for of_fact in versions_of(facts).values() if not isinstance(of_fact[0].event, Correction)]


def _of_line(line: Line, news: _News, record: str, case_id: UUID, people: People, clock: Clock) -> Iterator[Message]:
    occurred = clock(news.because)
    not_after = line.not_after(occurred, news.moment)
    if not_after <= occurred:
        return  # before any time is computed from an appointment of a century ago, for which there is no policy
    not_before = line.not_before(occurred, news.moment)
    if line.planned_ahead and not_before <= next_open(occurred):
        return
    not_before = max(not_before, next_open(occurred))
    if not_after <= not_before:
        return
    to_account = Audience.SCHOOL in line.audiences
    recipients = [person for person in _recipients(line, news, people) if to_account or people.may_be_told(person)]
    family = [person for person in recipients if person not in news.victims]
    for recipient in recipients:
        yield Message(
            event_id=news.because.event_id,
            template=line.template,
            recipient=recipient,
            concerns=news.concerns,
            case_id=case_id,
            referral_id=news.because.stream_id if to_account else people.referrals[recipient],
            record=record,
            item=news.item,
            not_before=not_before,
            not_after=not_after,
            follows=line.follows,
            moment=news.moment,
            hours=news.hours,
            sequence=news.because.version,
            to_account=to_account,
            harmed=recipient in news.victims or (Audience.PERSON in line.audiences and people.is_harmed(recipient)),
            family=tuple(person for person in family if person != recipient) if recipient in family else (),
        )


def _recipients(line: Line, news: _News, people: People) -> Iterator[UUID]:
    """Yield each person of the line's audiences once."""
    of: Mapping[Audience, Sequence[UUID]] = {
        Audience.CHILD: (news.concerns,),
        Audience.PARENT: people.parents_of(news.concerns) if Audience.PARENT in line.audiences else (),
        Audience.PERSON: (news.concerns,),
        Audience.SCHOOL: news.accounts,
        Audience.VICTIM: news.victims,
    }
    yield from dict.fromkeys(person for audience in Audience if audience in line.audiences for person in of[audience])


# --- referrals -----------------------------------------------------------------------------------


def _of_referral(_case_id: UUID, history: Sequence[Fact], _corrections: Sequence[Fact]) -> Iterator[_News]:
    received = next((fact for fact in history if has_event(fact, ReferralReceived)), None)
    schools = (received.actor.id,) if received is not None and received.actor.role == Role.SCHOOL else ()
    linked = (fact.event for fact in history if has_event(fact, PersonLinked))
    concerns = (*(event.person_id for event in linked if event.did_harm), *schools)
    for fact in history:
        if has_event(fact, MessageRequested):
            person, template = fact.event.person_id, fact.event.template
            yield _News(Occasion.WRITTEN_BY_HAND, fact, person, fact.occurred_at, template=template)
        elif schools and fact is received:
            yield _News(Occasion.REFERRAL_RECEIVED, fact, concerns[0], fact.occurred_at, accounts=schools)
        elif schools and isinstance(fact.event, ReferralTriaged | ReferralClosed):
            yield _News(Occasion.REFERRAL_MOVED, fact, concerns[0], fact.occurred_at, accounts=schools)


# --- education -----------------------------------------------------------------------------------


def _of_session(case_id: UUID, history: Sequence[Fact], corrections: Sequence[Fact]) -> Iterator[_News]:
    planned = next((fact for fact in history if has_event(fact, SessionPlanned)), None)
    if planned is None:
        return
    moved = [correction for correction in corrections if _moves(correction, planned)]
    called_off = next((fact for fact in history if has_event(fact, SessionCancelled)), None)
    for person, of_person in _by_person(history).items():
        if any(has_event(fact, PlaceBooked) and fact.event.case_id == case_id for fact in of_person):
            for occasion, because in _of_place(of_person, called_off, moved):
                yield _News(occasion, because, person, planned.event.starts_at, planned.event.hours)


def _by_person(history: Iterable[Fact]) -> Mapping[UUID, Sequence[Fact]]:
    """Sort what a session says of places by whose they are: a case may have hundreds in it."""
    places: dict[UUID, list[Fact]] = {}
    for fact in history:
        if isinstance(fact.event, PlaceBooked | PlaceCancelled | AttendanceRecorded | AbsenceReasonDecided):
            places.setdefault(fact.event.person_id, []).append(fact)
    return places


def _of_place(
    of_person: Sequence[Fact], called_off: Fact | None, moved: Sequence[Fact]
) -> Iterator[tuple[Occasion, Fact]]:
    last = [fact for fact in of_person if not has_event(fact, AbsenceReasonDecided)][-1]
    if called_off is not None and has_event(last, PlaceBooked):
        last = called_off  # of a session that is off, only places that were open
    match last.event:
        case PlaceBooked():
            yield Occasion.PLACE_BOOKED, last
            for correction in moved[-1:]:
                if correction.version > last.version:
                    yield Occasion.PLACE_MOVED, correction
        case SessionCancelled() | PlaceCancelled(why="WITHDRAWN" | "OTHER"):
            yield Occasion.PLACE_CANCELLED, last
        case AttendanceRecorded(status=status) if status in _MISSED and not _is_excused(of_person):
            yield Occasion.PLACE_MISSED, last


def _moves(correction: Fact, planned: Fact) -> bool:
    event = correction.event
    return isinstance(event, Correction) and event.corrects == planned.event_id and event.field == "starts_at"


def _is_excused(of_person: Iterable[Fact]) -> bool:
    return any(fact.event.acceptable for fact in of_person if has_event(fact, AbsenceReasonDecided))


# --- conferences ---------------------------------------------------------------------------------


def _of_conference(_case_id: UUID, history: Sequence[Fact], _corrections: Sequence[Fact]) -> Iterator[_News]:
    proposed = next((fact.event for fact in history if has_event(fact, ConferenceProposed)), None)
    if proposed is None:
        return
    coming = _consenting(history)
    scheduled: Fact[ConferenceScheduled] | None = None
    cancelled: _News | None = None  # the latest alone: a conference may be called off any number of times
    for fact in history:
        if has_event(fact, ConferenceScheduled):
            # Of letters nobody has an appointment.
            scheduled = None if fact.event.mode is ConferenceMode.LETTER_EXCHANGE else fact
        elif scheduled is not None and isinstance(fact.event, ConferenceDidNotProceed | ConferenceClosed):
            cancelled = _meeting(Occasion.MEETING_CANCELLED, fact, scheduled, proposed.harmer, coming)
            scheduled = None
        elif isinstance(fact.event, ConferenceHeld):
            scheduled = None
    if cancelled is not None:
        yield cancelled
    if scheduled is not None:
        yield _meeting(Occasion.MEETING_PLANNED, scheduled, scheduled, proposed.harmer, coming)


def _consenting(history: Sequence[Fact]) -> tuple[UUID, ...]:
    """Return those who were harmed and consent to take part: whoever withdrew is not asked again."""
    invited = [fact.event for fact in history if has_event(fact, ParticipantAdded)]
    harmed = dict.fromkeys((event.person_id for event in invited if event.role is ParticipantRole.HARMED), False)
    for fact in history:
        if isinstance(fact.event, ConsentGiven | ConsentWithdrawn) and fact.event.person_id in harmed:
            harmed[fact.event.person_id] = isinstance(fact.event, ConsentGiven)
    return tuple(person for person, consents in harmed.items() if consents)


def _meeting(
    occasion: Occasion, because: Fact, scheduled: Fact[ConferenceScheduled], harmer: UUID, victims: tuple[UUID, ...]
) -> _News:
    return _News(occasion, because, harmer, scheduled.event.starts_at, scheduled.event.hours, victims)


# --- disposals -----------------------------------------------------------------------------------


def _of_disposal(_case_id: UUID, history: Sequence[Fact], _corrections: Sequence[Fact]) -> Iterator[_News]:
    yield from _conditions(history)
    opened = next((fact.event for fact in history if has_event(fact, DisposalCaseOpened)), None)
    decided = [fact for fact in history if has_event(fact, DisposalDecided)]
    if opened is not None and decided:
        informed = {fact.event.person_id for fact in history if has_event(fact, VictimToldOfDisposal)}
        victims = tuple(person for person in opened.victims or () if person not in informed)
        fact = decided[-1]
        yield _News(Occasion.DECISION_MADE, fact, opened.person_id, fact.occurred_at, None, victims)


def _conditions(history: Sequence[Fact]) -> Iterator[_News]:
    """Yield the conditions that are to be done, each with the event that last set its day."""
    due: dict[UUID, tuple[Fact, ConditionTerms, UUID]] = {}
    for fact in history:
        match fact.event:
            case DisposalIssued() | ConditionsVaried():
                event = fact.event
                before = due
                due = {
                    condition.condition_id: before[condition.condition_id]
                    if condition.condition_id in before and before[condition.condition_id][1].due == condition.due
                    else (fact, condition, event.person_id)
                    for condition in event.conditions
                }
            case (
                ConditionCompleted(condition_id=done)
                | ConditionExcused(condition_id=done)
                | ConditionFailed(condition_id=done)
            ):
                due.pop(done, None)
            case DisposalCeased() | DisposalClosedWithoutProceedings() | DisposalCompleted() | DisposalNotCompleted():
                return
    for fact, terms, person in due.values():
        if terms.type not in _LASTS:
            yield _News(Occasion.CONDITION_DUE, fact, person, end_of_day(terms.due), item=terms.condition_id)


_READERS: Final[Mapping[str, Callable[[UUID, Sequence[Fact], Sequence[Fact]], Iterator[_News]]]] = {
    "referral": _of_referral,
    "education": _of_session,
    "rj_conference": _of_conference,
    "disposal": _of_disposal,
}
