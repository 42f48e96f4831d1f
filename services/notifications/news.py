"""The news of a record, by the state that its own service folds: no event is matched here.

An event that is the reason of a message is found by the version that the state names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.disposal.read_model import READ_MODEL as DISPOSALS
from services.disposal.read_model import DisposalState
from services.education.read_model import READ_MODEL as SESSIONS
from services.education.read_model import Session
from services.notifications.table import Audience, Occasion
from services.people.read_model import READ_MODEL as PERSONS
from services.referral.read_model import READ_MODEL as REFERRALS
from services.referral.read_model import Referral
from services.rj_conference.read_model import READ_MODEL as CONFERENCES
from services.rj_conference.read_model import Conference
from services.trade.vocabulary import MessageTemplate, Role
from shared.domain.dates import end_of_day
from shared.domain.envelope import Fact
from shared.domain.service import ReadModel

READ_MODELS: Final[Mapping[str, ReadModel[Any]]] = {
    model.events.service: model for model in (REFERRALS, SESSIONS, DISPOSALS, CONFERENCES, PERSONS)
}
"""The read models of the services from whose records messages follow."""

SESSION: Final = SESSIONS.events.service
REFERRAL: Final = REFERRALS.events.service
DISPOSAL: Final = DISPOSALS.events.service
PERSON: Final = PERSONS.events.service


@dataclass(frozen=True, slots=True)
class News:
    """An occasion, with the person concerned, the people harmed, and the officers."""

    occasion: Occasion
    because: Fact
    concerns: UUID
    moment: datetime
    hours: Decimal | None = None
    victims: tuple[UUID, ...] = ()
    item: UUID | None = None
    template: MessageTemplate | None = None
    """The one text, if an officer chose it."""
    accounts: Mapping[Audience, UUID] = field(default_factory=dict)
    """The accounts of the officers, by audience."""
    case_id: UUID | None = None
    """The case, if it is not the home of the record."""


@dataclass(frozen=True)
class Record:
    """A record with the state that its service folds from it, and its news by case."""

    history: Sequence[Fact] = field(repr=False)
    """All of its events, whether the state counts them or not."""
    state: Any
    news: Mapping[UUID, Sequence[News]]

    @classmethod
    def of(cls, history: Sequence[Fact], known_at: datetime | None = None) -> Record | None:
        """Fold a whole history as it was known at a time; None if nothing had begun. Raises `BrokenHistory`."""
        begun = history[0].recorded_at
        if known_at is not None and (begun is None or begun > known_at):
            return None
        service = history[0].envelope.stream.partition("/")[0]
        state = READ_MODELS[service].decider.state_at(history, known_at=known_at)
        news: dict[UUID, list[News]] = {}
        for line in _READERS[service](state, history):
            news.setdefault(line.case_id or history[0].envelope.home, []).append(line)
        return cls(history, state, news)

    @property
    def name(self) -> str:
        """The stream, such as `education/46a4…`."""
        return self.history[0].envelope.stream

    @property
    def service(self) -> str:
        return self.name.partition("/")[0]

    @property
    def area(self) -> str | None:
        return self.history[0].envelope.labels.get("area")

    def before(self, version: int) -> Record | None:
        """Return the record before a version; None if that is the first."""
        return Record.of(self.history[: version - 1]) if version > 1 else None


def by_stream(facts: Iterable[Fact]) -> list[list[Fact]]:
    """Group the facts of some records, each in order of version, by their streams."""
    histories: dict[str, list[Fact]] = {}
    for fact in facts:
        histories.setdefault(fact.envelope.stream, []).append(fact)
    return list(histories.values())


def fold(facts: Iterable[Fact]) -> list[Record]:
    """Fold the facts of some records, each in order of version. Raises `BrokenHistory`."""
    return [record for history in by_stream(facts) if (record := Record.of(history)) is not None]


def cases_moved(before: Iterable[Record], now: Iterable[Record]) -> set[UUID]:
    """Return the cases whose news changed between two states of some records."""
    said, says = (
        {(case_id, record.name): news for record in records for case_id, news in record.news.items()}
        for records in (before, now)
    )
    return {place[0] for place in said.keys() | says.keys() if said.get(place) != says.get(place)}


def _of_referral(referral: Referral, history: Sequence[Fact]) -> Iterator[News]:
    sender = history[0].actor
    accounts = {Audience.SCHOOL: sender.id} if sender.role == Role.SCHOOL else {}
    if referral.officer_id is not None:
        accounts[Audience.OFFICER] = referral.officer_id
    concerns = next((person for person, link in referral.people.items() if link.did_harm), sender.id)
    yield News(Occasion.REFERRAL_RECEIVED, history[0], concerns, history[0].occurred_at, accounts=accounts)
    for version in referral.moves:
        fact = history[version - 1]
        yield News(Occasion.REFERRAL_MOVED, fact, concerns, fact.occurred_at, accounts=accounts)
    for version, text in referral.requested:
        fact = history[version - 1]
        yield News(Occasion.WRITTEN_BY_HAND, fact, text.person_id, fact.occurred_at, template=text.template)


def _of_session(session: Session, history: Sequence[Fact]) -> Iterator[News]:
    def news(occasion: Occasion, person: UUID, case_id: UUID | None, version: int) -> Iterator[News]:
        if case_id is not None:
            because = history[version - 1]
            yield News(occasion, because, person, session.starts_at, session.hours, case_id=case_id)

    for person, place in session.places.items():
        about = (person, place.booking.case_id)
        if place.open:
            yield from news(Occasion.PLACE_BOOKED, *about, place.version)
            if session.moved_by is not None and session.moved_by > place.version:
                yield from news(Occasion.PLACE_MOVED, *about, session.moved_by)
        elif place.called_off:
            yield from news(Occasion.PLACE_CANCELLED, *about, place.version)
        elif place.missed:
            yield from news(Occasion.PLACE_MISSED, *about, place.version)
    for person, given_back in session.given_back.items():
        if person not in session.places and given_back.why != "REBOOKED":
            yield from news(Occasion.PLACE_CANCELLED, person, given_back.booking.case_id, given_back.version)


def _of_conference(conference: Conference, history: Sequence[Fact]) -> Iterator[News]:
    leads = conference.facilitator
    accounts = {} if leads is None else {Audience.FACILITATOR: leads.facilitator_id}
    victims = tuple(person for person in conference.harmed if conference.consent_of(person) is not None)
    meetings = (
        (Occasion.MEETING_CANCELLED, called_off.schedule, called_off.version)
        if (called_off := conference.called_off)
        else None,
        (Occasion.MEETING_PLANNED, meeting, meeting.version) if (meeting := conference.meeting) else None,
    )
    for occasion, schedule, version in filter(None, meetings):
        because, times = history[version - 1], (schedule.starts_at, schedule.hours)
        yield News(occasion, because, conference.harmer, *times, victims, accounts=accounts)


def _of_disposal(disposal: DisposalState, history: Sequence[Fact]) -> Iterator[News]:
    child = disposal.opened.person_id
    for condition_id, condition in disposal.to_do_by_a_day.items():
        if condition.due_set_by is not None:
            because, moment = history[condition.due_set_by - 1], end_of_day(condition.terms.due)
            yield News(Occasion.CONDITION_DUE, because, child, moment, item=condition_id)
    if disposal.decision is not None:
        fact = history[disposal.decision.version - 1]
        yield News(Occasion.DECISION_MADE, fact, child, fact.occurred_at, victims=disposal.untold_victims)


_READERS: Final[Mapping[str, Callable[[Any, Sequence[Fact]], Iterator[News]]]] = {
    REFERRAL: _of_referral,
    SESSION: _of_session,
    CONFERENCES.events.service: _of_conference,
    DISPOSAL: _of_disposal,
    PERSON: lambda _person, _history: iter(()),
}
