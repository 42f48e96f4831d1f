"""The route of printed documents: GET /v1/{collection}/{id}/documents/{name}."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, ID, LANG, TIMES, Parameter, an_id, choice
from shared.api.problems import Malformed, problem_response, unknown_response
from shared.api.queries import history_of, not_found_response
from shared.api.request import Caller, read_id, read_query, read_reason, read_time
from shared.api.routes import declared
from shared.domain.decider import history_at
from shared.domain.documents import Document, DocumentData, NotAvailable
from shared.domain.envelope import Fact
from shared.domain.persons import Known
from shared.domain.service import Service
from shared.printing.documents import LANGUAGES, NotPrintable, RenderedDocument, render
from shared.privacy.disclosure import closed_but

IF_NONE_MATCH: Final = Parameter(
    "If-None-Match",
    "The ETag of a print that you hold: 304 without a body if it would be the same (RFC 9110, section 13.1.2).",
    re.compile(r"[\x21-\x7e ]{1,400}"),
    "send the ETag of a print, in its quotation marks",
    "header",
)
HEADERS: Final = ("ETag", "Repr-Digest", "Content-Language", "Content-Disposition", "Cache-Control")
PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The document, tagged (PDF/UA-1).",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {name: {"schema": {"type": "string"}} for name in HEADERS},
    },
    304: {"description": "The print that you hold is the same."},
}


def add_documents(app: FastAPI, service: Service[Any]) -> None:
    """Add the route that prints the documents of a service as PDF (`GET /v1/…/documents/{name}`)."""
    names = ", ".join(service.documents)
    name_parameter = choice(
        "name", "The name of the document.", service.documents, f"choose one of {names}", "path", lenient=True
    )
    of_items = ", ".join(name for name, document in service.documents.items() if document.items is not None)
    item = an_id("item", f"The id of the item that the document is about, in a document of one ({of_items}).", "query")
    parameters = (ID, name_parameter, LANG, *TIMES, *([item] if of_items else []), ACCESS_REASON, IF_NONE_MATCH)

    @app.get(
        f"/v1/{service.collection}/{{id}}/documents/{{name}}",
        tags=["queries"],
        response_class=Response,
        **declared(parameters, 404, 409, answers=PDF),
    )
    async def document(request: Request, actor: Caller, id: str, name: str) -> Response:  # noqa: A002
        """Print a document as PDF in a language. The same facts give the same bytes; the ETag is their SHA-256."""
        at: Dependencies = request.app.state.deps
        query = read_query(request)
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        language = query.get(LANG.name, LANGUAGES[0])
        definition = service.documents.get(name)
        if definition is None:
            return unknown_response(
                "There is no such document", f"There is no document {name!r}: choose one of {names}."
            )
        path = f"/documents/{name}"
        actor, records = await history_of(
            request, service, actor, id, "document", path, definition.roles, unrestricted=True
        )
        history = await at.handler.open(records)
        if history:  # print nothing that the role may not read in the record
            history = closed_but(service.events, history, service.permission(actor).classes(read_reason(request)))
        facts: Sequence[Fact] = history_at(history, as_of=as_of, known_at=known_at)
        if facts and definition.items is not None:
            if item.name not in query:
                raise Malformed((item.name, item.hint))
            facts = definition.items.facts(facts, read_id(query[item.name], item.name))
        if not facts:
            return not_found_response(service, id)
        known = (await at.handler.known_for(read_id(id), history)).at(as_of, known_at)
        response = await _document_response(
            service, name, definition, facts, known, language, f"{name}-{read_id(id)}.pdf"
        )
        if response.headers.get("ETag") in request.headers.get(IF_NONE_MATCH.name, "").replace(",", " ").split():
            return Response(status_code=304, headers={"ETag": response.headers["ETag"], "Cache-Control": "no-store"})
        return response


async def _document_response(
    service: Service[Any],
    name: str,
    document: Document[Any],
    facts: Sequence[Fact],
    known: Known,
    language: str,
    file: str,
) -> Response:
    """Print the document of these facts, or respond with the problem why it cannot be printed."""
    match document.fill(service.decider.fold(facts, known=known), facts):
        case NotAvailable(why):
            return problem_response("not-yet", "This document cannot be printed now", why, status=409)
        case DocumentData() as data:
            try:
                printed = await asyncio.to_thread(render, name, document, data, language)
            except NotPrintable as error:
                return problem_response("not-printable", "This document cannot be printed", str(error))
            return Response(printed.body, media_type="application/pdf", headers=_headers(printed, file))


def _headers(printed: RenderedDocument, file: str) -> dict[str, str]:
    return {
        "ETag": f'"{printed.sha256}"',
        "Repr-Digest": printed.digest,
        "Content-Language": ", ".join(printed.languages),
        "Content-Disposition": f'inline; filename="{file}"',
        "Cache-Control": "no-store",
    }
