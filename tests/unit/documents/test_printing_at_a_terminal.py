"""`ooc document`: a document asked for over HTTP. The server is a real one."""

from uuid import UUID

import pytest

from ooc.cases.reading import NotFound, fetch_document
from tests.unit.ooc.test_console_http import client, serving
from tools.client.http import NoAnswer

pytestmark = pytest.mark.slow

STREAM = f"disposal/{UUID(int=1)}"


def test_a_document_comes_as_it_was_sent() -> None:
    """The bytes of the answer are the document's, asked for by name and language."""
    with serving((200, "%PDF", {"Content-Type": "application/pdf"})) as (url, server):
        assert fetch_document(client(url), STREAM, "ycc", "cy", "SUPERVISOR") == b'"%PDF"'
        assert [path for _, path, _, _ in server.requests] == [f"/v1/disposals/{UUID(int=1)}/documents/ycc?lang=cy"]


def test_why_there_is_no_document_yet_is_said() -> None:
    """The API's sentence reaches the terminal."""
    with (
        serving((409, {"detail": "Propose a condition first."})) as (url, _),
        pytest.raises(NoAnswer, match="Propose a condition first"),
    ):
        fetch_document(client(url), STREAM, "ycc", "en", "SUPERVISOR")


@pytest.mark.parametrize("stream", ["disposal", "x/y", "prison/00000000-0000-0000-0000-000000000001"])
def test_what_is_no_stream_is_said(stream: str) -> None:
    """A stream is a service and an id, and nothing is asked of anybody otherwise."""
    with serving((200, {})) as (url, server):
        with pytest.raises(NotFound, match="no stream"):
            fetch_document(client(url), stream, "ycc", "en", "SUPERVISOR")
        assert server.requests == []
