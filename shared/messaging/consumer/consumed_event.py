"""An event as it comes from its topic: the event store's bytes, and what the headers say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from shared.domain.messages import EventRegistry, Fact

Headers = Sequence[tuple[str, bytes]]

_NEVER: Final = datetime.fromtimestamp(0, UTC)
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ConsumedEvent:
    """An event as it came from its topic.

    `body` is the event's bytes, the event store's own; the other fields come from the headers. Where they cannot be read,
    `error` says why, stream and version are as far as they can be told, and the rest means nothing.

    `follows` is the offset that its reader had come to when it read this record: nothing lies between. None: not known.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    stream: str
    version: int
    type: str = ""
    event_id: UUID = _NOBODY
    position: int = 0
    recorded_at: datetime = _NEVER
    hash: bytes = field(default=b"", repr=False)
    error: str | None = None
    follows: int | None = None
    reading: int = 0

    def fact(self, book: EventRegistry, keys: Mapping[tuple[str, int], Any] | None = None) -> Fact:
        """The event with its place in the event store; opened where keys are given. Raises `UnknownEvent`."""
        return book.read(self.body, keys=keys, position=self.position, recorded_at=self.recorded_at, hash=self.hash)


def decode(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Headers | None,
    body: bytes | None,
    *,
    follows: int | None = None,
    reading: int = 0,
) -> ConsumedEvent:
    """Read a record's headers; never raises, since an error here must not cost the event."""
    headers = tuple(headers or ())
    named = dict(headers)
    whole = body or b""
    published = partial(
        ConsumedEvent,
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        headers=headers,
        body=whole,
        follows=follows,
        reading=reading,
    )
    try:
        if body is None:
            raise ValueError("the record has no value")
        version = int(named["ooc_version"])
        if version < 1:
            raise ValueError(f"a version of {version}")
        return published(
            stream=named["ce_subject"].decode(),
            version=version,
            type=named["ce_type"].decode(),
            event_id=UUID(named["ce_id"].decode()),
            position=int(named["ooc_position"]),
            recorded_at=datetime.fromisoformat(named["ooc_recorded_at"].decode()),
            hash=bytes.fromhex(named["ooc_hash"].decode()),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        stream, told = _whatever_tells(named, whole)
        return published(
            stream=stream or f"?/{topic}/{partition}/{offset}",
            version=told,
            error=f"its headers cannot be read: {type(error).__name__}: {error}"[:500],
        )


def _whatever_tells(named: Mapping[str, bytes], body: bytes) -> tuple[str, int]:
    """The stream and version of a broken record by its headers, else by its body; empty and 0 where nothing tells."""
    try:
        raw = json.loads(body)
        stream, version = str(raw["stream"]), int(raw["version"])
    except (KeyError, ValueError, TypeError):
        stream, version = "", 0
    try:
        return named["ce_subject"].decode(), int(named.get("ooc_version", b"%d" % version))
    except (KeyError, ValueError, TypeError, AttributeError):
        return stream, version
