"""My day: what is overdue, due and waiting, today's sessions, and what is new. The daily sheet, printable."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.analysts.figures import whole_quarters
from services.console.analysts.returns import days_in
from services.console.apis import Apis, part_of
from services.console.directory import ROLES, WORKERS, nameless
from services.console.forms.turns import last_of_turns
from services.console.navigation import lists_of
from services.console.officers.cases import record_of
from services.console.officers.education import with_places
from services.console.officers.feedback import waiting_feedback
from services.console.officers.in_turn import named_by, waiting_for
from services.console.officers.panel import OVER, sittings_of
from services.console.officers.victims import FORMS, victims_waiting
from services.console.rendering import address, render
from services.console.routing import INCOMPLETE, Console, Form, console_of, first, see
from services.console.schools.referrals import referrals_page
from services.console.sessions import Session
from services.console.waits import Waits, list_waits
from services.console.words import TURNS, today
from services.reporting.access import NAMING
from services.reporting.measures.period import Period
from services.trade.practitioners import SOON, Practitioner, register_on
from services.trade.vocabulary import Role

SHOWN: Final = 25
"""Duties of a group that the page shows; the daily sheet shows all of them."""
COUNTED: Final = 150
"""Duties that are read to be counted, of the overdue and of the others; and the duties on a page of the daily sheet."""
LATER: Final = ("today", "soon", "later")
"""The groups of duties that are not overdue, in the order of the sheet."""
SOON_DAYS: Final = 7
LONG_OVERDUE_DAYS: Final = 7
"""Days after which what is overdue stands in a group of its own, before the rest."""
TO_THE_PANEL: Final = frozenset({Role.POLICE_DECISION_MAKER, Role.YJS_CASE_MANAGER, Role.SUPERVISOR})
"""The roles that see the next sitting."""
RECORDS_FOR_RETURNS: Final = frozenset({Role.YJS_CASE_MANAGER, Role.SAFE_SCHOOLS_OFFICER})
NEW_DAYS: Final = 7
"""How far back the first look at what is new reaches."""
NEW_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Group:
    """Duties under one heading."""

    id: str
    title: str
    duties: Sequence[Mapping[str, Any]]
    total: int
    more: bool = False
    """Whether there are more than were read."""


async def my_day(request: Request, session: Session) -> Response:
    """Show what the person has to do, today's sessions, and the cases with something new.

    A school sees its referrals, an analyst the returns; a role that must give a reason is asked for it first.
    """
    may = lists_of(session.roles)
    if session.roles == (Role.SCHOOL,):
        return await referrals_page(request, session)
    if "duties" not in may.parts:
        return see("/returns")
    if may.needs_reason and session.reason is None:
        return see(address("/reason", next="/"))
    console = console_of(request)
    now = datetime.now(UTC)
    since = await console.seen.find(session.person) or now - timedelta(days=NEW_DAYS)
    mine = _is_mine(request)
    officer = session.person if mine else None
    of_role = asyncio.gather(
        waiting_for(console.apis, session, officer),
        part_of(_workload(console.apis, session)),
        _next_sitting(console.apis, session),
        victims_waiting(console.apis, session) if Role.VICTIM_WORKER in session.roles else asyncio.sleep(0, ()),
        list_waits(console.apis, session),
        part_of(_missing(console.apis, session)),
    )
    late, rest, differing, calendar, news, drafts = await asyncio.gather(
        part_of(_duties(console.apis, session, officer, overdue="true")),
        part_of(_duties(console.apis, session, officer, overdue="false")),
        part_of(_differences(console.apis, session, officer)),
        part_of(console.apis.get_projected(session, "/v1/sessions", {"from": today(), "to": today()})),
        part_of(
            console.apis.get_projected(
                session, "/v1/cases", {"changed_since": since.isoformat(), "sort": "changed", "officer": officer}
            )
        ),
        console.drafts.list(session.person),
    )
    turns, workload, sitting, victims, waiting, missing = await of_role
    sheet = late if rest.value is not None else rest
    groups = [*_groups(late.value, SHOWN), *_groups(rest.value, SHOWN)] if sheet.value is not None else []
    counts = _counts(groups)
    if victims:
        groups = [
            replace(group, duties=left, total=group.total - len(group.duties) + len(left))
            for group in groups
            if (left := [duty for duty in group.duties if duty["duty"] not in FORMS])
        ]
    lessons = [
        lesson
        for lesson in (calendar.value or {}).get("sessions", ())
        if not mine or lesson["officer"] == session.person
    ]
    held_today = await with_places(console.apis, session, lessons)
    changed = [case for case in (news.value or {}).get("cases", ()) if case["work"]][:NEW_SHOWN]
    records = {case["case_id"]: record_of(case) for case in changed}
    in_turn = {work["id"]: named_by(case, work) for turn in turns for case, work in turn.lines}
    lapsing = _lapsing(session)
    ids = (*(id_ for id_, _ in workload.value or ()), *(str(one.officer) for one in lapsing))
    officers = await _officers(console, session, groups, ids)
    drafts = last_of_turns(drafts)
    return render(
        request,
        "my_day.html",
        session,
        sheet=sheet,
        groups=groups,
        counts=counts,
        victims=victims,
        forms=FORMS,
        uncounted=_after(next((group.id for group in groups if group.more and group.id in LATER), None)),
        waiting=waiting,
        feedback=len(await waiting_feedback(request, session)),
        names=await names.of_records(
            console.apis,
            session,
            [
                *_records(groups),
                *_first_records(differing.value),
                *records.values(),
                *in_turn.values(),
                *((draft.service, str(draft.stream)) for draft in drafts if draft.version),
            ],
            [*_cases(groups), *(draft.case_id for draft in drafts if draft.case_id and draft.service not in NAMING)],
        ),
        differing=differing.value or [],
        turns=turns,
        sitting=sitting,
        in_turn={work: id_ for work, (_, id_) in in_turn.items()},
        workload=workload.value or [],
        officers=officers,
        drafts=drafts,
        mine=mine,
        workers=WORKERS,
        referrers=ROLES["officer"],
        lapsing=lapsing,
        missing=missing.value or {},
        calendar=calendar,
        held_today=held_today,
        news=news,
        changed=changed,
        records={case: id_ for case, (_, id_) in records.items()},
        since=since,
        now=now,
    )


async def daily_sheet(request: Request, session: Session) -> Response:
    """Show the duties to be printed, the soonest first; a sheet of very many goes on with another page."""
    console = console_of(request)
    officer = session.person if _is_mine(request) else None
    after = request.query_params.get("after")
    sheet, differing, waiting = await asyncio.gather(
        part_of(_duties(console.apis, session, officer, after=after)),
        part_of(_differences(console.apis, session, officer)),
        asyncio.sleep(0, Waits()) if after else list_waits(console.apis, session),
    )
    groups = _groups(sheet.value, None)
    return render(
        request,
        "daily_sheet.html",
        session,
        sheet=sheet,
        groups=groups,
        waiting=waiting,
        differing=[] if after else differing.value or [],
        names=await names.of_records(
            console.apis, session, [*_records(groups), *_first_records(differing.value)], _cases(groups)
        ),
        goes_on=address("/daily-sheet", whose=request.query_params.get("whose"), after=(sheet.value or {}).get("next")),
        whole=not (after or (sheet.value or {}).get("next")),
    )


async def have_seen(request: Request, session: Session, form: Form) -> Response:
    """Keep up to when the person has seen what is new: up to the time at which the page was made."""
    try:
        until = datetime.fromisoformat(first(form, "until"))
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise HTTPException(422, INCOMPLETE)
    await console_of(request).seen.save(session.person, min(until, datetime.now(UTC)))
    return see("/")


async def _duties(apis: Apis, session: Session, officer: str | None, **more: str | None) -> dict[str, Any]:
    """Read a part of the sheet; of what an officer has, the duties whose turn is theirs."""
    sheet = await apis.get_projected(session, "/v1/duties", {"officer": officer, "limit": str(COUNTED), **more})
    mine = (
        d
        for d in sheet["duties"]
        if not officer or not set(session.roles).isdisjoint(TURNS[d["service"]].get(d["duty"], session.roles))
    )
    return sheet | {"duties": list(mine)}


async def _workload(apis: Apis, session: Session) -> list[tuple[str, int]]:
    """Return for a supervisor the officers with how much open work each has, the most first."""
    if Role.SUPERVISOR not in session.roles:
        return []
    on = today().isoformat()
    answer = await apis.get(session, "reporting", "/v1/measures/workload", {"from": on, "to": on})
    return sorted(answer["by_officer"].items(), key=lambda item: -item[1])


async def _missing(apis: Apis, session: Session) -> dict[str, tuple[int, str]]:
    """Return by item how much the officer has still to record for the returns of the last quarter and this one, and where it is listed."""
    if RECORDS_FOR_RETURNS.isdisjoint(session.roles):
        return {}
    days = days_in(Period(whole_quarters(today(), 1)[0].first, today()))
    answer = await apis.get(session, "reporting", "/v1/measures/gaps", days)
    return {
        item: (count, address("/returns/cases", measure="gaps", cell=f"by_officer.{session.person}.{item}", **days))
        for item, count in answer["by_officer"].get(session.person, {}).items()
    }


async def _officers(console: Console, session: Session, groups: Iterable[Group], ids: Iterable[str]) -> dict[str, str]:
    """Return for a supervisor the names of officers; one who has not signed in yet has none."""
    if Role.SUPERVISOR not in session.roles:
        return {}
    named = await console.directory.names(session)
    ids = (*ids, *(duty["officer"] for group in groups for duty in group.duties))
    return {id_: nameless(id_) for id_ in ids if id_} | named


def _lapsing(session: Session) -> Sequence[Practitioner]:
    """Return for a supervisor whose training has ended or soon ends by the register, the earliest first."""
    register = register_on(today()) or {} if Role.SUPERVISOR in session.roles else {}
    return sorted((one for one in register.values() if one.until <= today() + SOON), key=lambda one: one.until)


async def _next_sitting(apis: Apis, session: Session) -> Mapping[str, Any] | None:
    """Return the next sitting of the panel, for a role that prepares it or decides after it."""
    if TO_THE_PANEL.isdisjoint(session.roles):
        return None
    now = datetime.now(UTC)
    ahead = (sitting for sitting in await sittings_of(apis, session) if sitting["state"] not in OVER)
    return next((sitting for sitting in ahead if datetime.fromisoformat(sitting["starts_at"]) >= now), None)


async def _differences(apis: Apis, session: Session, officer: str | None) -> list[dict[str, Any]]:
    """List the people whose records differ, each with the cases of these."""
    answer = await apis.get_projected(session, "/v1/differences", {"officer": officer})
    return [
        {**person, "cases": sorted({case for record in person["records"] for case in record["case_ids"]})}
        for person in answer["people"]
    ]


def _first_records(differing: Iterable[Mapping[str, Any]] | None) -> list[names.Record]:
    return [(record["service"], record["id"]) for person in differing or () for record in person["records"][:1]]


def _is_mine(request: Request) -> bool:
    return request.query_params.get("whose") == "mine"


def _groups(sheet: Mapping[str, Any] | None, limit: int | None) -> list[Group]:
    """Return the groups of a sheet that have any duty. The sheet is in order, so what was not read follows its last group."""
    groups = [group for group in group_by_urgency((sheet or {}).get("duties", []), today(), limit) if group.total]
    return [*groups[:-1], replace(groups[-1], more=(sheet or {}).get("next") is not None)] if groups else []


def _counts(groups: Sequence[Group]) -> dict[str, tuple[int, bool]]:
    """Return how many duties each group has, and whether there are more; those long overdue are overdue too."""
    counts = {group.id: (group.total, group.more) for group in groups}
    (total, more), (long, longer) = (counts.get(id_, (0, False)) for id_ in ("overdue", "long"))
    return {**counts, "overdue": (total + long, more or longer)}


def _after(cut: str | None) -> Sequence[str]:
    """Return the groups of which nothing was read, since the sheet was read to one before them."""
    return LATER[LATER.index(cut) + 1 :] if cut else ()


def _records(groups: Iterable[Group]) -> list[names.Record]:
    return [(duty["service"], duty["stream"]) for group in groups for duty in group.duties]


def _cases(groups: Iterable[Group]) -> list[str]:
    """Return the cases of duties whose own record, such as a conference, names nobody."""
    duties = (duty for group in groups for duty in group.duties)
    return [case for duty in duties if duty["service"] not in NAMING for case in duty["case_ids"]]


def group_by_urgency(duties: Iterable[Mapping[str, Any]], on: date, limit: int | None) -> Iterable[Group]:
    """Sort duties by how soon they are due."""
    soon = (on + timedelta(days=SOON_DAYS)).isoformat()
    long = (on - timedelta(days=LONG_OVERDUE_DAYS)).isoformat()
    by_urgency: dict[str, list[Mapping[str, Any]]] = {"long": [], "overdue": [], "today": [], "soon": [], "later": []}
    for duty in duties:
        due = str(duty["due"])
        if duty["overdue"]:
            key = "long" if due < long else "overdue"
        else:
            key = "today" if due <= on.isoformat() else "soon" if due <= soon else "later"
        by_urgency[key].append(duty)
    titles = {
        "long": "Overdue for more than a week",
        "overdue": "Overdue",
        "today": "Due today",
        "soon": f"Due in the next {SOON_DAYS} days",
        "later": "Due later",
    }
    for key, title in titles.items():
        yield Group(key, title, by_urgency[key][:limit], len(by_urgency[key]))
