"""The calendar of education sessions by weeks, and booking a place in one from a condition or a referral of a case."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, part_of
from services.console.records import place_of, read_record
from services.console.rendering import render
from services.console.routing import console_of, read_case, read_day, read_uuid
from services.console.sessions import Session
from services.console.words import today
from services.system.registry import COLLECTIONS
from shared.domain.dates import local_day

WEEKS: Final = 4
MOST_PLACES: Final = 40
"""The most sessions of a page whose places are read."""
PURPOSES: Final = ("disposal", "referral")
"""Records of a case that a place may serve."""


async def sessions_page(request: Request, session: Session) -> Response:
    """Show the education sessions of some weeks."""
    return await _calendar(request, session, "sessions.html", {})


async def book_page(request: Request, session: Session) -> Response:
    """Show the sessions in which a place can be booked for a condition or a referral of a case."""
    apis, case = console_of(request).apis, str(read_uuid(request, "case"))
    ids = {name: read_case(request.query_params.get(name)) for name in (*PURPOSES, "condition", "person")}
    service = next((name for name in PURPOSES if ids[name]), None)
    if service is None:
        raise HTTPException(404)
    record = await read_record(apis, session, COLLECTIONS[service], str(ids[service]), {}, guidance=False)
    words = record.names
    child = record.child
    book = {
        "case": case,
        "case_id": case,
        f"{service}_id": ids[service],
        "condition_id": ids["condition"],
        "person_id": ids["person"] or (child.id if child else None),
    }
    return await _calendar(
        request,
        session,
        "book.html",
        book,
        case=case,
        child=child,
        purpose=words.get(ids["condition"] or "") if ids["condition"] else None,
        given={name: id_ for name, id_ in ids.items() if id_},
    )


async def _calendar(
    request: Request, session: Session, template: str, book: Mapping[str, str | None], **context: Any
) -> Response:
    on = read_day(request.query_params.get("week")) or today()
    first = on - timedelta(days=on.weekday())
    last = first + timedelta(days=7 * WEEKS - 1)
    apis = console_of(request).apis
    answer = await apis.get_projected(session, "/v1/sessions", {"from": first, "to": last})
    return render(
        request,
        template,
        session,
        weeks=weeks_of(await with_places(apis, session, answer["sessions"]), first),
        first=first,
        last=last,
        earlier=first - timedelta(days=7 * WEEKS),
        later=last + timedelta(days=1),
        left_out=answer["total"] - len(answer["sessions"]),
        book=book,
        **context,
    )


async def with_places(apis: Apis, session: Session, sessions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return sessions, the first ones with where each is held, if the person may know it: each is a look at a record."""

    async def with_place(session_: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"/v1/{COLLECTIONS['education']}/{session_['id']}"
        state = await part_of(apis.get(session, "education", path))
        return {**session_, "place": place_of(state.value or {})}

    read = await asyncio.gather(*map(with_place, sessions[:MOST_PLACES]))
    return [*read, *sessions[MOST_PLACES:]]


def weeks_of(sessions: Sequence[Mapping[str, Any]], first: date) -> list[tuple[date, Sequence[Mapping[str, Any]]]]:
    """Group sessions by the Mondays of their weeks; a week without a session is there as well."""
    by_monday: dict[date, list[Mapping[str, Any]]] = defaultdict(list)
    for lesson in sessions:
        day = local_day(datetime.fromisoformat(lesson["starts_at"]))
        by_monday[day - timedelta(days=day.weekday())].append(lesson)
    return [(monday, by_monday[monday]) for monday in (first + timedelta(days=7 * n) for n in range(WEEKS))]
