"""A writer's side of the event store: streams of small events of a service `tests`, with the hashes that their writer takes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from shared.domain.envelope import GENESIS, next_hash
from shared.event_store import Appended, AppendRequest, EventStore, EventToAppend
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role

SERVICE = "tests"
TYPE = f"ooc.{SERVICE}.Noted.v1"
REST: dict[str, Any] = {
    "occurred_at": "2026-03-02T12:00:00Z",
    "actor": {"id": str(UUID(int=1)), "role": "KEEPER", "organisation": "TESTS"},
    "correlation_id": str(UUID(int=2)),
    "causation_id": None,
    "traceparent": None,
    "policy": {"edition": "2026-01-01", "day": "2026-03-02"},
    "rules": [],
    "rationale": {},
    "labels": {},
    "origin": {"kind": "LIVE", "reference": None},
}
"""The fields of an envelope that no column of the event store repeats."""


class EventTail(bytes):
    """The bytes of an event from `occurred_at` on. The bytes before follow from its place in the stream."""


def event_tail(data: Any, **fields: Any) -> EventTail:
    """Return the tail of an event with these data; `fields` replace fields of its envelope."""
    text = json.dumps(REST | fields | {"data": data}, separators=(",", ":"), ensure_ascii=False)
    return EventTail(text.encode()[1:])


def note_of(body: bytes) -> bytes:
    """Return the note of a test in an event, from the event's bytes."""
    return bytes.fromhex(json.loads(body)["data"]["note"])


@dataclass
class Stream:
    """What a writer knows of a stream: its version and last hash."""

    id: UUID = field(default_factory=uuid4)
    version: int = 0
    hash: bytes = GENESIS
    service: str = SERVICE

    @property
    def name(self) -> str:
        return f"{self.service}/{self.id}"

    @property
    def type(self) -> str:
        return f"ooc.{self.service}.Noted.v1"

    def asks(
        self, *notes: bytes, command_id: UUID | None = None, takes: Sequence[str] = (), releases: Sequence[str] = ()
    ) -> AppendRequest:
        """Return an append of an event for each note, or rest, that follows from what the writer knows."""
        command_id = command_id or uuid4()
        events: list[EventToAppend] = []
        hash_ = self.hash
        for n, note in enumerate(notes or (b"",), start=1):
            event_id = uuid4()
            body = self._begin(event_id, self.version + n, command_id) + (
                note if isinstance(note, EventTail) else event_tail({"note": note.hex()})
            )
            hash_ = next_hash(hash_, body)
            events.append(EventToAppend(event_id, self.type, self.id, body, hash_))
        digest = hashlib.sha256(b"".join(notes)).digest()
        return AppendRequest(
            command_id, digest, self.name, self.version, self.hash, tuple(events), tuple(takes), tuple(releases)
        )

    def _begin(self, event_id: UUID, version: int, command_id: UUID) -> bytes:
        return (
            f'{{"event_id":"{event_id}","type":"{self.type}","stream":"{self.name}","version":{version},"home":"{self.id}",'
            f'"command_id":"{command_id}",'
        ).encode()

    def knows(self, append: AppendRequest) -> None:
        """Tell the writer that its append was recorded."""
        self.version += len(append.events)
        self.hash = append.events[-1].hash

    async def write(
        self, event_store: EventStore, *notes: bytes, takes: Sequence[str] = (), releases: Sequence[str] = ()
    ) -> Appended:
        """Append what must be recorded."""
        append = self.asks(*notes, takes=takes, releases=releases)
        result = await event_store.append(append)
        assert isinstance(result, Appended), result
        self.knows(append)
        return result


def as_application(dsn: str, kind: RoleKind = RoleKind.API) -> str:
    """Return the same database for a role of the service; the keyring's too, of which the roles are members."""
    return as_role(dsn, role_name(kind, SERVICE))


def as_verifier(dsn: str) -> str:
    """Return the same database for the role that only reads."""
    return as_role(dsn, role_name(RoleKind.VERIFY))
