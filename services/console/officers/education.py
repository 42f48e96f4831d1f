"""The calendar of education sessions by weeks, and booking a place in one from a condition or a referral of a case."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, part_of
from services.console.forms.forms import draw_command, place_in_turn
from services.console.forms.next_steps import BOOKING
from services.console.records import SERVICES, place_of, read_record
from services.console.rendering import render
from services.console.routing import console_of, read_case, read_collection, read_day, read_uuid
from services.console.sessions import Session
from services.console.words import today
from services.system.registry import COLLECTIONS
from services.trade.vocabulary import ConditionType, Topic
from shared.domain.dates import local_day

WEEKS: Final = 4
MOST_PLACES: Final = 40
"""The most sessions of a page whose places are read."""
PURPOSES: Final = ("disposal", "referral")
"""Records of a case that a place may serve."""
AHEAD: Final = 91
"""The most days ahead of which a calendar tells."""
OF_KIND: Final[Mapping[str, frozenset[str]]] = {
    ConditionType.RETAIL_WORKSHOP: frozenset({Topic.RETAIL}),
    ConditionType.DRUGS_WORKSHOP: frozenset({Topic.DRUGS_WORKSHOP, Topic.ALCOHOL_AND_DRUGS}),
}
"""The topics of the sessions that a kind of condition names; the others name none."""


async def sessions_page(request: Request, session: Session) -> Response:
    on = read_day(request.query_params.get("week")) or today()
    first = on - timedelta(days=on.weekday())
    last = first + timedelta(days=7 * WEEKS - 1)
    sessions, left_out = await _sessions(request, session, first, last)
    return render(
        request,
        "sessions.html",
        session,
        weeks=weeks_of(sessions, first),
        first=first,
        last=last,
        earlier=first - timedelta(days=7 * WEEKS),
        later=last + timedelta(days=1),
        left_out=left_out,
    )


async def book_page(request: Request, session: Session) -> Response:
    """Show the planned sessions that fit a condition or a referral of a case; for a condition also the form of one of its own."""
    apis, id_, collection = console_of(request).apis, read_uuid(request, "id"), read_collection(request)
    service = SERVICES[collection]
    if service not in PURPOSES:
        raise HTTPException(404)
    case, condition, person = (
        read_case(request.query_params.get(name)) for name in ("case", "condition_id", "person_id")
    )
    known = apis.get_projected(session, f"/v1/cases/{case}") if case else asyncio.sleep(0, dict[str, Any]())
    record, of_case = await asyncio.gather(
        read_record(apis, session, collection, str(id_), {}, guidance=service == "disposal", command=BOOKING),
        part_of(known),
    )
    asked = ((record.state.value or {}).get("condition_terms") or {}).get(condition) or {}
    until = latest_day(asked.get("due"), today())
    sessions, left_out = await _sessions(request, session, today(), until)
    own = any(line["type"] == BOOKING for line in (record.guidance.value or {}).get("commands", ()))
    hours = max(0, asked["hours"] - asked["hours_credited"]) if asked.get("hours") else ""
    return render(
        request,
        "book.html",
        session,
        id=str(id_),
        case=case,
        condition=condition,
        purpose=record.names.get(condition or ""),
        child=record.child,
        until=until,
        sessions=fitting(sessions, asked.get("type", ""), datetime.now(UTC)),
        left_out=left_out,
        booked=[
            (line, who)
            for line in (of_case.value or {}).get("sessions") or ()
            for who, serves in line["serves"].items()
            if condition and serves == condition and line["register"].get(who) == "BOOKED"
        ],
        own=[one for one in asked.get("sessions") or () if not one["recorded"]],
        book={
            "case": case,
            "case_id": case,
            f"{service}_id": str(id_),
            "condition_id": condition,
            "person_id": person or (record.child.id if record.child else None),
        },
        drawn=await draw_command(request, session, collection, id_, BOOKING, {}, case) if own else None,
        place=await place_in_turn(request, session),
        answers={"condition_id": [condition or ""], "hours": [str(hours)]},
        key=str(uuid4()),
        new_id=uuid4,
    )


def latest_day(due: str | None, on: date) -> date:
    """Return the day up to which sessions are offered: that by which the condition is to be done, or else four weeks ahead."""
    last = date.fromisoformat(due) if due else on
    return min(last, on + timedelta(days=AHEAD)) if last > on else on + timedelta(weeks=WEEKS)


def fitting(sessions: Sequence[Mapping[str, Any]], kind: str, now: datetime) -> list[Mapping[str, Any]]:
    """Return of some sessions those that are still to be held, first those of the topic of a kind of condition."""
    ahead = [one for one in sessions if one["state"] == "PLANNED" and datetime.fromisoformat(one["starts_at"]) > now]
    return sorted(ahead, key=lambda one: one["topic"] not in OF_KIND.get(kind, ()))


async def _sessions(
    request: Request, session: Session, first: date, last: date
) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return the sessions of some days, with where each is held, and how many more there are."""
    apis = console_of(request).apis
    answer = await apis.get_projected(session, "/v1/sessions", {"from": first, "to": last})
    sessions = answer["sessions"]
    return await with_places(apis, session, sessions), answer["total"] - len(sessions)


async def with_places(apis: Apis, session: Session, sessions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return sessions, the first ones with where each is held, if the person may know it: each is a look at a record."""

    async def with_place(session_: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"/v1/{COLLECTIONS['education']}/{session_['id']}"
        state = await part_of(apis.get(session, "education", path))
        return {**session_, "place": place_of(state.value or {}), "version": (state.value or {}).get("version")}

    read = await asyncio.gather(*map(with_place, sessions[:MOST_PLACES]))
    return [*read, *sessions[MOST_PLACES:]]


def weeks_of(sessions: Sequence[Mapping[str, Any]], first: date) -> list[tuple[date, Sequence[Mapping[str, Any]]]]:
    """Group sessions by the Mondays of their weeks; a week without a session is there as well."""
    by_monday: dict[date, list[Mapping[str, Any]]] = defaultdict(list)
    for lesson in sessions:
        day = local_day(datetime.fromisoformat(lesson["starts_at"]))
        by_monday[day - timedelta(days=day.weekday())].append(lesson)
    return [(monday, by_monday[monday]) for monday in (first + timedelta(days=7 * n) for n in range(WEEKS))]
