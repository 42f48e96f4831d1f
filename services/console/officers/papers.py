"""The papers of a record, as PDF: the service prints them, for the roles that may have them."""

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis
from services.console.records import SERVICES
from services.console.routing import console_of, query, read_collection, read_name, read_uuid
from services.console.sessions import Session


async def paper(request: Request, session: Session) -> Response:
    """Return a document of a record, or of an item of it, in a language and by both times."""
    collection, id_, name = read_collection(request), read_uuid(request, "id"), read_name(request, "name")
    path = f"/v1/{collection}/{id_}/documents/{name}"
    printed = await console_of(request).apis.document(
        session, SERVICES[collection], path, query(request, "lang", "as_of", "known_at", "item")
    )
    return Response(
        printed, media_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}.pdf"'}
    )


async def names_of_papers(apis: Apis, collection: str) -> list[str]:
    """Return the names of the documents that a service prints, as its API declares them."""
    return await apis.parameter_values(SERVICES[collection], f"/v1/{collection}/{{id}}/documents/{{name}}", "name")
