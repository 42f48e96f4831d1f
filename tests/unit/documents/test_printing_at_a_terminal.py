"""`ooc document`: a document asked for over HTTP by its stream and name. The server is a real one."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.console.case import NotFound, printed
from services.console.client import NoAnswer
from tests.unit.console.test_console_http import client, serving

STREAM = f"disposal/{UUID(int=1)}"


def test_a_document_comes_as_it_was_sent() -> None:
    """The bytes of the answer are the document's, asked for by name and language."""
    with serving((200, "%PDF", {"Content-Type": "application/pdf"})) as (url, told):
        assert printed(client(url), STREAM, "ycc", "cy", "SUPERVISOR") == b'"%PDF"'
        assert [path for _, path, _, _ in told.asked] == [f"/v1/disposals/{UUID(int=1)}/documents/ycc?lang=cy"]


def test_why_there_is_no_document_yet_is_said() -> None:
    """The API's sentence reaches the terminal."""
    with (
        serving((409, {"detail": "Propose a condition first."})) as (url, _),
        pytest.raises(NoAnswer, match="Propose a condition first"),
    ):
        printed(client(url), STREAM, "ycc", "en", "SUPERVISOR")


@pytest.mark.parametrize("stream", ["disposal", "x/y", "prison/00000000-0000-0000-0000-000000000001"])
def test_what_is_no_stream_is_said(stream: str) -> None:
    """A stream is a service and an id, and nothing is asked of anybody otherwise."""
    with serving((200, {})) as (url, told):
        with pytest.raises(NotFound, match="no stream"):
            printed(client(url), stream, "ycc", "en", "SUPERVISOR")
        assert told.asked == []
