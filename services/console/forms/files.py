"""The file of a document: it is read past, and its digest, kind and name answer the form. No byte of it is kept."""

import hmac
import mimetypes
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.console.forms.fields import Answers, Field, FieldProblem
from services.console.routing import CSRF, MAX_BODY, MAX_FIELDS, NOT_DRAWN, TOO_LARGE, Form, bounded, first, read_form
from services.console.sessions import Session
from services.trade.vocabulary import MediaType

COMMAND: Final = "AttachDocument"
DIGEST: Final = "sha256"
KIND: Final = "media_type"
TITLE: Final = "title"
MAX_FILE: Final = 100_000_000
"""The largest file in bytes: a piece of it at a time is in memory, and none on a disk."""
MISSING: Final = "Choose the file"
UNKNOWN: Final = (
    "Choose a file of another kind: a PDF, a text, a table, slides, a picture, a recording, a video, an e-mail or a ZIP"
)
_MEDIA_TYPE: Final[TypeAdapter[str]] = TypeAdapter(MediaType)


async def read_with_file(request: Request, session: Session | None = None) -> Form:
    """Read a form that may have a file; one larger than a form is taken only in a session, and after its form has shown to be of it.

    Raises `HTTPException` if it is too large, malformed or drawn for another.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await read_form(request)
    too_large = f"The file is larger than {MAX_FILE // 1_000_000} MB." if session else TOO_LARGE
    stream = bounded(request, MAX_FILE if session else MAX_BODY, too_large).stream()
    try:
        form = await _Reader(request.headers, stream, session.csrf if session else None).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            fields.setdefault(name, []).append(value)
    for file in form.values():
        if isinstance(file, _Digested) and file.filename:
            fields |= {DIGEST: [file.digest.hexdigest()], KIND: [kind_of(file.filename, file.content_type or "")]}
            if not first(fields, TITLE).strip():
                fields[TITLE] = [file.filename]
    return fields


class _Digested(UploadFile):
    """A file of which the digest is kept, and no byte."""

    def __init__(self, file: UploadFile) -> None:
        file.file.close()
        super().__init__(file.file, filename=file.filename, headers=file.headers)
        self.digest = sha256()

    async def write(self, data: bytes) -> None:
        self.digest.update(data)

    async def seek(self, offset: int) -> None:
        """Stay: nothing was written."""


class _Reader(MultiPartParser):
    """Reads the texts of a form up to their limit, and a file after the form has shown whose it is."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], csrf: str | None) -> None:
        super().__init__(headers, stream, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_BODY)
        self._csrf = csrf
        self._left = MAX_BODY

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if file := self._current_part.file:
            shown = str(dict(self.items).get(CSRF, ""))
            if self._csrf is not None and not hmac.compare_digest(shown.encode(), self._csrf.encode()):
                raise HTTPException(403, NOT_DRAWN)
            self._current_part.file = _Digested(file)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._left -= end - start
        if self._left < 0:
            raise HTTPException(413, TOO_LARGE)
        super().on_part_data(data, start, end)


def kind_of(name: str, declared: str) -> str:
    """Return the media type of a file by its name; else what the browser tells, which depends on the person's machine."""
    by_name = mimetypes.guess_type(name)[0] or ""
    try:
        return _MEDIA_TYPE.validate_python(by_name)
    except ValidationError:
        return declared


def with_file(fields: Sequence[Field]) -> Sequence[Field]:
    def drawn(field: Field) -> Field:
        match field.name:
            case "sha256":
                return replace(field, kind="file", title="File", help="")
            case "media_type":
                return replace(field, kind="hidden", title="Kind of file")
            case "title":
                return replace(field, help=f"{field.help} Left empty: the name of the file.")
            case _:
                return field

    return list(map(drawn, fields))


def in_words(wrong: list[FieldProblem], answers: Answers) -> list[FieldProblem]:
    others = [problem for problem in wrong if problem.name not in {DIGEST, KIND, TITLE}]
    if len(others) == len(wrong):
        return wrong
    return [FieldProblem(DIGEST, UNKNOWN if first(answers, DIGEST) else MISSING), *others]
