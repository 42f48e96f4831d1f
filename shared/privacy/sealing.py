"""Personal fields: in clear only in memory, a token everywhere else.

A field typed `Sealed[str]` holds one of three things: what a command brought or a key has opened (plain), the token
that stands in an event's bytes, or the knowledge that its key was destroyed (forgotten). Pydantic writes tokens only:
to serialise a plain value raises `NotSealed`, so nothing personal can reach a disk or a wire by accident.

A token is `s1:SUBJECT:GENERATION:PATH:NONCE:CIPHERTEXT`, the last two in base64url. The cipher is AES-256-GCM (NIST
SP 800-38D) with a random nonce of 96 bits; the associated data are the event's id and the path, so a token moved to
another event or field does not open. The plaintext is JSON padded with spaces to a multiple of 64 bytes, so that its
length tells little. An upcaster may move a token to another field unopened: the path inside the token stays.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, TypeVar, cast, get_args
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

PREFIX: Final = "s1:"
BLOCK: Final = 64
_JSON: Final[TypeAdapter[Any]] = TypeAdapter(Any)
_TOKEN_HEAD: Final = re.compile(rb'"s1:([^":]+):(\d+):')


class NotSealed(Exception):
    """A plain personal value was about to be written."""


class NotOpened(Exception):
    """A sealed value was read before its key opened it."""


class Forgotten(Exception):
    """The key of this value has been destroyed: it can never be read again."""


class TamperedToken(ValueError):
    """A token that is malformed, was moved to another event or field, or was altered."""


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Names whose key seals a field: the person whose id stands in `field` of the same model.

    Without this mark, or where that field is empty, the key of the stream's home is used.
    """

    field: str


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A sealed value as it stands in an event's bytes."""

    subject: str
    generation: int
    path: str
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, text: str) -> SealedToken:
        """Read a token's text; raises `TamperedToken`."""
        try:
            version, subject, generation, path, nonce, ciphertext = text.split(":")
            if version != PREFIX[:-1]:
                raise ValueError(version)
            return cls(subject, int(generation), path, _unb64(nonce), _unb64(ciphertext))
        except ValueError as error:
            raise TamperedToken("this is not a sealed token of version s1") from error

    def __str__(self) -> str:
        return f"{PREFIX}{self.subject}:{self.generation}:{self.path}:{_b64(self.nonce)}:{_b64(self.ciphertext)}"


@dataclass(frozen=True, slots=True)
class DecryptionContext:
    """Validation context for an event's bytes: a sealed field must hold a token there.

    With keys, tokens are opened as they are read; a subject whose key is None is forgotten. Without, they stay closed.
    Where no context is given (a command, a test) a sealed field must hold a plain value.
    """

    event_id: UUID
    keys: Mapping[tuple[str, int], DataKey | None] | None = None


class _Erased:
    """The content of a field whose key was destroyed."""

    def __repr__(self) -> str:
        return "FORGOTTEN"


_ERASED: Final = _Erased()


