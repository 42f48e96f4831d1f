"""An officer's diary for their calendar: a private iCalendar feed (RFC 5545) without a name, behind a link that they end.

A calendar program has no sign-in, so the link ends with a term, which each sign-in of the officer begins anew: without a
sign-in the feed ends.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from icalendar import Calendar, Event
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import NoAnswer, Problem
from services.console.directory import WORKERS
from services.console.rendering import render
from services.console.routing import Form, console_of, opened_by_link, see
from services.console.sessions import Links, Session
from shared.domain.ids import derived_uuid

KIND: Final = "diary/"
"""No path of one segment has a slash: a link to an appointment opens no diary, nor the other way round."""
LIFE: Final = timedelta(days=30)
"""How long after its officer's last sign-in a link ends."""
SUMMARIES: Final = {"education": "Session", "panel": "Sitting", "rj_conference": "Conference"}


async def diary_page(request: Request, session: Session, link: str = "") -> Response:
    """Show whether the officer has a link, with one that is just made, and the buttons that make it and end it."""
    _check_worker(session)
    ends_at = await console_of(request).links.end_of(_owner(session), KIND)
    return render(request, "diary.html", session, link=link, ends_at=ends_at)


async def make_diary(request: Request, session: Session, _form: Form) -> Response:
    """Make a link in place of the one before, and show it: this once, since only its hash is kept."""
    console = console_of(request)
    links = console.links
    _check_worker(session)
    await links.end(_owner(session), KIND)
    link = await links.make(_owner(session), {"officer": session.person}, datetime.now(UTC) + LIFE, KIND)
    return await diary_page(request, session, f"{console.url}/diary/{link}.ics")


async def end_diary(request: Request, session: Session, _form: Form) -> Response:
    await console_of(request).links.end(_owner(session), KIND)
    return see("/diary")


async def prolong_diary(links: Links, session: Session) -> None:
    """Begin the term of a person's link anew, at their sign-in."""
    await links.prolong(_owner(session), datetime.now(UTC) + LIFE, KIND)


async def diary_feed(request: Request) -> Response:
    """Answer an officer's diary to a holder of its link."""
    console = console_of(request)
    given = await opened_by_link(request, KIND)
    if given is None:
        raise HTTPException(404)
    try:
        answer = await console.apis.get(
            await console.provider.invited(), "reporting", f"/v1/diaries/{given['officer']}"
        )
    except (NoAnswer, Problem) as error:
        raise HTTPException(503, "The diary is not available at the moment.") from error
    return Response(calendar_of(answer["appointments"], datetime.now(UTC)), media_type="text/calendar")


def calendar_of(appointments: list[dict[str, Any]], now: datetime) -> bytes:
    """Return appointments as a calendar: what each is and the numbers of its cases, as the console shows them."""
    calendar = Calendar()
    calendar.add("prodid", "-//Out of court//Diary//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "Cases")
    for appointment in appointments:
        event, starts_at = Event(), datetime.fromisoformat(appointment["starts_at"]).astimezone(UTC)
        numbers = ", ".join(case[:8] for case in appointment["case_ids"])
        event.add("uid", str(derived_uuid("diary", appointment["service"], appointment["id"])))
        event.add("dtstamp", now)
        event.add("dtstart", starts_at)
        event.add("dtend", starts_at + timedelta(hours=appointment["hours"] or 1))
        event.add("summary", f"{SUMMARIES[appointment['service']]}{': case ' if numbers else ''}{numbers}")
        event.add("class", "PRIVATE")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _check_worker(session: Session) -> None:
    if WORKERS.isdisjoint(session.roles):
        raise HTTPException(403, "Only officers who have records have a diary.")


def _owner(session: Session) -> str:
    return f"{session.person} {session.role}"
