"""The body of a form is counted as it comes, whatever its headers say of its length."""

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from services.console.routing import bounded, read_form

LIMIT = 1_000


class Body:
    """A body without an end: chunks of a hundred bytes, and how many were asked for."""

    def __init__(self) -> None:
        self.chunks = 0

    async def receive(self) -> Message:
        self.chunks += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}


def asking(body: Body, **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": pairs}, body.receive)


@pytest.mark.parametrize("headers", [{"transfer_encoding": "chunked"}, {"content_length": "100"}, {}])
async def test_a_body_is_read_to_its_limit_alone(headers: dict[str, str]) -> None:
    """Given more than the limit, however it is announced, then 413, and no chunk is asked for after the one that was too much."""
    body = Body()
    with pytest.raises(HTTPException) as refused:
        await bounded(asking(body, **headers), LIMIT, "This form is too large.").body()
    assert (refused.value.status_code, refused.value.detail, body.chunks) == (413, "This form is too large.", 11)


async def test_a_length_above_the_limit_is_refused_unread() -> None:
    """Given an honest length that is too much, nothing is read."""
    body = Body()
    with pytest.raises(HTTPException) as refused:
        bounded(asking(body, content_length="1001"), LIMIT, "This form is too large.")
    assert (refused.value.status_code, body.chunks) == (413, 0)


def sent_as(content_type: str) -> Request:
    """Return a form of one field, whose media type is this."""
    body = b'--b\r\nContent-Disposition: form-data; name="words"\r\n\r\nb-cher\r\n--b--\r\n'

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize("charset", ["punycode", "undefined", "unicode_escape", "utf-16", "utf\0"])
async def test_a_form_in_another_encoding_is_refused_undecoded(charset: str) -> None:
    """Given an encoding that takes quadratic time, knows no text or makes lone surrogates, nothing is decoded by it."""
    with pytest.raises(HTTPException) as refused:
        await read_form(sent_as(f"multipart/form-data; boundary=b; charset={charset}"))
    assert refused.value.status_code == 415


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"'])
async def test_a_form_in_utf_8_is_read(charset: str) -> None:
    """Given no encoding, as browsers send it, or UTF-8, the form is read."""
    assert await read_form(sent_as(f"multipart/form-data; boundary=b{charset}")) == {"words": ["b-cher"]}
