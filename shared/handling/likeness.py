"""Likeness: the persons of a service's records who could be the same as one whom a command names (`Service.likeness`).

A token is the keyed BLAKE2b (RFC 7693) of what identifies a person, under a key that the process draws at its start: no
table, backup or log ever has one, and a token goes with the person's key. A token only names the streams to look into.
What they say is opened and compared when it is asked, so that corrections, forgetting and permissions count as they stand.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from shared.domain.data_rights import PersonForgotten, data_rights_events, data_rights_ids, is_data_right, restricted_in
from shared.domain.decider import history_at
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Actor, Command
from shared.domain.permissions import AccessFacts, boundary
from shared.domain.persons import Alike
from shared.domain.service import Service
from shared.event_store import EventStore, RecordedEvent

PAGE: Final = 2_000
"""Events that are read at a time."""

Open = Callable[[Sequence[RecordedEvent]], Coroutine[Any, Any, list[Fact]]]


class Likeness:
    """The index of one process over a service's event store; it is read on before each look-up."""

    def __init__(self, service: Service[Any], event_store: EventStore, open_: Open) -> None:
        self._service = service
        self._event_store = event_store
        self._open = open_
        self._rights = data_rights_events(service.name, service.events.namespace)
        self._key = os.urandom(32)
        self._streams: dict[bytes, set[str]] = defaultdict(set)
        self._tokens: dict[UUID, set[bytes]] = defaultdict(set)
        self._position = 0
        self._turn = asyncio.Lock()

    async def alike(self, actor: Actor, command: Command, labels: dict[str, str]) -> Alike:
        """Look up who is like the persons whom a command names, in records with these labels; apart whom the actor could not find.

        Raises `EventStoreUnavailable`, `KeyringUnavailable` or `UnusableKey`.
        """
        asked = dict[UUID, set[str]]()
        for person, text in self._service.likeness(command):
            asked.setdefault(person, set()).add(text)
        if not asked:
            return Alike()
        await self._read_on()
        texts = set[str]().union(*asked.values())
        streams = set[str]().union(*(self._streams.get(self._token(text), set()) for text in texts))
        found, unseen = set[UUID](), set[UUID]()
        for stream in sorted(streams):
            facts = await self._open((await self._event_store.load(stream)).records)
            access = AccessFacts.of_history(self._service.events, facts)
            if any(access.labels.get(name) != labels.get(name) for name in self._service.inherited_labels):
                continue
            sees = self._may_find(actor, access)
            for fact in history_at(facts):
                for person, text in self._service.likeness(fact.event):
                    if text in texts and person in asked:
                        return Alike()  # the id is known already: nobody is typed again under a new one
                    if text in texts:
                        (found if sees and not await self._is_restricted(person) else unseen).add(person)
        return Alike(frozenset(found), frozenset(unseen - found))

    def _may_find(self, actor: Actor, access: AccessFacts) -> bool:
        """Tell whether an actor finds who is named in a record by a search: reads the record, and what is sealed in it."""
        permission = self._service.permission(actor)
        return (
            bool(permission.opens)
            and permission.is_opened_by(access.marks, actor)
            and boundary(actor, permission, access, self._service.inherited_labels) is None
        )

    async def _is_restricted(self, person: UUID) -> bool:
        name, types = self._service.stream_name, list[tuple[str, str]]()
        for id_ in data_rights_ids(self._service.name, person):
            records = (await self._event_store.load(name(id_))).records
            types += [(record.stream, record.type) for record in records]
        return bool(restricted_in(types))

    async def _read_on(self) -> None:
        """Take in what was recorded since the last look: persons, and who is forgotten."""
        async with self._turn:
            while records := await self._event_store.read(self._position, PAGE):
                await self._take_in(records)
                self._position = records[-1].position

    async def _take_in(self, records: Sequence[RecordedEvent]) -> None:
        names = {cls.__name__ for cls in self._service.likeness_of}
        own = [record for record in records if record.type.rpartition(".v")[0].rpartition(".")[2] in names]
        for fact in await self._open(own):
            # A correction has no whole of it: the record is looked through as it stands.
            whole = [fact]
            if not any(True for _ in self._service.likeness(fact.event)):
                whole = history_at(await self._open((await self._event_store.load(fact.envelope.stream)).records))
            for person, text in (pair for each in whole for pair in self._service.likeness(each.event)):
                token = self._token(text)
                self._streams[token].add(fact.envelope.stream)
                self._tokens[person].add(token)
        for record in records:
            if is_data_right(record.type) and has_event(fact := self._rights.read(record.body), PersonForgotten):
                for token in self._tokens.pop(fact.event.person_id, ()):
                    self._streams.pop(token, None)

    def _token(self, text: str) -> bytes:
        return blake2b(text.encode(), digest_size=16, key=self._key).digest()
