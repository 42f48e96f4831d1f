"""The body of a command: read up to a limit, and looked over in linear time before pydantic sees it.

What a client sends must not hold the event loop: size, depth and number of values are bounded, so that everything
behind this (validation, its errors, the digest of the request) is bounded with them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

from shared.api.problems import Malformed

JSON: Final = "application/json"
MAX_DEPTH: Final = 16
"""Objects and lists within each other; the deepest command has six."""
MAX_VALUES: Final = 5_000
"""Members of objects and items of lists together; the largest command, a variation of a hundred conditions, has 1,300."""


async def read_body(request: Request, limit: int) -> bytes:
    """The bytes of a JSON body of at most `limit` bytes; raises `Malformed`, or `HTTPException` 415 for another type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise HTTPException(415, f"send a command as JSON, with the header 'Content-Type: {JSON}'")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Malformed(("body", f"the body is larger than {limit} bytes: shorten the texts"))
    return bytes(body)


def look_over(body: bytes) -> None:
    """Raise `Malformed` for what is no JSON, is too deep or too large, or names a member of an object twice."""
    # Python's parser takes most for lists and objects. Texts with as many brackets are none that people write.
    if body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise _too_large()
    survey = _Survey()
    try:
        document = json.loads(
            body.decode(), object_pairs_hook=survey.members, parse_int=_number, parse_constant=_no_constant
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Malformed(("body", f"the body is not JSON in UTF-8: {type(error).__name__}")) from error
    _measure(document)
    if survey.repeated:
        raise Malformed(*((name, "this field is given twice: give it once") for name in survey.repeated))


class _Survey:
    """Counts the members of every object while they are parsed, and notes the names that stand twice in one."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self._values = 0

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._values += 1 + len(pairs)
        if self._values > MAX_VALUES:
            raise _too_large()
        members = dict(pairs)
        if len(members) < len(pairs):
            self.repeated += sorted(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        return members


def _measure(document: Any) -> None:
    """Raise `Malformed` if a document is deeper or has more values than a command may; stops where it is sure."""
    depth, values, level = 0, 0, [document]
    while level := [value for value in level if isinstance(value, (dict, list))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        values += sum(map(len, level))
        if values > MAX_VALUES:
            raise _too_large()
        level = [item for held in level for item in (held.values() if isinstance(held, dict) else held)]


def _number(digits: str) -> int:
    # No number of a command has more digits; int() takes quadratic time for long ones.
    if len(digits) > 30:
        raise Malformed(("body", "a number has more than 30 digits: correct it"))
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise Malformed(("body", f"{name} is no number in JSON (RFC 8259): correct it"))


def _too_deep() -> Malformed:
    return Malformed(("body", f"the body is nested more than {MAX_DEPTH} levels deep: send the fields of one command"))


def _too_large() -> Malformed:
    return Malformed(("body", f"the body has more than {MAX_VALUES} values: send the fields of one command"))
