"""The witness's HTTP interface: `POST /add-checkpoint` (https://c2sp.org/tlog-witness), `GET /key` and `GET /seen`."""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import SIZE
from shared.privacy.signed_note import BadNote, SignedNote, Signer, VerifierKey
from tools.witness.state import OutOfStep, Unfit, WitnessState

LIMIT: Final = 65_536
"""Bytes of a request at most."""


class Rejected(Exception):
    """A request that the witness does not accept, with its HTTP status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")
_CONFLICT: Final = "text/x.tlog.size"


def witness_application(signer: Signer, logs: Mapping[str, Sequence[VerifierKey]], state: WitnessState) -> Starlette:
    async def add_checkpoint(request: Request) -> PlainTextResponse:
        try:
            old, path, signed = _parse(await _body(request))
            checkpoint = _verified(signed, logs, old)
            # A sender can add any line below: a log would find a false signature of a key that is new here.
            note = signed.only(logs[checkpoint.origin])
            line = await run_in_threadpool(
                state.advance, checkpoint, note, old, path, lambda: signer.cosign(signed.text, int(time.time()))
            )
        except Rejected as error:
            return PlainTextResponse(f"{error}\n", error.status)
        except OutOfStep as error:
            return PlainTextResponse(f"{error.size}\n", 409, media_type=_CONFLICT)
        except Unfit as error:
            return PlainTextResponse(f"{error}\n", 422)
        return PlainTextResponse(f"{line}\n")

    async def key(_: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{signer.key}\n")

    async def show_seen(_: Request) -> JSONResponse:
        return JSONResponse(await run_in_threadpool(state.notes))

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/key", key),
            Route("/seen", show_seen),
        ]
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise Rejected(413, f"a request has {LIMIT} bytes at most")
    return body


def _parse(body: bytes) -> tuple[int, list[bytes], SignedNote]:
    """Split a request into old size, proof, and signed note. Raises `Rejected`."""
    try:
        head, separator, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        path = [base64.b64decode(line, validate=True) for line in lines]
        signed = SignedNote.parse(note)
    except (BadNote, ValueError) as error:
        raise Rejected(400, str(error)) from error
    match = _OLD.fullmatch(first)
    if match is None or not separator or any(len(digest) != SIZE for digest in path):
        raise Rejected(
            400, "a request is a line `old <size>`, a hash in base64 on each line, an empty line, and a note"
        )
    return int(match[1]), path, signed


def _verified(signed: SignedNote, logs: Mapping[str, Sequence[VerifierKey]], old: int) -> Checkpoint:
    """Read a checkpoint that a key of its log has signed. Raises `Rejected`."""
    try:
        checkpoint = Checkpoint.parse(signed.text)
    except BadNote as error:
        raise Rejected(400, str(error)) from error
    if checkpoint.origin not in logs:
        raise Rejected(404, "the witness does not know this log")
    try:
        signers = signed.signers_among(logs[checkpoint.origin])
    except BadNote as error:
        raise Rejected(403, str(error)) from error
    if not signers:
        raise Rejected(403, "no known key of the log has signed this checkpoint")
    if old > checkpoint.size:
        raise Rejected(400, "the old size is greater than that of the checkpoint")
    return checkpoint
