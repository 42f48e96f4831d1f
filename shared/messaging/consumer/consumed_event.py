"""An event as it comes from its topic: the event store's bytes, and its headers."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from shared.domain.envelope import GENESIS, EventRegistry, Fact, next_hash

T = TypeVar("T")

Headers = Sequence[tuple[str, bytes | None]]

_NEVER: Final = datetime.fromtimestamp(0, UTC)
_NOBODY: Final = UUID(int=0)
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STREAM: Final = re.compile(f"([a-z][a-z0-9_]{{0,62}})/{_UUID}", re.ASCII)
_EVENT_ID: Final = re.compile(_UUID.encode())
_ANY: Final = re.compile(rb"[\x21-\x7e]{1,200}")
_TYPE: Final = re.compile(rb"[A-Za-z0-9_.-]{1,200}")
_NUMBER: Final = re.compile(rb"[1-9][0-9]{0,18}")
_HASH: Final = re.compile(rb"[0-9a-f]{64}")

MAX_VERSION: Final = 2**31 - 1
"""The highest version that the tables of a consumer can hold (integer)."""

MAX_POSITION: Final = 2**63 - 1
"""The highest position and offset that they can hold (bigint)."""


@dataclass(frozen=True, slots=True)
class ConsumedEvent:
    """An event as it came from its topic.

    `body` is the event store's bytes; the other fields come from the headers. If these cannot be read, `error` says why, and
    only stream and version may mean anything. A record that names no valid stream of its topic's service gets a stream of its
    own (`lone_stream`), with version 0.

    `vouched`: whether the relay's position record counts this record as its own. `follows`: the next offset of the reader
    before this record, with nothing between; None if unknown. `reading`: the number of the seek that it was read after.
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
    vouched: bool = True

    def breaks_chain(self, previous: bytes | None) -> str | None:
        """Explain why its hash does not follow from its bytes and the previous hash; None if it does, or cannot be known."""
        if self.version == 1:
            previous = GENESIS
        if previous is None or next_hash(previous, self.body) == self.hash:
            return None
        return "its hash does not follow from its bytes and the hash before it"

    def fact(self, book: EventRegistry, keys: Mapping[tuple[str, int], Any] | None = None) -> Fact:
        """Return the event with its position; decrypted with keys, if given. Raises `UnknownEvent`."""
        return book.read_record(self, keys)


def lone_stream(topic: str, partition: int, offset: int) -> str:
    return f"?/{topic}/{partition}/{offset}"


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
    """Read a record's headers. Never raises; the result always fits the tables."""
    headers = tuple(headers or ())
    named = dict(headers)
    value = body or b""
    published = partial(ConsumedEvent, topic, partition, offset, key, headers, value, follows=follows, reading=reading)
    try:
        if body is None:
            raise ValueError("the record has no value")
        return published(
            stream=_stream(_text(named, "ce_subject", _ANY), topic),
            version=_number(named, "ooc_version", MAX_VERSION),
            type=_text(named, "ce_type", _TYPE),
            event_id=UUID(_text(named, "ce_id", _EVENT_ID)),
            position=_number(named, "ooc_position", MAX_POSITION),
            recorded_at=_moment(_text(named, "ooc_recorded_at", _ANY)),
            hash=bytes.fromhex(_text(named, "ooc_hash", _HASH)),
        )
    except ValueError as error:
        stream, version = _stream_and_version(named, topic, value)
        return published(
            stream=stream or lone_stream(topic, partition, offset),
            version=version,
            error=f"its headers cannot be read: {error}"[:500],
        )


def _text(named: Mapping[str, bytes | None], name: str, pattern: re.Pattern[bytes]) -> str:
    """Return the value of a header. Raises ValueError unless it matches the pattern."""
    value = named.get(name)
    if value is None or pattern.fullmatch(value) is None:
        raise ValueError(f"{name} is missing" if value is None else f"{name} is not what a relay writes")
    return value.decode("ascii")


def _number(named: Mapping[str, bytes | None], name: str, highest: int) -> int:
    number = int(_text(named, name, _NUMBER))
    if number > highest:
        raise ValueError(f"{name} is beyond {highest}")
    return number


def _stream(name: str, topic: str) -> str:
    match = _STREAM.fullmatch(name)
    if match is None or not topic.endswith(f".{match[1]}.events"):
        raise ValueError("it names no stream of its topic's service")
    return name


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 1900 <= moment.year < 2200:
        raise ValueError("ooc_recorded_at is no moment with a time zone from 1900 to 2199")
    return moment


def _stream_and_version(named: Mapping[str, bytes | None], topic: str, body: bytes) -> tuple[str, int]:
    """Return the stream and version of a broken record by its headers, else by its body; empty and 0 if unknown."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raw = {}
    in_body = raw if isinstance(raw, dict) else {}
    stream = _or_else("", lambda: _stream(_text(named, "ce_subject", _ANY), topic))
    stream = stream or _or_else("", lambda: _stream(in_body["stream"], topic))
    if not stream:
        return "", 0
    version = in_body.get("version")
    body_version = version if type(version) is int and 0 < version <= MAX_VERSION else 0
    return stream, _or_else(body_version, lambda: _number(named, "ooc_version", MAX_VERSION))


def _or_else(otherwise: T, call: Callable[[], T]) -> T:
    try:
        return call()
    except (ValueError, KeyError, TypeError):
        return otherwise
