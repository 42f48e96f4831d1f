"""Subject access: all that a record holds about one person. What is sealed by the key of anybody else stays sealed.

GET /v1/people/{id}/records/{record}   ?basis=&free_texts=

For roles with the part `data_rights`. The free texts of the home may concern anybody in it, so they stay sealed until a
reader has checked them and sends `free_texts`. The person's own fields are opened whatever their class. No key of anybody
else is fetched. Source: UK GDPR, article 15(4); Data Protection Act 2018, s45(4)(e).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.data_rights import PART, PERSON
from shared.api.dependencies import Dependencies
from shared.api.history_view import history_view
from shared.api.parameters import ACCESS_REASON, Parameter, an_id, choice
from shared.api.problems import unknown_response
from shared.api.quarantine import DRY_RUN
from shared.api.queries import closed_facts, reading
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import Details, HistoryLine, Schema
from shared.domain.decider import history_at
from shared.domain.documents import Document, NotAvailable, facts_by_item
from shared.domain.envelope import Fact
from shared.domain.messages import ids_by_name
from shared.domain.permissions import ids_mentioned, people_mentioned
from shared.domain.sealing import NotOpened, key_ids_in
from shared.domain.service import Service
from shared.privacy.disclosure import disclose, undisclosed

RECORD: Final = an_id("record", "The id of a record of this service that names the person.", "path")
LAWS: Final = ("UK_GDPR_ARTICLE_15", "DPA_2018_SECTION_45")
BASIS: Final = replace(
    choice("basis", "By which law the person asks; the access log records it.", LAWS, f"give {' or '.join(LAWS)}"),
    required=True,
)
FREE_TEXTS: Final[Parameter] = replace(
    DRY_RUN,
    name="free_texts",
    description="true: open the free texts of the home too; somebody has read them, and they describe nobody else.",
)
_PARAMETERS: Final = (PERSON, RECORD, BASIS, FREE_TEXTS, ACCESS_REASON)


class HeldDocument(Schema):
    """A document that can be printed from a record, or why not."""

    name: str
    printable: bool
    why_not: str | None = Field(description="Why it cannot be printed, or not be given to the person as it is.")


class HeldRecord(Schema):
    """A record as its subject gets it: state, details, history and documents. Of others it has ids and codes alone."""

    person_id: UUID
    service: str
    id: UUID
    home: UUID
    state: dict[str, Any]
    details: Details
    history: list[HistoryLine]
    documents: list[HeldDocument]


def add_subject_access(app: FastAPI, service: Service[Any]) -> None:
    @app.get(
        "/v1/people/{id}/records/{record}",
        tags=["data rights"],
        response_model=HeldRecord,
        **declared(_PARAMETERS, 404),
    )
    async def record_of_person(request: Request, actor: Caller, id: str, record: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Return all that a record holds about a person: state, history, documents. Of others it has ids and codes alone."""
        at: Dependencies = request.app.state.deps
        person, record_id = read_id(id), read_id(record, RECORD.name)
        query, reason = read_query(request), read_reason(request)
        stream = service.stream_name(record_id)
        records = (await at.event_store.load(stream)).records
        records = records if records and service.is_own(records[0].type) else ()
        actor, denial = await reading(at, service, actor, records, PART)
        target = f"{stream}/subject-access/{query[BASIS.name]}"
        readable = await at.gate.read(actor, PART, target, reason, denial=denial)
        facts = closed_facts(service, records)
        if not readable or person not in people_mentioned(service.events, facts):
            return unknown_response("There is no such record", f"{stream} does not name {person}: check both ids.")
        home = facts[0].envelope.home
        opened = {f"person/{person}"}
        naming = [fact for fact in facts if person in ids_mentioned(service.events, [fact])]
        if query.get(FREE_TEXTS.name) == "true":
            opened |= {f"home/{fact.sealing_home}" for fact in naming}
        withheld = {subject for fact in facts for subject, _ in key_ids_in(fact.body or b"")} - opened
        needed = undisclosed(service.events, facts).needed.values()
        classes = {class_ for of_field in needed for class_ in of_field if class_ is not None}
        disclosure = await disclose(service.events, facts, classes, at.handler.keyring, withheld=withheld)
        await at.gate.log_opening(actor, disclosure.opened, reason, stream)
        current = history_at(disclosure.facts)
        state = service.decider.fold(current)
        return JSONResponse(
            {
                "person_id": str(person),
                "service": service.name,
                "id": str(record_id),
                "home": str(home),
                "state": {} if state is None else service.read_model.view(state),
                "details": disclosure.details(current),
                "history": history_view(service.events, disclosure),
                "documents": list(_documents(service, state, current, ids_by_name(fact.event for fact in naming))),
            }
        )


def _documents(
    service: Service[Any], state: Any, facts: Sequence[Fact], named: Mapping[str, Sequence[UUID]]
) -> Iterator[dict[str, Any]]:
    """Yield each document of a record, and whether it can be printed from what is opened."""
    first = {id_ for ids in named.values() for id_ in ids}
    for name, document in service.documents.items():
        prints = facts_by_item(document, state, facts, first)
        reasons = [_why_not(service, document, chosen) for _, chosen in prints] or [
            "Nothing is recorded that it is about."
        ]
        yield {"name": name, "printable": None in reasons, "why_not": None if None in reasons else reasons[0]}


def _why_not(service: Service[Any], document: Document[Any], facts: Sequence[Fact]) -> str | None:
    """Return why a document cannot be filled from these facts, or None if it can."""
    try:
        filled = document.fill(service.decider.fold(facts), facts)
    except NotOpened:
        return "It has values or free texts that are not opened here: they may be of somebody else."
    return filled.why if isinstance(filled, NotAvailable) else None
