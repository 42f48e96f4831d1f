"""The follower: events in, rows of the outbox out, all in the transaction of the consumer's checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.notifications.news import PERSON, READ_MODELS, REFERRAL, SESSION, Record, cases_moved, fold
from services.notifications.outbox import settle
from services.notifications.plan import Message, Plan, people_by_area, plan
from shared.domain.data_rights import (
    PersonForgotten,
    ProcessingRestricted,
    RestrictionLifted,
    data_rights_events,
    is_data_right,
)
from shared.domain.envelope import Fact, type_in
from shared.domain.messages import ids_by_name
from shared.domain.waiting import is_of_kernel
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import Apply
from shared.servers.database import Connection

CONSUMER: Final = "notifications"
CHECKPOINTS: Final = "messages"
"""The name of its checkpoints. Those of `notifications` are of the release before, which kept no whole streams (ADR 89)."""
SESSIONS: Final = 200
"""The most sessions of a case, the latest, that are planned again when its people change: a child has some dozens."""
MOST_FACTS: Final = 20_000
"""About how many facts of sessions are in memory."""

_KEEP: Final = """
    insert into stream_event (stream, version, event_id, recorded_at, body)
    select * from unnest($1::text[], $2::integer[], $3::uuid[], $4::timestamptz[], $5::bytea[]) on conflict do nothing
"""
_ABOUT: Final = """
    insert into stream_case (case_id, stream) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing
"""
_CASES_OF_STREAMS: Final = "select distinct case_id from stream_case where stream = any($1::text[])"
_SESSIONS_OF: Final = f"""
    select e.stream from stream_case as c join stream_event as e on e.stream = c.stream and e.version = 1
    where c.case_id = $1 and starts_with(c.stream, '{SESSION}/') order by e.recorded_at desc limit $2
"""  # noqa: S608 - the name of a service
_OF_RECORDS: Final = f"""
    select e.stream, e.body, e.recorded_at from stream_event as e join stream_case as c using (stream)
    where c.case_id = $1 and not starts_with(c.stream, '{SESSION}/') order by e.stream, e.version
"""  # noqa: S608 - the name of a service
_OF_STREAM: Final = "select stream, body, recorded_at from stream_event where stream = $1 order by version"
_PLANNED_BEFORE: Final = f"select topic, partition, next_offset from checkpoint where consumer = '{CONSUMER}'"  # noqa: S608 - the name above
_IS_BEHIND: Final = f"""
    select exists (
        select from checkpoint as b left join checkpoint as c
            on c.consumer = '{CHECKPOINTS}' and c.topic = b.topic and c.partition = b.partition
        where b.consumer = '{CONSUMER}' and coalesce(c.next_offset, 0) < b.next_offset
    )
"""  # noqa: S608 - the names above
_RESTRICT: Final = "insert into data_right (person_id, service, kind) values ($1, $2, $3) on conflict do nothing"
_LIFT: Final = "delete from data_right where person_id = $1 and service = $2 and kind = 'RESTRICTED'"
_FORGOTTEN: Final = f"""
    select person_id from data_right
    where kind = 'FORGOTTEN' and service = '{REFERRAL}' and person_id = any($1::uuid[])
"""  # noqa: S608 - the name of a service
_CASES_OF: Final = "select distinct case_id from message where recipient = $1 or concerns = $1"


Part = tuple[UUID, str | None]
"""A unit of planning: a case's place in a session, or its own records."""


