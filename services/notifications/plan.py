"""The pure plan: from the records of a case to its messages.

The outbox is brought to what stands here after each event, so a correction or a cancellation changes or withdraws what has
not been sent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain
from uuid import UUID

from services.notifications.news import PERSON, REFERRAL, SESSION, News, Record, by_stream
from services.notifications.people import People
from services.notifications.table import LINES, Audience, Line
from services.notifications.times import next_open
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.ids import derived_uuid


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be sent: its recipient, subject and times."""

    event_id: UUID
    template: str
    recipient: UUID
    concerns: UUID
    """The child or person concerned: while their data are restricted, nothing is sent."""
    case_id: UUID
    referral_id: UUID
    record: str
    """The stream of the appointment, such as `education/46a4…`."""
    item: UUID | None
    not_before: datetime
    not_after: datetime
    follows: tuple[str, ...]
    moment: datetime
    """The beginning of the appointment, or the deadline of a condition."""
    hours: Decimal | None
    sequence: int
    """The version of the event in its record: it grows with each change of the appointment."""
    harmed: bool = False
    """Whether the recipient was harmed: they ring the victim workers."""
    to_account: bool = False
    """Whether the recipient is an account, and no person of the case."""
    family: tuple[UUID, ...] = ()
    """The others of the family who get the same message: staff do not ring a family that hears of it from one of them."""

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


Plan = Callable[[UUID, Sequence[Record]], Mapping[UUID, Message]]
"""A function from the records of a case to its messages."""


def plan(case_id: UUID, records: Sequence[Record]) -> Mapping[UUID, Message]:
    """Return the messages of a case by their keys.

    A client chooses the case of a new record, so a record informs and names only people of the case in its own area.
    """
    people = people_by_area(records)
    return {
        message.key: message
        for record in records
        for news in record.news.get(case_id, ())
        for line in LINES[news.occasion]
        if news.template in {None, line.template}
        for message in _messages(line, news, record, case_id, people[record.area])
    }


def people_by_area(records: Iterable[Record]) -> Mapping[str | None, People]:
    areas: dict[str | None, list[Record]] = {}
    for record in records:
        areas.setdefault(record.area, []).append(record)
    return {area: People.of(of_area) for area, of_area in areas.items()}


def plan_as_it_happened(
    case_id: UUID, records: Sequence[Record], until: datetime | None = None
) -> Mapping[UUID, Message]:
    """Return the messages that were due before the next event, after each one: for a story whose days are over."""
    histories = [[replace(fact, recorded_at=fact.occurred_at) for fact in record.history] for record in records]
    happened = {fact.occurred_at for history in histories for fact in history}
    days = sorted(at for at in happened if until is None or at <= until)
    messages: dict[UUID, Message] = {}
    for day, following in zip(days, [*days[1:], None], strict=True):
        known = (Record.of(history, known_at=day) for history in histories)
        for key, message in plan(case_id, [record for record in known if record is not None]).items():
            if following is None or message.not_before < following:
                messages.setdefault(key, message)
    return messages


def _names(history: Iterable[Fact], id_: UUID) -> bool:
    """Tell whether a history names an id, in the bytes of any of its events."""
    return any(str(id_).encode() in (fact.body or b"") for fact in history)


def _persons_of(case: Iterable[Record], persons: Iterable[Sequence[Fact]]) -> Iterator[Record]:
    for history in persons:
        if any(_names(own.history, history[0].stream_id) for own in case):
            yield from filter(None, [Record.of(history)])


def told_as_it_happened(person: UUID, facts: Iterable[Fact], until: datetime | None = None) -> Sequence[Message]:
    """Return the messages that a person got in the days of a story until a time, in order of time."""
    every = by_stream(facts)
    histories = [history for history in every if not history[0].envelope.stream.startswith(f"{PERSON}/")]
    persons = [history for history in every if history[0].envelope.stream.startswith(f"{PERSON}/")]
    # A whole system has thousands of records: only those of the person's cases are folded, once for each of their days.
    homes = {history[0].envelope.home for history in histories if _names(history, person)}
    cases: dict[UUID, list[Record]] = {}
    sessions: list[Record] = []
    for history in histories:
        home = history[0].envelope.home
        is_session = history[0].envelope.stream.partition("/")[0] == SESSION
        concerned = any(_names(history, case_id) for case_id in homes) if is_session else home in homes
        if concerned and (record := Record.of(history)) is not None:
            (sessions if is_session else cases.setdefault(home, [])).append(record)
    planned = (
        plan_as_it_happened(case_id, [*own, *sessions, *_persons_of(own, persons)], until).values()
        for case_id, own in cases.items()
    )
    messages: list[Message] = []
    for message in sorted(
        chain.from_iterable(planned), key=lambda message: (message.not_before, message.template, message.key)
    ):
        follows = (earlier.template in message.follows and earlier.record == message.record for earlier in messages)
        if message.recipient == person and (not message.follows or any(follows)):
            messages.append(message)
    return messages


def _messages(line: Line, news: News, record: Record, case_id: UUID, people: People) -> Iterator[Message]:
    # An appointment that is entered after its day is no news to anybody.
    recorded_at = news.because.recorded_at or news.because.occurred_at
    not_after = line.not_after(recorded_at, news.moment)
    if not_after <= recorded_at:
        return  # before any time is computed from an appointment of a century ago, for which there is no policy
    not_before = line.not_before(recorded_at, news.moment)
    if line.planned_ahead and not_before <= next_open(recorded_at):
        return
    not_before = max(not_before, next_open(recorded_at))
    if not_after <= not_before:
        return
    day = local_day(not_before)
    recipients = [
        person
        for person in _recipients(line, news, people)
        if line.to_accounts or (people.may_be_told(person) and people.may_be_in_contact(person, news.concerns, day))
    ]
    family = [person for person in recipients if person not in news.victims]
    for recipient in recipients:
        yield Message(
            event_id=news.because.event_id,
            template=line.template,
            recipient=recipient,
            concerns=news.concerns,
            case_id=case_id,
            referral_id=_referral(line, news, record, people, recipient) or case_id,
            record=record.name,
            item=news.item,
            not_before=not_before,
            not_after=not_after,
            follows=line.follows,
            moment=news.moment,
            hours=news.hours,
            sequence=news.because.version,
            to_account=line.to_accounts,
            harmed=recipient in news.victims or (Audience.PERSON in line.audiences and people.is_harmed(recipient)),
            family=tuple(person for person in family if person != recipient) if recipient in family else (),
        )


def _referral(line: Line, news: News, record: Record, people: People, recipient: UUID) -> UUID | None:
    """Return the referral that names a recipient, or that concerns an account; None if none is known."""
    if not line.to_accounts:
        return people.referrals[recipient]
    return news.because.stream_id if record.service == REFERRAL else people.referrals.get(news.concerns)


def _recipients(line: Line, news: News, people: People) -> Iterator[UUID]:
    """Yield each recipient of the line's audiences once."""
    of: dict[Audience, Sequence[UUID]] = {audience: (account,) for audience, account in news.accounts.items()}
    of |= {
        Audience.CHILD: (news.concerns,),
        Audience.PARENT: people.told_parents_of(news.concerns) if Audience.PARENT in line.audiences else (),
        Audience.PERSON: (news.concerns,),
        Audience.VICTIM: news.victims,
    }
    yield from dict.fromkeys(
        person for audience in Audience if audience in line.audiences for person in of.get(audience, ())
    )
