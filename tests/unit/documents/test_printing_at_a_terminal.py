"""`ooc document` and `ooc sign`: a document asked for over HTTP, and its signature recorded. The server is a real one."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from ooc.cases.reading import NotFound, fetch_document
from ooc.main import app
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


PDF = (200, "%PDF", {"Content-Type": "application/pdf"})
PAPER = b'"%PDF"'


def decided(disposal: str | None, *, here: bool | None = None, state: str = "DECIDED") -> tuple[int, dict[str, object]]:
    """Return the API's answer to a read of a case."""
    return 200, {"state": state, "disposal": disposal, "document_printed_here": here}


def sign(url: str, out: Path, *options: str, stream: str = STREAM, answer: str | None = None) -> Result:
    """`ooc sign` at a terminal where the answer is typed."""
    arguments = ["sign", stream, "--out", str(out), "--url", f"disposal={url}", *options]
    return CliRunner().invoke(app, arguments, input=answer, env={"OOC_ISSUER": url})


@pytest.mark.parametrize(("options", "answer"), [((), "y\n"), (("--signed",), None)])
def test_printing_signing_and_confirming_is_one_command(
    tmp_path: Path, options: tuple[str, ...], answer: str | None
) -> None:
    """Given a decided case, when its document is signed, then it is printed and the command names the SHA-256 of that file."""
    with serving(decided("YCC"), PDF, (201, {}), decided("YCC", here=True)) as (url, server):
        done = sign(url, tmp_path / "ycc.pdf", *options, answer=answer)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "ycc.pdf").read_bytes() == PAPER
    digest = sha256(PAPER).hexdigest()
    assert digest in done.output
    assert [(method, path) for method, path, _, _ in server.requests] == [
        ("GET", f"/v1/disposals/{UUID(int=1)}"),
        ("GET", f"/v1/disposals/{UUID(int=1)}/documents/ycc?lang=en"),
        ("POST", f"/v1/disposals/{UUID(int=1)}/commands"),
        ("GET", f"/v1/disposals/{UUID(int=1)}"),
    ]
    command = {"type": "SignDocument", "document_sha256": digest, "consent": True, "signed_by_child": True}
    assert json.loads(server.requests[2][3]) == command


def test_the_plan_of_a_deferral_is_signed_alike(tmp_path: Path) -> None:
    """Given a deferred prosecution, when its paper is signed, then it is the plan that is printed."""
    deferred = decided(None, here=True, state="DEFERRED")
    with serving(deferred, PDF, (201, {}), deferred) as (url, server):
        done = sign(url, tmp_path / "plan.pdf", "--signed")
    assert done.exit_code == 0, done.output
    assert server.requests[1][1] == f"/v1/disposals/{UUID(int=1)}/documents/deferral-plan?lang=en"


def test_what_is_not_signed_is_not_recorded(tmp_path: Path) -> None:
    """Given a printed document, when the child does not sign, then no command is sent and the exit code says so."""
    with serving(decided("YRD"), PDF) as (url, server):
        done = sign(url, tmp_path / "yrd.pdf", answer="n\n")
    assert done.exit_code == 1
    assert "Nothing is recorded" in done.output
    assert [method for method, *_ in server.requests] == ["GET", "GET"]


def test_a_case_that_changed_meanwhile_is_said(tmp_path: Path) -> None:
    """Given a condition proposed between printing and signing, when the signature is recorded, then the other paper is named."""
    with serving(decided("YCC"), PDF, (201, {}), decided("YCC", here=False)) as (url, _):
        done = sign(url, tmp_path / "ycc.pdf", "--signed")
    assert done.exit_code == 1
    assert "the case changed" in " ".join(done.output.split())


def test_a_refused_signature_and_an_undecided_case_are_said(tmp_path: Path) -> None:
    """The rule's sentence reaches the terminal; without a decision, and for another stream, there is nothing to sign."""
    refusal = (422, {"detail": "Refused by R9: The document must be signed.", "errors": []})
    with serving(decided("YC"), PDF, refusal) as (url, _):
        assert "Refused by R9" in str(sign(url, tmp_path / "yc.pdf", "--signed").exception)
    with serving(decided(None)) as (url, server):
        assert "no document to sign yet" in str(sign(url, tmp_path / "x.pdf").exception)
        assert "write disposal/ID" in str(sign(url, tmp_path / "x.pdf", stream=f"referral/{UUID(int=1)}").exception)
        assert len(server.requests) == 1
