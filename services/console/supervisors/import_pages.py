"""The import of a register: upload, check of every row, confirmation, result.

The rows are read, translated and sent as `ooc import` does. The file lies in the draft, sealed, until it is imported.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Problem, sentence
from services.console.rendering import render
from services.console.routing import Form, bounded, console_of, first, read_draft, see
from services.console.sessions import Draft, Session
from services.console.supervisors.import_rows import (
    COLUMNS,
    COMMANDS,
    Owner,
    Plan,
    RowError,
    Summary,
    body_of,
    plans_of,
)
from services.console.supervisors.import_table import Register, UnreadableRegister, register_of, with_errors
from services.trade.vocabulary import Role
from shared.handling.stream_queue import Turns

SERVICE: Final = "referral"
COMMAND: Final = "Import"
"""The name of a draft that is a register and no form."""
FILE: Final = "file"
"""The field of the file; beside it stands its name."""
MAX_FILE: Final = 1_000_000
"""The largest file in bytes: it is held in memory, never on a disk, while it is read."""
MAX_ROWS: Final = 500
"""The most rows: their check must end while a page waits. `ooc import` takes more."""
REGISTER: Final = "referrals"
SHOWN: Final = 200
"""The most errors that the page lists; the file with errors has them all."""
_READERS: Final = Turns(1)
"""One file is read at a time: reading a workbook needs up to 400 MB, nearly all that a container has."""

UNANSWERED: Final = frozenset({401, 403, 429, 500, 503})
"""Problems of a whole import; any other is that of its row."""


async def read_upload(request: Request, _session: Session | None = None) -> dict[str, list[str]]:
    """Read a form with one file, whose bytes become base64. Raises `HTTPException` if it is too large."""
    too_large = f"The file is larger than {MAX_FILE // 1000:,} kB: split it, or import it with `ooc import`."
    whole = bounded(request, MAX_FILE + 10_000, too_large)
    fields: dict[str, list[str]] = {}
    async with whole.form(max_fields=10, max_files=1, max_part_size=1000) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                fields[name] = [b64encode(await value.read()).decode()]
                fields[f"{name}_name"] = [value.filename or ""]
            elif not name.startswith(FILE):  # a text is no file
                fields[name] = [value]
    return fields


async def import_page(request: Request, session: Session) -> Response:
    """Show what is needed for an import, and the form for the file."""
    _require_importer(session)
    return _upload_page(request, session, [])


async def check_register(request: Request, session: Session, form: Form) -> Response:
    """Check every row of a file, and keep it; or say what is wrong with the file as a whole."""
    _require_importer(session)
    content, name = b64decode(first(form, "file")), Path(first(form, "file_name")).name
    label = first(form, "register").strip() or REGISTER
    if not content:
        return _upload_page(request, session, ["Choose the file of the register."], label)
    try:
        register = await _read(content, name or "The file")
        plans, wrong = await _plans(request, session, register, label)
    except UnreadableRegister as error:
        return _upload_page(request, session, [str(error)], label)
    if wrong:
        return _upload_page(request, session, [sentence(str(error)) for error in wrong], label)
    if len(plans) > MAX_ROWS:
        text = f"The file has {len(plans):,} rows; this page takes {MAX_ROWS}. Split it, or use `ooc import` at a terminal."
        return _upload_page(request, session, [text], label)
    summary = await _send(request, session, register, plans, dry_run=True)
    id_ = uuid4()
    answers = {"file": [first(form, "file")], "name": [name], "register": [label], **_answers_of(summary)}
    # `sent` keeps it out of the list of forms that are being filled in.
    draft = Draft(id_, SERVICE, id_, COMMAND, 0, answers, sent=f"/import/{id_}")
    await console_of(request).drafts.save(session.person, draft)
    return see(f"/import/{id_}")


async def result_page(request: Request, session: Session) -> Response:
    draft = await _draft(request, session)
    answers = draft.answers
    errors = [(row, error.heading or "", error.text) for row, error in _summary(draft).errors_in_order()]
    return render(
        request,
        "import_result.html",
        session,
        draft=draft,
        done=bool(answers.get("done")),
        name=answers["name"][0],
        rows=int(answers["rows"][0]),
        imported=int(answers["imported"][0]),
        repeated=int(answers["repeated"][0]),
        wrong=len({row for row, _, _ in errors}),
        errors=errors[:SHOWN],
        more=max(0, len(errors) - SHOWN),
    )


async def import_rows(request: Request, session: Session, _form: Form) -> Response:
    """Import the rows without errors. Another sending of the form finds them there already."""
    draft = await _draft(request, session)
    if draft.answers.get("done"):
        return see(f"/import/{draft.id}")
    register = await _register(draft)
    plans, _ = await _plans(request, session, register, draft.answers["register"][0])
    wrong = _summary(draft).errors
    good = [plan for plan in plans if plan.number not in wrong]
    sent = await _send(request, session, register, good, dry_run=False)
    draft.answers.update(_answers_of(Summary(len(plans), sent.outcomes, wrong | sent.errors)))
    draft.answers["done"] = ["yes"]
    if not draft.answers["errors"]:
        draft.answers["file"] = []
    await console_of(request).drafts.save(session.person, draft)
    return see(f"/import/{draft.id}")


async def file_with_errors(request: Request, session: Session) -> Response:
    """Return the person's own table with a column of errors."""
    draft = await _draft(request, session)
    if not draft.answers["errors"]:
        raise HTTPException(404)
    register = await _register(draft)
    content = await asyncio.to_thread(with_errors, register, _summary(draft).errors)
    kind, ending = (
        ("text/csv; charset=utf-8", "csv")
        if register.delimiter is not None
        else ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")
    )
    headers = {"Content-Disposition": f'attachment; filename="register.errors.{ending}"'}
    return Response(content, media_type=kind, headers=headers)


