"""Limits of the body of a command: its size, depth and number of values, checked in linear time before pydantic.

These limits also bound the cost of validation, of its error messages and of the digest of the request. So no request can
block the event loop.
"""

import json
from collections import Counter
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from shared.api.problems import Malformed

M = TypeVar("M", bound=BaseModel)

JSON: Final = "application/json"
MAX_DEPTH: Final = 16
"""Nested objects and lists; the deepest command has six levels."""
MAX_VALUES: Final = 5_000
"""Members of objects and items of lists together; the largest command has 1,300."""


async def read_body(request: Request, limit: int) -> bytes:
    """Read and check a JSON body of at most `limit` bytes. Raises `Malformed`, or `HTTPException` 415 for another media type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise HTTPException(415, f"send a command as JSON, with the header 'Content-Type: {JSON}'")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Malformed(("body", f"the body is larger than {limit} bytes: shorten the texts"))
    check_body(bytes(body))
    return bytes(body)


async def read_model(request: Request, kind: type[M], limit: int) -> M:
    """Read a body as a model. Raises `Malformed`, or `HTTPException` 415 for another media type."""
    return parse_model(kind, await read_body(request, limit))


def parse_model(kind: type[M], body: bytes) -> M:
    """Parse a body as a model. Raises `Malformed`."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def check_body(body: bytes) -> None:
    """Raise `Malformed` for a body that is no JSON, too deep or too large, or repeats a member of an object."""
    # Lists and objects cost Python's parser the most. No real text has as many brackets.
    if body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise _too_large()
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            repeated.extend(sorted(name for name, n in Counter(name for name, _ in pairs).items() if n > 1))
        return found

    try:
        document = json.loads(body.decode(), object_pairs_hook=members, parse_int=_number, parse_constant=_no_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Malformed(
            ("body", f"the body is not JSON in UTF-8 ({type(error).__name__}): correct its syntax")
        ) from error
    _measure(document)
    if repeated:
        raise Malformed(*((name, "this field is given twice: give it once") for name in repeated))


def _measure(document: Any) -> None:
    """Raise `Malformed` for a document with too many levels or values. Stops at the first excess."""
    depth, values, level = 0, 0, [document]
    while level := [value for value in level if isinstance(value, (dict, list))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        values += sum(map(len, level))
        if values > MAX_VALUES:
            raise _too_large()
        level = [item for node in level for item in (node.values() if isinstance(node, dict) else node)]


def _number(digits: str) -> int:
    # No number of a command has more digits, and int() takes quadratic time.
    if len(digits) > 30:
        raise Malformed(("body", "a number has more than 30 digits: correct it"))
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise Malformed(("body", f"{name} is no number in JSON (RFC 8259): correct it"))


def _too_deep() -> Malformed:
    return Malformed(("body", f"the body is nested more than {MAX_DEPTH} levels deep: send the fields of one command"))


def _too_large() -> Malformed:
    return Malformed(("body", f"the body has more than {MAX_VALUES} values: send the fields of one command"))
