"""Who was forgotten stays forgotten: destructions that the restored event stores record are repeated in the restored keyring.

It is done before any process can reach the keyring. A key that a service has not agreed to destroy stands, as it stood before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from shared.database import Connection
from shared.domain.data_rights import DATA_RIGHTS_TYPES, PersonForgotten, data_rights_events
from shared.domain.sealing import key_ids_in

_FORGOTTEN: Final = "select convert_from(body, 'UTF8')::jsonb #>> '{data,person_id}' from event where type = $1"
_NAMING: Final = "select distinct home from event where position(convert_to($1, 'UTF8') in body) > 0"
_RECORDED: Final = (
    "select exists (select from event where position(convert_to($1, 'UTF8') in body) > 0 and type <> all ($2::text[]))"
)
_BODIES: Final = "select body from event where home = $1"
_STANDS: Final = "select s from unnest($1::text[]) as s where stands(s) order by s"
_WITH_KEY: Final = "select exists (select from data_key where subject = any($1))"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The people whose keys were destroyed again, and those whose destruction not every service has agreed to."""

    again: tuple[str, ...]
    undecided: tuple[str, ...]


async def forget_again(stores: Mapping[str, Connection], keyring: Connection) -> Forgotten:
    """Repeat each destruction on which every service with a record of a person has agreed; `stores` are the event stores by service."""
    agreed: dict[str, set[str]] = defaultdict(set)
    rights = {name: data_rights_events(name) for name in stores}
    for name, store in stores.items():
        for row in await store.fetch(_FORGOTTEN, rights[name].type_name(PersonForgotten)):
            agreed[row[0]].add(name)
    own = {name: [events.type_name(one) for one in DATA_RIGHTS_TYPES] for name, events in rights.items()}
    standing = await keyring.fetch(_STANDS, [f"person/{person}" for person in agreed])
    again, undecided = list[str](), list[str]()
    for row in standing:
        person = row[0].removeprefix("person/")
        holding = {name for name, store in stores.items() if await store.fetchval(_RECORDED, person, own[name])}
        if holding - agreed[person]:
            undecided.append(person)
            continue
        await keyring.execute("select destroy_keys($1)", row[0])
        for home in await _homes_without_others(stores, keyring, person):
            await keyring.execute("select destroy_keys($1)", f"home/{home}")
        again.append(person)
    return Forgotten(tuple(again), tuple(undecided))


async def _homes_without_others(stores: Mapping[str, Connection], keyring: Connection, person: str) -> list[UUID]:
    """Return the homes of a person's records in whose events nobody else, and no other home, has a key that stands."""
    homes: set[UUID] = set()
    for store in stores.values():
        homes |= {row["home"] for row in await store.fetch(_NAMING, person)}
    alone = []
    for home in sorted(homes):
        others: set[Any] = set()
        for store in stores.values():
            for row in await store.fetch(_BODIES, home):
                others |= {subject for subject, _ in key_ids_in(row["body"])}
        others -= {f"person/{person}", f"home/{home}"}
        has_key = await keyring.fetchval(_WITH_KEY, [f"home/{home}"])
        if has_key and not await keyring.fetchval(_WITH_KEY, sorted(others)):
            alone.append(home)
    return alone
