"""No body that a client sends holds an API's event loop, and none is answered with what it said."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from time import process_time
from typing import Any
from uuid import uuid4

import pytest
from fastapi import Request
from starlette.exceptions import HTTPException

from services.system.registry import COLLECTIONS
from shared.api.bodies import MAX_DEPTH, MAX_VALUES, check_body
from shared.api.parameters import AS_OF
from shared.api.problems import MAX_ERRORS, Malformed, malformed_response
from shared.api.request import check_parameters, read_command
from shared.domain.messages import Command
from shared.domain.service import Service

LIMIT = 262_144
DECIDING = tuple(COLLECTIONS)


def service(name: str) -> Service[Any]:
    found: Service[Any] = import_module(f"services.{name}.service").service
    return found


def request_with(body: bytes, *, content_type: str = "application/json", query: str = "") -> Request:
    """Return a request as the server hands it over, its body in portions."""
    portions = [body[n : n + 65_536] for n in range(0, len(body), 65_536)] or [b""]

    async def receive() -> dict[str, Any]:
        portion = portions.pop(0)
        return {"type": "http.request", "body": portion, "more_body": bool(portions)}

    headers = [(b"content-type", content_type.encode())] if content_type else []
    scope = {"type": "http", "method": "POST", "headers": headers, "query_string": query.encode()}
    return Request(scope, receive)


def filled(head: str, item: Callable[[int], str], tail: str) -> bytes:
    """Return a body of as many items as the limit on its size lets through."""
    text, n = head, 0
    parts, size = [head], len(head) + len(tail)
    while size + len(text := item(n)) + 1 < LIMIT:
        parts.append(text + ",")
        size += len(text) + 1
        n += 1
    return ("".join(parts).rstrip(",") + tail).encode()


BREACH = '{"type":"ReferBreach","grounds":"g","condition_ids":['
VARY = '{"type":"VaryConditions","consent":true,"why":"w","changes":['
SCORE = (
    '{"type":"ScoreGravity","offence_score":1,"final_score":1,"matrix_version":"1","mitigating":["m"],"aggravating":['
)
CORRECT = f'{{"type":"CorrectRecord","corrects":"{uuid4()}","field":"offence.code","why":"w","value":'

HOSTILE: dict[str, bytes] = {
    "many unknown fields": filled('{"type":"WithdrawAdmission",', lambda n: f'"f{n}":1', "}"),
    "one field many times": filled('{"type":"WithdrawAdmission",', lambda _: '"f":1', "}"),
    "pairs of equal fields": filled('{"type":"WithdrawAdmission",', lambda n: f'"f{n // 2}":1', "}"),
    "fields whose names are long": filled('{"type":"WithdrawAdmission",', lambda n: f'"{n:0>900}":1', "}"),
    "many ids that are none": filled(BREACH, lambda _: "1", "]}"),
    "many ids": filled(BREACH, lambda n: f'"{n:0>8x}-0000-4000-8000-000000000000"', "]}"),
    "many changes": filled(VARY, lambda _: "{}", "]}"),
    "many factors": filled(SCORE, lambda _: '"a"', "]}"),
    "many reasons": filled('{"type":"WithdrawAdmission","rationale":{', lambda n: f'"R{n}":"r"', "}}"),
    "a wide value": filled(f"{CORRECT}[", lambda _: "0", "]}"),
    "a value of many objects": filled(f"{CORRECT}[", lambda _: '{"a":{}}', "]}"),
    "a value of many lists": filled(f"{CORRECT}[", lambda _: "[[]]", "]}"),
    "a comb": filled(f"{CORRECT}[", lambda _: "[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]", "]}"),
    "lists in lists": b"[" * LIMIT,
    "objects in objects": b'{"a":' * (LIMIT // 5),
    "lists in lists, closed": CORRECT.encode() + b"[" * 900 + b"]" * 900 + b"}",
    "a number of many digits": CORRECT.encode() + b"9" * 200_000 + b"}",
    "numbers of many digits": filled(f"{CORRECT}[", lambda _: "9" * 4_000, "]}"),
    "a vast exponent": b'{"type":"RecordConditionAttendance","hours_credited":1e99999}',
    "many vast exponents": filled(f"{CORRECT}[", lambda _: "1e99999", "]}"),
    "a text without end": CORRECT.encode() + b'"' + b"a" * 260_000,
    "a type of many letters": b'{"type":"' + b"A" * 260_000 + b'"}',
    "spaces": b" " * 262_000,
    "no text in UTF-8": b"\xff" * 262_000,
}
LONG: dict[str, bytes] = {
    "a fraction of many digits": CORRECT.encode() + b"0." + b"9" * 200_000 + b"}",
    "a text of escapes": CORRECT.encode() + b'"' + b"\\u0041" * 40_000 + b'"}',
    "a text of backslashes": CORRECT.encode() + b'"' + b"\\\\" * 120_000 + b'"}',
    "a code of letters that unfold": CORRECT.encode() + '"{}"}}'.format("\ufdfa" * 80_000).encode(),
}
"""Commands as long as can be, whose texts a rule judges."""


async def refusal_of(name: str, body: bytes) -> Malformed:
    with pytest.raises(Malformed) as raised:
        await read_command(request_with(body), service(name), LIMIT, datetime.now(UTC))
    return raised.value


def quickest(work: Callable[[], Any]) -> float:
    """Measure the least of five spans of processor time in seconds, which other processes hardly touch."""
    durations = []
    for _ in range(5):
        begun = process_time()
        work()
        durations.append(process_time() - begun)
    return min(durations)


@pytest.mark.parametrize("body", [*HOSTILE.values(), *LONG.values()], ids=[*HOSTILE, *LONG])
def test_a_hostile_body_costs_a_small_multiple_of_parsing_plain_json(body: bytes) -> None:
    """Given any body up to the limit, reading and judging its shape takes at most 12 times as long as Python's own parser
    takes for a list of numbers of the same size."""
    assert len(body) <= LIMIT
    disposal = service("disposal")
    plain = b"[" + b"0," * (LIMIT // 2 - 1) + b"0]"

    def read() -> None:
        # Every portion is there, so the coroutine ends at its first step.
        with pytest.raises((Malformed, StopIteration)) as raised:
            read_command(request_with(body), disposal, LIMIT, datetime.now(UTC)).send(None)
        if isinstance(raised.value, Malformed):
            malformed_response(raised.value)

    assert quickest(read) < 12 * quickest(lambda: json.loads(plain))


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_body_is_answered_with_few_words(body: bytes) -> None:
    """Given any body up to the limit, the answer names at most twenty fields and counts the rest."""
    answer = malformed_response(await refusal_of("disposal", body))
    assert answer.status_code == 422
    assert len(answer.body) < 8_000
    assert 1 <= len(json.loads(bytes(answer.body))["errors"]) <= MAX_ERRORS + 1


async def test_a_name_that_stands_as_a_field_is_not_said_again() -> None:
    """Given a person's name where a field's belongs, the refusal holds it nowhere."""
    for body in (
        {"type": "WithdrawAdmission", "Jamie Smith": 1},
        {"type": "WithdrawAdmission", "rationale": {"Jamie Smith": 1}},
        {"type": "WithdrawAdmission", "rationale": {"Jamie Smith": "because"}},
        {"type": "WithdrawAdmission", "rationale": {"R12": {"Jamie Smith": 1}}},
    ):
        answer = malformed_response(await refusal_of("disposal", json.dumps(body).encode()))
        assert b"Jamie" not in answer.body, answer.body
        assert b"Smith" not in answer.body, answer.body


def test_depth_and_number_of_values_are_bounded_exactly() -> None:
    """A body at the limits of depth and number of values is accepted, and one beyond them is refused."""
    check_body(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(Malformed, match="levels deep"):
        check_body(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    check_body(json.dumps([0] * MAX_VALUES).encode())
    with pytest.raises(Malformed, match="values"):
        check_body(json.dumps([0] * (MAX_VALUES + 1)).encode())


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b'{"a": -Infinity}', b'"\xed\xa0\x80"', b"\xef\xbb\xbf{}"])
def test_what_only_python_takes_for_json_is_refused(body: bytes) -> None:
    """NaN, lone surrogates and byte order marks are refused, because they are no JSON (RFC 8259)."""
    with pytest.raises(Malformed):
        check_body(body)


async def test_a_lone_surrogate_is_refused() -> None:
    """A text with half of a pair cannot be written in UTF-8: it is refused with its field."""
    body = b'{"type":"RecordNonEngagement","why":"\\ud800"}'
    assert (await refusal_of("disposal", body)).errors


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", "text/json"]
)
async def test_another_media_type_than_json_is_refused_before_the_body_is_read(content_type: str) -> None:
    """A command is JSON and says so; a form that a foreign page sends is none (415)."""
    with pytest.raises(HTTPException) as raised:
        await read_command(
            request_with(b'{"type":"WithdrawAdmission"}', content_type=content_type),
            service("disposal"),
            LIMIT,
            datetime.now(UTC),
        )
    assert raised.value.status_code == 415
    assert "application/json" in raised.value.detail


async def test_the_media_type_may_name_its_charset() -> None:
    """`application/json; charset=utf-8` is JSON, in any case of letters."""
    request = request_with(b'{"type":"WithdrawAdmission"}', content_type="Application/JSON; charset=utf-8")
    command = await read_command(request, service("disposal"), LIMIT, datetime.now(UTC))
    assert isinstance(command, Command)


@pytest.mark.parametrize("query", ["&" * 60_000, "a&" * 30_000, "as_of=2026-01-01&" * 4_000])
def test_an_address_of_many_parameters_is_refused_at_once(query: str) -> None:
    """A URL with very many parameters is refused in linear time."""
    with pytest.raises(Malformed, match="more than"):
        check_parameters(request_with(b"", query=query), (AS_OF,))


@pytest.mark.parametrize(
    "name", [name for name in DECIDING if name != "people"]
)  # none of its commands is without fields
async def test_a_rationale_stands_under_the_id_of_a_rule_and_nothing_else(name: str) -> None:
    """A rationale accepts only ids of the service's own rules as keys, because keys are stored in clear."""
    book = service(name).decider.rules
    command = next(
        command
        for command in service(name).commands
        if not any(field.is_required() for field in command.model_fields.values())
    )
    for key in ("Jamie Smith", "Jamie", "JAMIE", "jamie@example.org", "", "r12", "Z999", "07700900123"):
        body = json.dumps({"type": command.__name__, "rationale": {key: "because"}}).encode()
        error = await refusal_of(name, body)
        assert [field for field, _ in error.errors] == ["rationale"] or key == "", error
        assert key == "" or key not in str(error)
    body = json.dumps({"type": command.__name__, "rationale": dict.fromkeys(sorted(book.ids)[:40], "because")}).encode()
    assert (await read_command(request_with(body), service(name), LIMIT, datetime.now(UTC))).rationale
