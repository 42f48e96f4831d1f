"""A school's first page: its own reports, and what became of each."""

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import part_of
from services.console.rendering import render
from services.console.routing import console_of
from services.console.sessions import Session
from services.trade.words import texts_of


async def referrals_page(request: Request, session: Session) -> Response:
    """Show the reports that the person's organisation has made, and the forms that the person has begun."""
    console = console_of(request)
    answer = await part_of(console.apis.get_projected(session, "/v1/reports"))
    return render(
        request,
        "referrals.html",
        session,
        answer=answer,
        became=texts_of("became"),
        drafts=await console.drafts.list(session.person),
    )