class Sealed(Generic[T]):
    """A personal value of type T: plain in memory, a token in bytes, or forgotten."""

    __slots__ = ("_content", "_token")

    def __init__(self, value: T) -> None:
        """Hold a plain value, which is sealed when its event is written."""
        self._content: T | _Erased | None = value
        self._token: str | None = None

    @classmethod
    def of_token(cls, token: str) -> Sealed[T]:
        """Hold a token that no key has opened."""
        sealed = cls.__new__(cls)
        sealed._content = None  # noqa: SLF001 - its own class
        sealed._token = token  # noqa: SLF001 - its own class
        return sealed

    def opened(self, value: T) -> Sealed[T]:
        """The same token with its value beside it, in memory only."""
        sealed: Sealed[T] = Sealed.of_token(self.token)
        sealed._content = value
        return sealed

    def forgotten(self) -> Sealed[T]:
        """The same token, known to be unreadable for ever."""
        sealed: Sealed[T] = Sealed.of_token(self.token)
        sealed._content = _ERASED
        return sealed

    @property
    def value(self) -> T:
        """The plain value; raises `Forgotten` or `NotOpened`."""
        if self._content is _ERASED:
            raise Forgotten
        if self._content is None:
            raise NotOpened("open the fact with the keyring before reading personal fields")
        return cast("T", self._content)

    def or_else(self, default: T) -> T:
        """The plain value, or the default where it is forgotten or was not opened."""
        try:
            return self.value
        except (Forgotten, NotOpened):
            return default

    @property
    def is_forgotten(self) -> bool:
        """Whether the key has been destroyed."""
        return self._content is _ERASED

    @property
    def is_closed(self) -> bool:
        """Whether it is a token that no key has opened."""
        return self._content is None and self._token is not None

    @property
    def has_token(self) -> bool:
        """Whether the value has been sealed already."""
        return self._token is not None

    @property
    def token(self) -> str:
        """The text that stands in the bytes; raises `NotSealed` for a plain value."""
        if self._token is None:
            raise NotSealed("a personal value must be sealed before it is written")
        return self._token

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        if self._token is not None and other._token is not None:
            return self._token == other._token
        return bool(self._content == other._content)

    def __hash__(self) -> int:
        return hash(Sealed)

    def __repr__(self) -> str:
        return "Sealed(forgotten)" if self.is_forgotten else "Sealed(…)"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (inner,) = get_args(source)
        adapter: TypeAdapter[Any] = TypeAdapter(inner)

        def validate(
            value: Any, inner_validator: Callable[[Any], Any], info: core_schema.ValidationInfo
        ) -> Sealed[Any]:
            if isinstance(value, Sealed):
                return value
            reading = info.context
            if not isinstance(reading, DecryptionContext):
                in_json = info.mode == "json"
                return Sealed(_from_json(adapter, value, reading) if in_json else inner_validator(value))
            if not (isinstance(value, str) and value.startswith(PREFIX)):
                raise ValueError("a sealed token is expected")
            sealed: Sealed[Any] = Sealed.of_token(value)
            if reading.keys is None:
                return sealed
            token = SealedToken.parse(value)
            key = reading.keys[token.subject, token.generation]
            return (
                sealed.forgotten()
                if key is None
                else sealed.opened(_from_json(adapter, unseal(token, key, reading.event_id), reading))
            )

        return core_schema.with_info_wrap_validator_function(
            validate,
            handler.generate_schema(inner),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda sealed: sealed.token, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if handler.mode == "serialization":
            return {"type": "string", "pattern": "^s1:", "description": "sealed token"}
        return handler(schema)


Change = Callable[[str, str, Sealed[Any]], Sealed[Any]]
"""What is made of a sealed field: (path, subject of its key, content) -> content."""


def sealed_fields(model: BaseModel, home: UUID) -> Iterator[tuple[str, str, Sealed[Any]]]:
    """Each sealed field of an event as (path, subject of its key, content), in the order of the fields."""
    found: list[tuple[str, str, Sealed[Any]]] = []

    def note(path: str, owner: str, sealed: Sealed[Any]) -> Sealed[Any]:
        found.append((path, owner, sealed))
        return sealed

    _walk(model, f"home/{home}", "", note)
    yield from found


def map_sealed(model: M, home: UUID, change: Change) -> M:
    """The model with `change(path, subject, content)` in place of each sealed field."""
    return cast("M", _walk(model, f"home/{home}", "", change))


def to_json(value: Any, shown: Callable[[Sealed[Any]], Any]) -> Any:
    """A model or another value as JSON, with `shown` of each sealed part; sets in the order of their texts."""
    if isinstance(value, Sealed):
        return to_json(shown(value), shown)
    if isinstance(value, BaseModel):
        return {name: to_json(getattr(value, name), shown) for name in type(value).model_fields}
    if isinstance(value, (tuple, list)):
        return [to_json(item, shown) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_json(item, shown) for item in value), key=str)
    if isinstance(value, dict):
        return {str(key): to_json(item, shown) for key, item in value.items()}
    return _jsonable(value)


def _walk(value: Any, owner: str, path: str, change: Change) -> Any:
    if isinstance(value, Sealed):
        return change(path, owner, value)
    if isinstance(value, BaseModel):
        return _walk_model(value, owner, path, change)
    if isinstance(value, tuple):
        items = tuple(_walk(item, owner, f"{path}.{n}", change) for n, item in enumerate(value))
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        mapped = {key: _walk(item, owner, f"{path}.{key}", change) for key, item in value.items()}
        return mapped if any(mapped[key] is not value[key] for key in value) else value
    return value


