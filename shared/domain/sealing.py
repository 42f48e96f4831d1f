"""Encryption of personal fields, the basis of crypto-shredding: plain values in memory only, tokens everywhere else.

A field of type `Sealed[str]` has one of three contents: a plain value (from a command, or decrypted), a token (as in the
bytes of an event), or nothing because its key was destroyed (forgotten). Pydantic serialises tokens only; a plain value
raises `NotSealed`. So no personal value can be written by accident.

A token is `s1:SUBJECT:GENERATION:PATH:NONCE:CIPHERTEXT`, the last two in base64url. The cipher is AES-256-GCM (NIST
SP 800-38D) with a random nonce of 96 bits. The associated data are the id of the event and the path, so a token moved to
another event or field cannot be decrypted. The plaintext is JSON, padded with spaces to a multiple of 64 bytes to hide
its length. An upcaster may move a token to another field without decryption: the path inside the token stays.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, Generic, TypeVar, cast, get_args
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.domain.remedies import remedy_of

T = TypeVar("T")
D = TypeVar("D")
M = TypeVar("M", bound=BaseModel)

PREFIX: Final = "s1:"
BLOCK: Final = 64
_JSON: Final[TypeAdapter[Any]] = TypeAdapter(Any)
_OF_JSON: Final = frozenset({str, int, bool})
"""The types of which a value is its own JSON; an enumeration of texts is another type."""
_TOKEN_HEAD: Final = re.compile(rb'"s1:([^":]+):(\d+):')


class NotSealed(Exception):
    """An attempt to encode an event with a personal value that is not sealed."""


class NotOpened(Exception):
    """An attempt to read a sealed value before its decryption."""


class Forgotten(Exception):
    """A value whose key was destroyed, so that nobody can read it."""


class TamperedToken(ValueError):
    """A token that is malformed, was moved to another event or field, or was altered."""


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Annotation of a sealed field: `field` of the same model holds the id of the person whose key seals it.

    Without this annotation, or if that field is empty, the key of the home of the stream is used.
    """

    field: str


