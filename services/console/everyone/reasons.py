"""The reason for which a person looks at records: kept in the session, and written beside each look in the access log."""

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.everyone.entrance import local_address
from services.console.rendering import render
from services.console.routing import Form, console_of, first, see
from services.console.sessions import Session
from services.console.words import in_words
from shared.api.parameters import REASONS

OFFERED: Final = tuple(reason for reason in REASONS if reason not in {"CONSOLE", "SCENARIO", "TEST"})
"""The reasons of people; the others are those of programs."""


async def reason_page(request: Request, session: Session) -> Response:
    return _page(request, session, request.query_params.get("next", ""))


async def give_reason(request: Request, session: Session, form: Form) -> Response:
    """Keep the reason until the person signs out or gives another, and go back to the page that asked for it."""
    reason, then = first(form, "reason"), first(form, "next")
    if reason not in OFFERED:
        return _page(request, session, then, problem=True)
    await console_of(request).sessions.change(session.key, lambda kept: replace(kept, reason=reason))
    return see(local_address(then or "/"))


def _page(request: Request, session: Session, then: str, *, problem: bool = False) -> Response:
    items = [{"value": reason, "text": in_words(reason)} for reason in OFFERED]
    return render(request, "reason.html", session, problem=problem, items=items, then=then)