def _walk_model(model: BaseModel, owner: str, path: str, change: Change) -> BaseModel:
    changes: dict[str, Any] = {}
    for name, owned_by in _may_hold_sealed(type(model)):
        held = getattr(model, name)
        if held is None:
            continue
        person = None if owned_by is None else getattr(model, owned_by)
        below = owner if person is None else f"person/{person}"
        new = _walk(held, below, f"{path}.{name}" if path else name, change)
        if new is not held:
            changes[name] = new
    return model.model_copy(update=changes) if changes else model


@cache
def _may_hold_sealed(cls: type[BaseModel]) -> tuple[tuple[str, str | None], ...]:
    """The fields of a model class that are sealed at any depth, each with the field that names its owner."""
    return tuple(
        (name, next((mark.field for mark in field.metadata if isinstance(mark, OwnedBy)), None))
        for name, field in cls.model_fields.items()
        if _mentions_sealed(field.annotation)
    )


def _mentions_sealed(annotation: Any) -> bool:
    if annotation is Any or getattr(annotation, "__origin__", None) is Sealed:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_may_hold_sealed(annotation))
    return any(_mentions_sealed(part) for part in get_args(annotation))


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as it is used: 32 bytes, of a subject and a generation."""

    subject: str
    generation: int
    secret: bytes


def seal(value: Any, key: DataKey, event_id: UUID, path: str) -> str:
    """Encrypt a plain value for one field of one event, and return its token."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_jsonable).encode()
    text += b" " * (-len(text) % BLOCK)
    nonce = os.urandom(12)
    ciphertext = AESGCM(key.secret).encrypt(nonce, text, _associated(event_id, path))
    return str(SealedToken(key.subject, key.generation, path, nonce, ciphertext))


def unseal(token: SealedToken, key: DataKey, event_id: UUID) -> Any:
    """Decrypt a token to the JSON value that was sealed; raises `TamperedToken` if it was altered or moved."""
    try:
        plain = AESGCM(key.secret).decrypt(token.nonce, token.ciphertext, _associated(event_id, token.path))
    except InvalidTag as error:
        raise TamperedToken("this token was altered, or belongs to another event or field") from error
    return json.loads(plain)


def seal_model(model: M, home: UUID, event_id: UUID, keys: Mapping[str, DataKey]) -> M:
    """The event with every field sealed under the key of its owner.

    A value that was opened from another event is sealed anew, since a token belongs to its event. A token that no key
    has opened, or whose key is destroyed, stays as it is.
    """

    def one(path: str, subject: str, sealed: Sealed[Any]) -> Sealed[Any]:
        if sealed.is_forgotten or sealed.is_closed:
            return sealed
        # A path names a field of a model; it must not break the token's own punctuation.
        safe = path.replace(":", "_")
        return Sealed.of_token(seal(sealed.value, keys[subject], event_id, safe)).opened(sealed.value)

    return map_sealed(model, home, one)


def key_ids_in(body: bytes) -> set[tuple[str, int]]:
    """The (subject, key generation) of every token in an event's bytes, so that all keys are fetched at once."""
    # Behind a backslash a quotation mark begins no text; a lookbehind would be looked for at every byte.
    return {(m[1].decode(), int(m[2])) for m in _TOKEN_HEAD.finditer(body) if body[m.start() - 1 : m.start()] != b"\\"}


def _from_json(adapter: TypeAdapter[Any], value: Any, context: object = None) -> Any:
    """A parsed JSON value in its field's type: a function validator sees Python objects, which strict mode would refuse."""
    try:
        return adapter.validate_json(json.dumps(value), strict=True, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PydanticCustomError(
            "sealed", "{why}", {"why": f"{where}: {first['msg']}" if where else first["msg"]}
        ) from None


def _associated(event_id: UUID, path: str) -> bytes:
    return event_id.bytes + path.encode()


def _jsonable(value: Any) -> Any:
    return _JSON.dump_python(value, mode="json")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