def _require_importer(session: Session) -> None:
    """Raise `HTTPException` 403 for a role that may not import, before a file is chosen; the API decides for itself."""
    if Role.SUPERVISOR not in session.roles:
        raise HTTPException(403, "Only a supervisor may import a register.")


def _upload_page(request: Request, session: Session, wrong: Sequence[str], register: str = REGISTER) -> Response:
    return render(
        request,
        "import.html",
        session,
        problem=wrong,
        wrong=[{"text": text, "href": "#file"} for text in wrong],
        register=register,
        most=MAX_ROWS,
        columns=COLUMNS,
    )


async def _draft(request: Request, session: Session) -> Draft:
    _require_importer(session)
    draft = await read_draft(request, session)
    if draft.command != COMMAND:
        raise HTTPException(404)
    return draft


async def _register(draft: Draft) -> Register:
    return await _read(b64decode(draft.answers["file"][0]), draft.answers["name"][0])


async def _read(content: bytes, name: str) -> Register:
    """Read a file while others are answered. Raises `UnreadableRegister`."""
    async with _READERS.turn(SERVICE):
        return await asyncio.to_thread(register_of, content, name)


async def _plans(
    request: Request, session: Session, register: Register, label: str
) -> tuple[list[Plan], list[RowError]]:
    apis = console_of(request).apis
    schemas = dict(
        zip(COMMANDS, await asyncio.gather(*(apis.schema(SERVICE, command) for command in COMMANDS)), strict=True)
    )
    owner = Owner(session.organisation, session.area, label)
    return await asyncio.to_thread(plans_of, register, schemas, owner)


async def _send(
    request: Request, session: Session, register: Register, plans: Sequence[Plan], *, dry_run: bool
) -> Summary:
    """Send the rows without errors. Raises `Problem` if the person may not import, and `NoAnswer`."""
    apis, summary = console_of(request).apis, Summary.of_plans(plans)
    for plan in plans:
        if plan.errors:
            continue
        path = f"/v1/referrals/{plan.stream}/import{'?dry_run=true' if dry_run else ''}"
        try:
            summary.add(plan, 200, await apis.post(session, SERVICE, path, body_of(register, plan)))
        except Problem as problem:
            if problem.status in UNANSWERED:
                raise
            summary.add(plan, problem.status, problem.body)
    return summary


def _answers_of(summary: Summary) -> dict[str, list[str]]:
    """Return what a draft keeps of an outcome: numbers, and a line of row, column and text for each error."""
    return {
        "rows": [str(summary.rows)],
        "imported": [str(summary.count("imported"))],
        "repeated": [str(summary.count("repeated"))],
        "errors": [f"{row}\t{error.heading or ''}\t{error.text}" for row, error in summary.errors_in_order()],
    }


def _summary(draft: Draft) -> Summary:
    summary = Summary(int(draft.answers["rows"][0]))
    for line in draft.answers["errors"]:
        row, heading, text = line.split("\t", 2)
        errors = [*summary.errors.get(int(row), ()), RowError(text, heading or None)]
        summary.errors[int(row)] = errors
    return summary