class FieldClass(StrEnum):
    """Base of an enumeration of classes of sealed fields, by which roles are allowed to read them.

    A member annotates a field of an event, as in `Annotated[Sealed[str], Personal.NARRATIVE]`. It holds for everything
    inside the field that has no class of its own.
    """


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A sealed value in the bytes of an event: nonce of 12 bytes, ciphertext with its tag of 16 bytes."""

    subject: str
    generation: int
    path: str
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, text: str) -> SealedToken:
        """Parse the text of a token. Raises `TamperedToken`."""
        try:
            version, subject, generation, path, nonce, ciphertext = text.split(":")
            if version != PREFIX[:-1]:
                raise ValueError(version)
            return cls(subject, int(generation), path, _unb64(nonce), _unb64(ciphertext))
        except ValueError as error:
            raise TamperedToken("this is no sealed token of version s1: restore the event from a backup") from error

    def __str__(self) -> str:
        return f"{PREFIX}{self.subject}:{self.generation}:{self.path}:{_b64(self.nonce)}:{_b64(self.ciphertext)}"


@dataclass(frozen=True, slots=True)
class DecryptionContext:
    """The validation context for the bytes of an event, in which every sealed field is a token.

    With keys, tokens are decrypted; a key of None means that it was destroyed. Without keys, tokens stay closed.
    Without this context (a command, a test), a sealed field must be a plain value.
    """

    event_id: UUID
    keys: Mapping[tuple[str, int], DataKey | None] | None = None


CLOSED: Final = DecryptionContext(UUID(int=0))
"""The context of a reading without keys, in which no token is decrypted and the id of the event plays no part."""


class _Erased:
    """The content of a field whose key was destroyed."""

    def __repr__(self) -> str:
        return "FORGOTTEN"


_ERASED: Final = _Erased()


class Sealed(Generic[T]):
    """A personal value of type T: plain, a token, or forgotten."""

    __slots__ = ("_content", "_token")

    def __init__(self, value: T) -> None:
        """Wrap a plain value, to be sealed when its event is encoded."""
        self._content: T | _Erased | None = value
        self._token: str | None = None

    @classmethod
    def of_token(cls, token: str) -> Sealed[T]:
        """Wrap the text of a token; its value stays closed until it is decrypted."""
        sealed = cls.__new__(cls)
        sealed._content = None  # noqa: SLF001 - its own class
        sealed._token = token  # noqa: SLF001 - its own class
        return sealed

    def with_value(self, value: T) -> Sealed[T]:
        """Copy the token with its decrypted value, in memory only."""
        sealed: Sealed[T] = Sealed.of_token(self.token)
        sealed._content = value
        return sealed

    def as_forgotten(self) -> Sealed[T]:
        """Copy the token as forgotten: its key was destroyed."""
        sealed: Sealed[T] = Sealed.of_token(self.token)
        sealed._content = _ERASED
        return sealed

    @property
    def value(self) -> T:
        """The plain value. Raises `Forgotten` or `NotOpened`."""
        if self._content is _ERASED:
            raise Forgotten
        if self._content is None:
            raise NotOpened("this value is not decrypted: open the record with the keyring first")
        return cast("T", self._content)

    def or_else(self, default: D) -> T | D:
        """Return the plain value, or the default if it is forgotten or not decrypted."""
        try:
            return self.value
        except (Forgotten, NotOpened):
            return default

    @property
    def is_forgotten(self) -> bool:
        """Whether the key of the value was destroyed, so that nobody can read it."""
        return self._content is _ERASED

    @property
    def is_closed(self) -> bool:
        """Whether this is a token whose value is not decrypted."""
        return self._content is None and self._token is not None

    @property
    def has_token(self) -> bool:
        """Whether the value has been sealed, so that there is a token of it."""
        return self._token is not None

    @property
    def token(self) -> str:
        """The text of the token. Raises `NotSealed` for a plain value."""
        if self._token is None:
            raise NotSealed("a personal value is not encrypted: seal its event before writing it")
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
            context = info.context
            if context is CLOSED and type(value) is str and value.startswith(PREFIX):
                return Sealed.of_token(value)  # as nearly always
            if isinstance(value, Sealed):
                return value
            if not isinstance(context, DecryptionContext):
                in_json = info.mode == "json"
                return Sealed(_from_json(adapter, value, context) if in_json else inner_validator(value))
            if not (isinstance(value, str) and value.startswith(PREFIX)):
                raise ValueError("a sealed token is expected here: send no plain value")
            sealed: Sealed[Any] = Sealed.of_token(value)
            if context.keys is None:
                return sealed
            token = SealedToken.parse(value)
            key = context.keys[token.subject, token.generation]
            return (
                sealed.as_forgotten()
                if key is None
                else sealed.with_value(_from_json(adapter, unseal(token, key, context.event_id), context))
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
        return {**handler(schema), "x-sealed": True}


Change = Callable[[str, str, Sealed[Any]], Sealed[Any]]
"""A replacement of a sealed field: (path, subject of its key, content) -> new content."""


def sealed_fields(model: BaseModel, home: UUID) -> Iterator[tuple[str, str, Sealed[Any]]]:
    """Yield each sealed field of an event as (path, subject of its key, content), in the order of the fields."""
    fields: list[tuple[str, str, Sealed[Any]]] = []

    def collect(path: str, owner: str, sealed: Sealed[Any]) -> Sealed[Any]:
        fields.append((path, owner, sealed))
        return sealed

    _walk(model, f"home/{home}", "", collect)
    yield from fields


def map_sealed(model: M, home: UUID, change: Change) -> M:
    """Copy a model with `change(path, subject, content)` in place of each sealed field."""
    return cast("M", _walk(model, f"home/{home}", "", change))


def to_json(value: Any, show: Callable[[Sealed[Any]], Any]) -> Any:
    """Convert a model or another value to JSON, with `show` of each sealed part. Sets are sorted as texts."""
    if isinstance(value, Sealed):
        return to_json(show(value), show)
    if isinstance(value, BaseModel):
        return {name: to_json(getattr(value, name), show) for name in type(value).model_fields}
    if isinstance(value, (tuple, list)):
        return [to_json(item, show) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_json(item, show) for item in value), key=str)
    if isinstance(value, dict):
        return {str(key): to_json(item, show) for key, item in value.items()}
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
        content = getattr(model, name)
        if content is None:
            continue
        person = None if owned_by is None else getattr(model, owned_by)
        inner_owner = owner if person is None else f"person/{person}"
        new = _walk(content, inner_owner, f"{path}.{name}" if path else name, change)
        if new is not content:
            changes[name] = new
    return model.model_copy(update=changes) if changes else model


@cache
def _may_hold_sealed(cls: type[BaseModel]) -> tuple[tuple[str, str | None], ...]:
    """List the fields of a model class with a sealed part at any depth, each with the field of its owner."""
    return tuple(
        (name, next((mark.field for mark in field.metadata if isinstance(mark, OwnedBy)), None))
        for name, field in cls.model_fields.items()
        if mentions_sealed(field.annotation)
    )


def mentions_sealed(annotation: Any) -> bool:
    """Tell whether a type has a sealed part at any depth, or may have any part."""
    if annotation is Any or getattr(annotation, "__origin__", None) is Sealed:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_may_hold_sealed(annotation))
    return any(mentions_sealed(part) for part in get_args(annotation))


@cache
def field_class(cls: type[BaseModel], path: str) -> FieldClass | None:
    """Find the class of a field at a dotted path: the innermost annotation on the way to it. None if there is none."""
    name, *rest = (part for part in path.split(".") if not part.isdigit())
    field = cls.model_fields.get(name)
    if field is None:
        return None
    declared = next((mark for mark in field.metadata if isinstance(mark, FieldClass)), None)
    models = [part for part in types_in(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    inner = [field_class(model, ".".join(rest)) for model in models] if rest else []
    return next((innermost for innermost in inner if innermost is not None), declared)


def types_in(annotation: Any) -> Iterator[Any]:
    """Yield a type, and each type that it is written with at any depth: of a union, a list, a sealed value."""
    yield annotation
    for part in get_args(annotation):
        yield from types_in(part)


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in clear: 32 bytes, for one subject and generation."""

    subject: str
    generation: int
    secret: bytes


