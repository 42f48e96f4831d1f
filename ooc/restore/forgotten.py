"""Who was forgotten stays forgotten: destructions that the restored event stores record are repeated in the restored keyring.

It is done before any process can reach the keyring. A key that a service has not agreed to destroy stands, as it stood before.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.system.registry import deciding_services
from shared.domain.data_rights import (
    DATA_RIGHTS_TYPES,
    HoldPlaced,
    HoldReleased,
    PersonForgotten,
    contents_of_home,
    data_rights_events,
    is_worked_with,
)
from shared.domain.envelope import Fact
from shared.domain.permissions import people_mentioned
from shared.domain.service import Service
from shared.servers.database import Connection

_DECIDED: Final = """
    select type, stream, data ->> 'person_id' as person, data ->> 'kind' as kind, recorded_at
    from event, lateral (select convert_from(body, 'UTF8')::jsonb -> 'data' as data) as of
    where type = any($1::text[]) order by position
"""
_NAMING: Final = "select distinct home from event where position(convert_to($1, 'UTF8') in body) > 0"
_RECORDED: Final = (
    "select exists (select from event where position(convert_to($1, 'UTF8') in body) > 0 and type <> all ($2::text[]))"
)
_OF_RECORDS: Final = """
    select stream, type, position, recorded_at, hash, body from event where stream in (
        select stream from event where position(convert_to($1, 'UTF8') in body) > 0
    ) order by stream, version
"""
_EVENTS: Final = "select stream, type, body from event where home = $1 order by stream, version"
_STANDS: Final = "select s from unnest($1::text[]) as s where stands(s) order by s"
_WITH_KEY: Final = "select exists (select from data_key where subject = any($1))"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The people whose keys were destroyed again, and those whose destruction not every service has agreed to."""

    again: tuple[str, ...]
    undecided: tuple[str, ...]


async def forget_again(stores: Mapping[str, Connection], keyring: Connection) -> Forgotten:
    """Repeat each destruction on which every service with a record of a person has agreed; `stores` are the event stores by service.

    A service in which somebody works with the person since then does not agree, nor one in which a hold stands.
    """
    agreed: dict[str, dict[str, datetime]] = defaultdict(dict)
    holds: set[tuple[str, str, str]] = set()
    rights = {name: data_rights_events(name) for name in stores}
    for name, store in stores.items():
        forgotten, placed, released = (
            rights[name].type_name(event) for event in (PersonForgotten, HoldPlaced, HoldReleased)
        )
        # A person may have two streams, of two releases: what stands in either counts (`shared.api.data_rights`).
        for row in await store.fetch(_DECIDED, [forgotten, placed, released]):
            hold = row["person"], row["stream"], row["kind"]
            if row["type"] == forgotten:
                agreed[row["person"]].setdefault(name, row["recorded_at"])
            elif row["type"] == placed:
                holds.add(hold)
            else:
                holds.discard(hold)
    held = {person for person, _, _ in holds}
    own = {name: [events.type_name(event) for event in DATA_RIGHTS_TYPES] for name, events in rights.items()}
    standing = await keyring.fetch(_STANDS, [f"person/{person}" for person in agreed])
    again, undecided = list[str](), list[str]()
    for row in standing:
        person = row[0].removeprefix("person/")
        holding = {name for name, store in stores.items() if await store.fetchval(_RECORDED, person, own[name])}
        working = [
            await _works_with(service, stores[service.name], UUID(person), agreed[person][service.name])
            for service in deciding_services()
            if service.name in agreed[person]
        ]
        if person in held or holding - agreed[person].keys() or any(working):
            undecided.append(person)
            continue
        await keyring.execute("select destroy_keys($1)", row[0])
        for home in await _homes_to_forget(stores, keyring, person, agreed):
            await keyring.execute("select destroy_keys($1)", f"home/{home}")
        again.append(person)
    return Forgotten(tuple(again), tuple(undecided))


async def _works_with(service: Service[Any], store: Connection, person: UUID, forgotten_at: datetime) -> bool:
    """Tell whether a record of a service is worked with, by the rule of the APIs (`is_worked_with`)."""
    records: dict[str, list[Fact]] = defaultdict(list)
    for row in await store.fetch(_OF_RECORDS, str(person)):
        if service.is_own(row["type"]):
            times = {name: row[name] for name in ("position", "recorded_at", "hash")}
            records[row["stream"]].append(service.events.read(row["body"], **times))
    return any(
        person in people_mentioned(service.events, facts) and is_worked_with(service, facts, person, forgotten_at)
        for facts in records.values()
    )


async def _homes_to_forget(
    stores: Mapping[str, Connection], keyring: Connection, person: str, agreed: Mapping[str, Collection[str]]
) -> list[UUID]:
    """Return the homes of a person that are forgotten too, by the rule of the APIs (`shared.api.data_rights`).

    Nobody else, and no other home, has a key in their events, and each record names the person or somebody forgotten.
    """
    homes: set[UUID] = set()
    for store in stores.values():
        homes |= {row["home"] for row in await store.fetch(_NAMING, person)}
    return [home for home in sorted(homes) if await _is_alone(stores, keyring, home, person, agreed)]


async def _is_alone(
    stores: Mapping[str, Connection],
    keyring: Connection,
    home: UUID,
    person: str,
    agreed: Mapping[str, Collection[str]],
) -> bool:
    others: set[str] = set()
    services = deciding_services()
    told = {service.name: await stores[service.name].fetch(_EVENTS, home) for service in services}
    facts = {
        service.name: [
            service.events.read(body) for _, type_name, body in told[service.name] if service.is_own(type_name)
        ]
        for service in services
    }
    for service in services:
        elsewhere = [fact for name in facts.keys() - {service.name} for fact in facts[name]]
        contents = contents_of_home(service, told[service.name], elsewhere)
        if not contents.is_about({UUID(person), *(UUID(id_) for id_, by in agreed.items() if service.name in by)}):
            return False
        others |= {subject for subject, _ in contents.key_ids}
    others -= {f"person/{person}", f"home/{home}"}
    own, foreign = [await keyring.fetchval(_WITH_KEY, subject) for subject in ([f"home/{home}"], sorted(others))]
    return bool(own and not foreign)
