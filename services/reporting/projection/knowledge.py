"""What other records say of the persons of a stream, read from the facts: the same as the services keep (`Service.keeps_of_people`)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.reporting.projection.fold import Stream, service_of
from services.reporting.projection.read_models import READ_MODELS, published_types
from services.reporting.projection.snapshot import Connection, Pool
from services.trade.vocabulary import INHERITED_LABELS
from shared.domain.envelope import Fact
from shared.domain.permissions import ids_mentioned
from shared.domain.persons import Known, persons_in

LOOKING: Final = {name: model for name, model in READ_MODELS.items() if model.keeps_of_people}
"""The services that look at what is known of persons: their states are completed by it, or counted under one id."""
_FIELDS: Final = {cls: fields for model in LOOKING.values() for cls, fields in model.keeps_of_people.items()}
KNOWING: Final = published_types((model.events for model in READ_MODELS.values()), lambda event: event in _FIELDS)
"""The types of the events that say it."""

PERSONS: Final = "people"
"""The service whose records are persons."""

_EVERYBODY: Final = """
    select subject as person from stream where subject is not null group by subject having count(*) > 1
    union select unnest(mentions) from stream where service = $1
"""
_OF_PERSONS: Final = """
    select f.service, f.position, f.recorded_at, f.hash, f.body
    from stream as s join fact as f using (service, stream)
    where s.mentions && $1::uuid[] and f.type = any($2::text[]) order by f.service, f.stream, f.version
"""
_SINCE: Final = """
    select service, position, recorded_at, hash, body from fact
    where type = any($1::text[])
      and (occurred_at > $2 or recorded_at > $3 or position > ($4::jsonb ->> service)::bigint)
"""
_NAMING: Final = """
    select service, stream from stream where mentions && $1::uuid[] and service = any($2::text[]) order by service, stream
"""


def rests_on(services: Collection[str]) -> set[str]:
    """Return some services, and those whose events they look at to know their persons."""
    kept = {cls for name in LOOKING.keys() & services for cls in LOOKING[name].keeps_of_people}
    return {*services, *(name for name, model in READ_MODELS.items() if not kept.isdisjoint(model.events.events))}


def persons_of(facts: Iterable[Fact]) -> set[UUID]:
    """Return the persons of whom facts say something that other records look at."""
    return {person for fact in facts for person in _about(fact)}


async def known_of(connection: Connection, histories: Mapping[Stream, Sequence[Fact]]) -> Mapping[Stream, Known]:
    """Look up what is known of the persons whom histories name; nothing for one of which no other record says anything."""
    named = set[UUID]().union(*(_named(stream, history) for stream, history in histories.items()))
    return known_among(histories, await _facts_about(connection, named))


def known_among(histories: Mapping[Stream, Sequence[Fact]], facts: Sequence[Fact]) -> Mapping[Stream, Known]:
    """Choose from facts, in order of stream and version, what is known of the persons of each history, as its service keeps it."""
    every, known = Known(facts), dict[Stream, Known]()
    about: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in facts:
        for person in _about(fact):
            about[person].append(fact)
    for stream, history in histories.items():
        named = _named(stream, history) & about.keys()
        if not named:
            continue
        labels, wanted = history[0].envelope.labels, LOOKING[stream[0]].keeps_of_people
        persons = set[UUID]().union(*(every.ever_same_as(person) for person in named))
        of_stream = {
            (fact.envelope.stream, fact.version): fact
            for person in persons
            for fact in about.get(person, ())
            if type(fact.event) in wanted
            and all(fact.envelope.labels.get(name) == labels.get(name) for name in INHERITED_LABELS)
        }
        # Of a person also what its own record says, which is that it is merged.
        if stream[0] == PERSONS or any((service_of(fact), fact.stream_id) != stream for fact in of_stream.values()):
            known[stream] = Known([fact for _, fact in sorted(of_stream.items(), key=lambda item: item[0])])
    return known


def _named(stream: Stream, history: Sequence[Fact]) -> set[UUID]:
    """Return whom a record names, if its service looks at other records."""
    if stream[0] not in LOOKING or not history:
        return set()
    book = READ_MODELS[stream[0]].events
    own = [fact for fact in history if type(fact.event) in book.events]  # an earlier release recorded waits beside them
    return {stream[1], *ids_mentioned(book, own)}


async def streams_naming(connection: Connection, persons: Collection[UUID]) -> list[Stream]:
    """List the streams that look at what is known of some persons, under every id that ever named them."""
    if not persons:
        return []
    known = await merged_among(connection, persons)
    same = set[UUID]().union(*(known.ever_same_as(person) for person in persons))
    rows = await connection.fetch(_NAMING, list(same), list(LOOKING))
    return [(row["service"], row["stream"]) for row in rows]


async def same_as(
    connection: Connection, persons: Collection[UUID], as_of: datetime | None = None, known_at: datetime | None = None
) -> set[UUID]:
    """Return every id that names one of these persons at both times."""
    known = (await merged_among(connection, persons)).at(as_of, known_at)
    return set[UUID]().union(*(known.same_as(person) for person in persons))


async def merged_among(connection: Connection | Pool, persons: Collection[UUID]) -> Known:
    """Return what is known of some persons, under every id that ever named them."""
    return Known(await _facts_about(connection, persons))


async def everybody(connection: Connection) -> set[UUID]:
    """Return the persons of whom more than one record says something that others look at."""
    return {row["person"] for row in await connection.fetch(_EVERYBODY, PERSONS)}


async def known_since(
    connection: Connection, as_of: datetime | None, known_at: datetime | None, last_positions: Mapping[str, int]
) -> set[UUID]:
    """Return the persons of whom something was said that had not occurred, or was not recorded, by these times or positions."""
    rows = await connection.fetch(_SINCE, KNOWING, as_of, known_at, json.dumps(dict(last_positions)))
    return persons_of(map(_read, rows))


async def _facts_about(connection: Connection | Pool, persons: Collection[UUID]) -> list[Fact]:
    """Load the facts about persons, under every id that ever named them."""
    facts: dict[UUID, Fact] = {}
    wanted, seen = set(persons), set[UUID]()
    while missing := wanted - seen:
        rows = await connection.fetch(_OF_PERSONS, list(missing), KNOWING)
        facts |= {fact.event_id: fact for fact in map(_read, rows)}
        seen |= missing
        known = Known(list(facts.values()))
        wanted.update(*(known.ever_same_as(person) for person in seen.intersection(persons_of(known.facts))))
    return sorted(facts.values(), key=lambda fact: (fact.envelope.stream, fact.version))


def _about(fact: Fact) -> Iterator[UUID]:
    return persons_in(fact.event, _FIELDS.get(type(fact.event), ()))


def _read(row: asyncpg.Record) -> Fact:
    book = READ_MODELS[row["service"]].events
    return book.read(row["body"], position=row["position"], recorded_at=row["recorded_at"], hash=row["hash"])