class Followed:
    """The followed records, read for one batch: those of the last case, and some sessions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._case: UUID | None = None
        self._records: Sequence[Record] = ()
        self._sessions: dict[str, Sequence[Record]] = {}
        self._held = 0

    async def of_part(self, case_id: UUID, session: str | None) -> Sequence[Record]:
        if case_id != self._case:
            self._case, self._records = case_id, fold(await self._read(_OF_RECORDS, case_id))
        return self._records if session is None else [*self._records, *await self.session(session)]

    async def session(self, session: str) -> Sequence[Record]:
        """Return the record of a session; nothing if it is unknown."""
        if session not in self._sessions:
            if self._held > MOST_FACTS:
                self._sessions, self._held = {}, 0
            facts = await self._read(_OF_STREAM, session)
            self._sessions[session] = fold(facts)
            self._held += len(facts)
        return self._sessions[session]

    async def _read(self, query: str, key: UUID | str) -> Sequence[Fact]:
        rows = await self._connection.fetch(query, key)
        books = [READ_MODELS[row["stream"].partition("/")[0]].events for row in rows]
        return [book.read(row["body"], recorded_at=row["recorded_at"]) for book, row in zip(books, rows, strict=True)]


def following(plan_of: Plan = plan) -> Apply:
    """Return the effect of a batch of events, for the consumer."""

    async def apply(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        followed = Followed(connection)
        kept = [record for record in records if not is_of_kernel(type_in(record.body))]
        await _keep(connection, kept)
        since = await _unplanned(connection, kept)
        sessions = [name for name in since if session_of(name) is not None]
        parts = {part for name in sessions for part in await _moved_by_session(connection, followed, name, since[name])}
        cases = await connection.fetch(_CASES_OF_STREAMS, [name for name in since if name not in sessions])
        for case_id in sorted(row["case_id"] for row in cases):
            parts |= await _moved_by_records(connection, case_id, await followed.of_part(case_id, None), since)
        for case_id in await _keep_rights(connection, records):
            parts |= await _all_parts(connection, case_id)
        for case_id, session in sorted(parts, key=lambda part: (part[0], part[1] or "")):
            await settle(connection, case_id, session, await planned(connection, followed, case_id, session, plan_of))

    return apply


async def is_behind(connection: Connection) -> bool:
    """Tell whether the release before is ahead of this one: until it is passed, the events of a case are incomplete."""
    return bool(await connection.fetchval(_IS_BEHIND))


async def _keep(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
    """Store events, and the cases of the records that they begin. Raises `UnknownEvent`."""
    columns = ("stream", "version", "event_id", "recorded_at", "body")
    await connection.execute(_KEEP, *([getattr(record, column) for record in records] for column in columns))
    begun = [record for record in records if record.version == 1 and session_of(record.stream) is None]
    facts = [_read_of(record) for record in begun]
    about = [(fact.envelope.home, fact.envelope.stream) for fact in facts]
    # What is true of a person whatever the case is read with each case that links them.
    for fact in (_read_of(record) for record in records if record.stream.startswith(f"{REFERRAL}/")):
        people = ids_by_name((fact.event,)).get("person_id", ())
        about += [(fact.envelope.home, f"{PERSON}/{person}") for person in people]
    await connection.execute(_ABOUT, [case_id for case_id, _ in about], [stream for _, stream in about])


def _read_of(record: ConsumedEvent) -> Fact:
    return READ_MODELS[record.stream.partition("/")[0]].events.read_record(record)


async def _unplanned(connection: Connection, records: Sequence[ConsumedEvent]) -> Mapping[str, int]:
    """Return the first version of each stream that the release before has not planned."""
    rows = await connection.fetch(_PLANNED_BEFORE)
    before = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    since: dict[str, int] = {}
    for record in records:
        if not before or record.offset >= before.get((record.topic, record.partition), 0):
            since.setdefault(record.stream, record.version)
    return since


async def _all_parts(connection: Connection, case_id: UUID) -> set[Part]:
    sessions = await connection.fetch(_SESSIONS_OF, case_id, SESSIONS)
    return {(case_id, None), *((case_id, row["stream"]) for row in sessions)}


async def _moved_by_records(
    connection: Connection, case_id: UUID, now: Sequence[Record], since: Mapping[str, int]
) -> set[Part]:
    """Return the parts of a case that its own records changed since some versions."""
    earlier = (record.before(since[record.name]) if record.name in since else record for record in now)
    before = [record for record in earlier if record is not None]
    if people_by_area(before) != people_by_area(now):
        return await _all_parts(connection, case_id)
    return {(moved, None) for moved in cases_moved(before, now)}


async def _moved_by_session(connection: Connection, followed: Followed, session: str, since: int) -> set[Part]:
    """Return the parts of cases that a session changed since a version; note their cases."""
    now = await followed.session(session)
    before = [record for record in (record.before(since) for record in now) if record is not None]
    cases = sorted({case_id for record in now for case_id in record.news})
    await connection.execute(_ABOUT, cases, [session] * len(cases))
    return {(case_id, session) for case_id in cases_moved(before, now)}


async def planned(
    connection: Connection, followed: Followed, case_id: UUID, session: str | None, plan_of: Plan
) -> Mapping[UUID, Message]:
    """Plan the messages of a part from the followed records, without those to or about a forgotten person."""
    messages = {
        key: message
        for key, message in plan_of(case_id, await followed.of_part(case_id, session)).items()
        if session in {None, message.record}
    }
    people = {person for message in messages.values() for person in _people_of(message)}
    forgotten = {row["person_id"] for row in await connection.fetch(_FORGOTTEN, list(people))}
    return {key: message for key, message in messages.items() if forgotten.isdisjoint(_people_of(message))}


def session_of(record: str) -> str | None:
    """Return the session that a record is; None for a record of a case itself."""
    return record if record.startswith(f"{SESSION}/") else None


def _people_of(message: Message) -> tuple[UUID, UUID]:
    return message.recipient, message.concerns


async def _keep_rights(connection: Connection, records: Sequence[ConsumedEvent]) -> set[UUID]:
    """Note restrictions and who is forgotten; return the cases whose messages change by it."""
    cases: set[UUID] = set()
    for record in records:
        if not is_data_right(type_in(record.body)):
            continue
        service = record.stream.partition("/")[0]
        match data_rights_events(service).read_record(record).event:
            case ProcessingRestricted(person_id=person):
                await connection.execute(_RESTRICT, person, service, "RESTRICTED")
            case RestrictionLifted(person_id=person):
                await connection.execute(_LIFT, person, service)
            case PersonForgotten(person_id=person):
                await connection.execute(_RESTRICT, person, service, "FORGOTTEN")
                cases |= {row["case_id"] for row in await connection.fetch(_CASES_OF, person)}
    return cases
