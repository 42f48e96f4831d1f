"""A school's first page: its own reports, and what became of each."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import part_of
from services.console.rendering import render
from services.console.routing import console_of
from services.console.sessions import Session

BECAME: Final = {
    "RECEIVED": "We have it",
    "ACKNOWLEDGED": "We have it, and look at it",
    "SAFEGUARDING_HOLD": "The safety of the child comes first: it is with the safeguarding hub",
    "TRIAGED": "It is decided that we work with the child",
    "ALLOCATED": "An officer works with the child",
    "IN_PROGRESS": "An officer works with the child",
    "WITH_PANEL": "The panel decides how to deal with it",
    "WITH_MASH": "The safeguarding hub deals with it",
    "WITH_INVESTIGATION": "The police investigate it",
    "SCHOOL_LED": "You deal with it: tell us what you did",
    "REJECTED": "It is not for us: we have told you why",
    "CLOSED": "It is closed",
}
"""What became of a report, by the stage of its referral."""


async def referrals_page(request: Request, session: Session) -> Response:
    """Show the reports that the person's organisation has made, and the forms that the person has begun."""
    console = console_of(request)
    answer = await part_of(console.apis.get_projected(session, "/v1/reports"))
    return render(
        request,
        "referrals.html",
        session,
        answer=answer,
        became=BECAME,
        drafts=await console.drafts.list(session.person),
    )
