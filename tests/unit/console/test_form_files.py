"""The file of a document: what the form says by it, and that it is read past, never kept, and from its own session alone."""

import tempfile
from hashlib import sha256

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from services.console.forms.fields import Drawing, FieldProblem, command_of, fields_of
from services.console.forms.files import MISSING, UNKNOWN, in_words, kind_of, read_with_file, with_file
from services.console.routing import MAX_BODY, NOT_DRAWN, TOO_LARGE
from services.console.sessions import Session, Tokens
from services.referral.service import service
from shared.api.command_schemas import standalone_schemas

SESSION = Session("key", "person", "SUPERVISOR", "YJS", "DORSET", Tokens("token", 2e9, None), csrf="own")
SCAN = b"\xff\xd8\xff\r\n--not the end" * 60_000
OWN = ('name="csrf"', b"own")
FILE = ('name="file"; filename="Statement.PDF"\r\nContent-Type: text/x-odd', SCAN)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SCHEMA = standalone_schemas(service)["AttachDocument"]


class Sent:
    """A form as a browser sends it, whose bytes are counted as they are read."""

    def __init__(self, *parts: tuple[str, bytes]) -> None:
        heads = (
            b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (head.encode(), data) for head, data in parts
        )
        self._body = b"".join(heads) + b"--b--\r\n"
        self.read = 0

    async def receive(self) -> Message:
        piece = self._body[self.read : self.read + 65_536]
        self.read += len(piece)
        return {"type": "http.request", "body": piece, "more_body": self.read < len(self._body)}

    @property
    def request(self) -> Request:
        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, self.receive)


async def test_a_file_answers_the_form_and_reaches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file larger than what is kept in memory, where no disk can be written, its digest, kind and name are the answers."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    earlier = (('name="sha256"', b"0" * 64), ('name="media_type"', b"text/csv"), ('name="title"', b" "))
    assert await read_with_file(Sent(OWN, *earlier, FILE).request, SESSION) == {
        "csrf": ["own"],
        "sha256": [sha256(SCAN).hexdigest()],
        "media_type": ["application/pdf"],
        "title": ["Statement.PDF"],
    }


async def test_without_a_file_the_answers_stay() -> None:
    """Given a form that was sent before, and no file chosen now, what the earlier file answered stays, and so does a title."""
    parts = (OWN, ('name="sha256"', b"0" * 64), ('name="title"', b"Letter"), ('name="file"; filename=""', b""))
    answers = await read_with_file(Sent(*parts).request, SESSION)
    assert answers == {"csrf": ["own"], "sha256": ["0" * 64], "title": ["Letter"]}


@pytest.mark.parametrize("parts", [[FILE, OWN], [('name="csrf"', b"another"), FILE]])
async def test_a_file_of_another_site_is_not_read(parts: list[tuple[str, bytes]]) -> None:
    """Given a file that comes before the form has shown to be the session's own, it is refused at the file's first bytes."""
    sent = Sent(*parts, FILE)
    with pytest.raises(HTTPException, match=NOT_DRAWN):
        await read_with_file(sent.request, SESSION)
    assert sent.read < 100_000


@pytest.mark.parametrize(
    ("parts", "session"),
    [([OWN, *[(f'name="x{n}"', b"x" * (MAX_BODY // 2)) for n in range(3)]], SESSION), ([OWN, FILE], None)],
    ids=["texts", "nobody"],
)
async def test_no_more_is_read_than_a_form_may_have(parts: list[tuple[str, bytes]], session: Session | None) -> None:
    """Given texts that together are too much, or a file from nobody who has signed in, the form is refused at its limit."""
    sent = Sent(*parts, FILE)
    with pytest.raises(HTTPException, match=TOO_LARGE):
        await read_with_file(sent.request, session)
    assert sent.read < MAX_BODY + 100_000


@pytest.mark.parametrize(
    ("name", "told", "kind"),
    [
        ("a.csv", "application/vnd.ms-excel", "text/csv"),
        ("a.docx", DOCX, DOCX),
        ("a.wav", "audio/wav", "audio/wav"),
        ("a.exe", "application/x-msdownload", "application/x-msdownload"),
    ],
)
def test_the_kind_of_a_file_is_that_of_its_name(name: str, told: str, kind: str) -> None:
    """Given a name that tells the kind, the browser's word does not matter; else it is taken, and judged with the form."""
    assert kind_of(name, told) == kind


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [({}, MISSING), ({"sha256": ["0" * 64], "media_type": ["application/x-msdownload"]}, UNKNOWN)],
)
def test_what_is_wrong_with_the_file_is_said_there(answers: dict[str, list[str]], sentence: str) -> None:
    """Given no file, or one of a kind that nobody hands in, one sentence at the file says so, and none speaks of digests."""
    fields = with_file(fields_of(SCHEMA, Drawing(SCHEMA["$defs"])))
    _, wrong = command_of(fields, answers)
    assert in_words(wrong, answers) == [
        FieldProblem("sha256", sentence),
        FieldProblem("document_id", "Fill in “Document”"),
    ]
