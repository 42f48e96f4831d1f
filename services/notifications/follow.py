"""The follower: events in, rows of the outbox out, all in the transaction of the consumer's checkpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.disposal.events import EVENTS as DISPOSAL
from services.education.events import EVENTS as EDUCATION
from services.notifications.outbox import settle
from services.notifications.plan import FOLLOWED, Message, Plan, cases_in, plan
from services.notifications.register import Register
from services.referral.events import EVENTS as REFERRAL
from services.rj_conference.events import EVENTS as CONFERENCE
from shared.domain.data_rights import (
    PersonForgotten,
    ProcessingRestricted,
    RestrictionLifted,
    data_rights_events,
    is_data_right,
)
from shared.domain.envelope import EventRegistry, Fact, type_in
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import Apply
from shared.servers.database import Connection

CONSUMER: Final = "notifications"
SESSIONS: Final = 200
"""How many sessions of a case, the latest, are planned anew for an event of its own records: a child has some dozens."""
MOST_FACTS: Final = 20_000
"""About how many facts of sessions are in memory."""
REGISTRIES: Final[Mapping[str, EventRegistry]] = {
    registry.service: registry for registry in (REFERRAL, EDUCATION, DISPOSAL, CONFERENCE)
}
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    service: frozenset(cls.__name__ for cls in FOLLOWED[service]) for service in REGISTRIES
}

_KEEP: Final = """
    insert into followed_event (stream, version, event_id, recorded_at, body)
    select * from unnest($1::text[], $2::integer[], $3::uuid[], $4::timestamptz[], $5::bytea[]) on conflict do nothing
"""
_ABOUT: Final = """
    insert into stream_case (case_id, stream) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing
"""
_SESSIONS_OF: Final = f"""
    select e.stream from stream_case as c join followed_event as e on e.stream = c.stream and e.version = 1
    where c.case_id = $1 and starts_with(c.stream, '{EDUCATION.service}/') order by e.recorded_at desc limit $2
"""  # noqa: S608 - the name of a service
_OF_RECORDS: Final = f"""
    select e.stream, e.body, e.recorded_at from followed_event as e join stream_case as c using (stream)
    where c.case_id = $1 and not starts_with(c.stream, '{EDUCATION.service}/') order by e.stream, e.version
"""  # noqa: S608 - the name of a service
_OF_STREAM: Final = "select stream, body, recorded_at from followed_event where stream = $1 order by version"
_RESTRICT: Final = "insert into data_right (person_id, service, kind) values ($1, $2, $3) on conflict do nothing"
_LIFT: Final = "delete from data_right where person_id = $1 and service = $2 and kind = 'RESTRICTED'"
_FORGOTTEN: Final = f"""
    select person_id from data_right
    where kind = 'FORGOTTEN' and service = '{REFERRAL.service}' and person_id = any($1::uuid[])
"""  # noqa: S608 - the name of a service
_CASES_OF: Final = "select distinct case_id from message where recipient = $1 or concerns = $1"


Part = tuple[UUID, str | None]
"""What is planned at a time: a case's place in a session, or its own records."""


class Followed:
    """What was followed, as it is read for one batch: the records of the last case, and some registers of sessions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._case: UUID | None = None
        self._records: Sequence[Fact] = ()
        self._registers: dict[str, Register] = {}
        self._held = 0

    async def of_part(self, case_id: UUID, session: str | None) -> Sequence[Fact]:
        """Return the facts from which the messages of a part follow, each stream in order of version."""
        if case_id != self._case:
            self._case, self._records = case_id, await self._read(_OF_RECORDS, case_id)
        if session is None:
            return self._records
        return [*self._records, *(await self.register(session)).of_case(case_id)]

    async def register(self, session: str) -> Register:
        """Return the register of a session."""
        if session not in self._registers:
            if self._held > MOST_FACTS:
                self._registers, self._held = {}, 0
            facts = await self._read(_OF_STREAM, session)
            self._registers[session] = Register.of(facts)
            self._held += len(facts)
        return self._registers[session]

    async def _read(self, query: str, key: UUID | str) -> Sequence[Fact]:
        rows = await self._connection.fetch(query, key)
        books = [REGISTRIES[row["stream"].partition("/")[0]] for row in rows]
        return [book.read(row["body"], recorded_at=row["recorded_at"]) for book, row in zip(books, rows, strict=True)]


def following(plan_of: Plan = plan) -> Apply:
    """Return the effect of a batch of events, for the consumer."""

    async def apply(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        followed = Followed(connection)
        moved, sessions = await _keep(connection, records)
        moved |= await _keep_rights(connection, records)
        parts: set[Part] = {(case_id, None) for case_id in moved}
        for case_id in moved:
            parts |= {(case_id, row["stream"]) for row in await connection.fetch(_SESSIONS_OF, case_id, SESSIONS)}
        for name, versions in sessions.items():
            parts |= {(case_id, name) for case_id in (await followed.register(name)).moved_by(versions)}
        for case_id, session in sorted(parts, key=lambda part: (part[0], part[1] or "")):
            await settle(connection, case_id, session, await planned(connection, followed, case_id, session, plan_of))

    return apply


async def planned(
    connection: Connection, followed: Followed, case_id: UUID, session: str | None, plan_of: Plan
) -> Mapping[UUID, Message]:
    """Plan the messages of a part by what was followed, without those to or about somebody whom referral has forgotten."""
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
    return record if record.startswith(f"{EDUCATION.service}/") else None


def _people_of(message: Message) -> tuple[UUID, UUID]:
    return message.recipient, message.concerns


async def _keep(connection: Connection, records: Sequence[ConsumedEvent]) -> tuple[set[UUID], Mapping[str, set[int]]]:
    """Store the events that are followed; return the cases of whose records they are, and the versions of sessions.

    Raises `UnknownEvent`.
    """
    kept: list[ConsumedEvent] = []
    about: set[tuple[UUID, str]] = set()
    sessions: dict[str, set[int]] = defaultdict(set)
    for record in records:
        service, name = record.stream.partition("/")[0], type_in(record.body).rpartition(".v")[0].rpartition(".")[2]
        if name not in _KEPT.get(service, ()) or is_data_right(type_in(record.body)):
            continue
        fact = REGISTRIES[service].read_record(record)
        kept.append(record)
        about |= {(case, record.stream) for case in cases_in(fact)}
        if session_of(record.stream) is not None:
            sessions[record.stream].add(record.version)
    if not kept:
        return set(), sessions
    await connection.execute(
        _KEEP,
        [record.stream for record in kept],
        [record.version for record in kept],
        [record.event_id for record in kept],
        [record.recorded_at for record in kept],
        [record.body for record in kept],
    )
    pairs = sorted(about)
    await connection.execute(_ABOUT, [case for case, _ in pairs], [stream for _, stream in pairs])
    return {case for case, stream in pairs if session_of(stream) is None}, sessions


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
