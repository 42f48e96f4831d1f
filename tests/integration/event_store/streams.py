"""A writer's side of the event store: streams of small events, with the hashes that their writer takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

from shared.domain.messages import GENESIS, next_hash
from shared.event_store import (
    Appended,
    AppendRequest,
    EventStore,
    EventToAppend,
)

TYPE = "ooc.tests.Noted.v1"


@dataclass
class Stream:
    """What a writer knows of a stream: its version and last hash."""

    id: UUID = field(default_factory=uuid4)
    version: int = 0
    hash: bytes = GENESIS

    @property
    def name(self) -> str:
        return f"tests/{self.id}"

    def asks(
        self,
        *bodies: bytes,
        command_id: UUID | None = None,
        takes: Sequence[str] = (),
        releases: Sequence[str] = (),
    ) -> AppendRequest:
        """An append that follows from what the writer knows."""
        events: list[EventToAppend] = []
        hash_ = self.hash
        for body in bodies or (b"{}",):
            hash_ = next_hash(hash_, body)
            events.append(EventToAppend(uuid4(), TYPE, self.id, body, hash_))
        digest = hashlib.sha256(b"".join(bodies)).digest()
        return AppendRequest(
            command_id or uuid4(),
            digest,
            self.name,
            self.version,
            self.hash,
            tuple(events),
            tuple(takes),
            tuple(releases),
        )

    def knows(self, append: AppendRequest) -> None:
        """The writer learns that its append was recorded."""
        self.version += len(append.events)
        self.hash = append.events[-1].hash

    async def write(
        self, event_store: EventStore, *bodies: bytes, takes: Sequence[str] = (), releases: Sequence[str] = ()
    ) -> Appended:
        """Append what must be recorded."""
        append = self.asks(*bodies, takes=takes, releases=releases)
        result = await event_store.append(append)
        assert isinstance(result, Appended), result
        self.knows(append)
        return result


def as_application(dsn: str) -> str:
    """The same database for the application's role."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"ooc_app@{parts.hostname}:{parts.port}"))