def seal(value: Any, key: DataKey, event_id: UUID, path: str) -> str:
    """Encrypt a plain value for one field of one event. Returns the text of its token."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_jsonable).encode()
    text += b" " * (-len(text) % BLOCK)
    nonce = os.urandom(12)
    ciphertext = AESGCM(key.secret).encrypt(nonce, text, _associated(event_id, path))
    return str(SealedToken(key.subject, key.generation, path, nonce, ciphertext))


def unseal(token: SealedToken, key: DataKey, event_id: UUID) -> Any:
    """Decrypt a token to its JSON value. Raises `TamperedToken` if it was altered or moved."""
    try:
        plain = AESGCM(key.secret).decrypt(token.nonce, token.ciphertext, _associated(event_id, token.path))
    except InvalidTag as error:
        raise TamperedToken(
            "this token was altered, or belongs to another event or field: restore the event from a backup"
        ) from error
    return json.loads(plain)


def seal_model(model: M, home: UUID, event_id: UUID, keys: Mapping[str, DataKey]) -> M:
    """Seal every personal field of an event under the key of its owner. Raises KeyError for a missing key.

    A value that was decrypted from another event is encrypted again, since a token belongs to one event. Closed and
    forgotten tokens stay unchanged.
    """

    def seal_field(path: str, subject: str, sealed: Sealed[Any]) -> Sealed[Any]:
        if sealed.is_forgotten or sealed.is_closed:
            return sealed
        # A colon in the path would break the format of the token.
        safe = path.replace(":", "_")
        return Sealed.of_token(seal(sealed.value, keys[subject], event_id, safe)).with_value(sealed.value)

    return map_sealed(model, home, seal_field)


def key_ids_in(body: bytes) -> set[tuple[str, int]]:
    """Find the (subject, generation) of every token in the bytes of an event, to fetch all keys at once."""
    # An escaped quotation mark begins no token. A lookbehind in the pattern would be slower.
    return {(m[1].decode(), int(m[2])) for m in _TOKEN_HEAD.finditer(body) if body[m.start() - 1 : m.start()] != b"\\"}


def _from_json(adapter: TypeAdapter[Any], value: Any, context: object = None) -> Any:
    """Parse a JSON value in the type of its field.

    A function validator receives Python objects, which strict mode would refuse; so the value is encoded again.
    """
    try:
        return adapter.validate_json(json.dumps(value), strict=True, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PydanticCustomError(
            "sealed", "{why}", {"why": f"{where}: {remedy_of(first)}" if where else remedy_of(first)}
        ) from None


def _associated(event_id: UUID, path: str) -> bytes:
    return event_id.bytes + path.encode()


def _jsonable(value: Any) -> Any:
    return value if value is None or type(value) in _OF_JSON else _JSON.dump_python(value, mode="json")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
