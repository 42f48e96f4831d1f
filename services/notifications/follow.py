"""The follower: events in, rows of the outbox out, all in the transaction of the consumer's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.disposal.events import EVENTS as DISPOSAL
from services.education.events import EVENTS as EDUCATION
from services.notifications.outbox import settle
from services.notifications.plan import FOLLOWED, Message, Plan, cases_in, plan
from services.referral.events import EVENTS as REFERRAL
from services.rj_conference.events import EVENTS as CONFERENCE
from shared.database import Connection
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

CONSUMER: Final = "notifications"
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
_CASES: Final = "select distinct case_id from stream_case where stream = any($1::text[]) order by case_id"
_FACTS: Final = """
    select c.case_id, e.stream, e.body, e.recorded_at from followed_event as e join stream_case as c using (stream)
    where c.case_id = any($1::uuid[]) order by c.case_id, e.stream, e.version
"""
_RESTRICT: Final = "insert into data_right (person_id, service, kind) values ($1, $2, $3) on conflict do nothing"
_LIFT: Final = "delete from data_right where person_id = $1 and service = $2 and kind = 'RESTRICTED'"
_FORGOTTEN: Final = f"""
    select person_id from data_right
    where kind = 'FORGOTTEN' and service = '{REFERRAL.service}' and person_id = any($1::uuid[])
"""  # noqa: S608 - the name of a service
_CASES_OF: Final = "select distinct case_id from message where recipient = $1 or concerns = $1"


def following(plan_of: Plan = plan) -> Apply:
    """Return the effect of a batch of events, for the consumer."""

    async def apply(connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        cases = await _keep(connection, records)
        cases |= await _keep_rights(connection, records)
        for case_id, messages in (await planned(connection, cases, plan_of)).items():
            await settle(connection, case_id, messages)

    return apply


async def planned(connection: Connection, cases: set[UUID], plan_of: Plan) -> Mapping[UUID, Mapping[UUID, Message]]:
    """Plan the messages of some cases by what was followed, without those to or about somebody whom referral has forgotten."""
    facts = await _load(connection, cases)
    plans = {case_id: plan_of(case_id, facts.get(case_id, ())) for case_id in sorted(cases)}
    people = {person for messages in plans.values() for one in messages.values() for person in _people_of(one)}
    forgotten = {row["person_id"] for row in await connection.fetch(_FORGOTTEN, list(people))}
    return {
        case_id: {key: message for key, message in messages.items() if forgotten.isdisjoint(_people_of(message))}
        for case_id, messages in plans.items()
    }


def _people_of(message: Message) -> tuple[UUID, UUID]:
    return message.recipient, message.concerns


async def _load(connection: Connection, cases: set[UUID]) -> Mapping[UUID, Sequence[Fact]]:
    """Return the facts of some cases, each stream in order of version."""
    facts: dict[UUID, list[Fact]] = {}
    for row in await connection.fetch(_FACTS, sorted(cases)) if cases else ():
        registry = REGISTRIES[row["stream"].partition("/")[0]]
        facts.setdefault(row["case_id"], []).append(registry.read(row["body"], recorded_at=row["recorded_at"]))
    return facts


async def _keep(connection: Connection, records: Sequence[ConsumedEvent]) -> set[UUID]:
    """Store the events that are followed; return the cases that they are about. Raises `UnknownEvent`."""
    kept: list[ConsumedEvent] = []
    about: set[tuple[UUID, str]] = set()
    for record in records:
        service, name = record.stream.partition("/")[0], type_in(record.body).rpartition(".v")[0].rpartition(".")[2]
        if name not in _KEPT.get(service, ()) or is_data_right(type_in(record.body)):
            continue
        fact = REGISTRIES[service].read_record(record)
        kept.append(record)
        about |= {(case, record.stream) for case in cases_in(fact)}
    if not kept:
        return set()
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
    streams = sorted({record.stream for record in kept})
    return {row["case_id"] for row in await connection.fetch(_CASES, streams)}


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
