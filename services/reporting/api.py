"""The API of reporting: measures, cases and the daily sheet; the other routes are in modules of their own.

Every read passes the gate. Cases and duties show what the owning services would show to the same token (visibility.py); a
case of another area is answered like an unknown one. Errors come in this order: the token (401), the question (422), the
permission (403), an unknown id (404).
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from services.reporting.dependencies import Dependencies, open_dependencies
from services.reporting.measures import MEASURES
from services.reporting.measures.policy import POLICY
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.queries import measure_queries
from services.reporting.queries.answers import CaseList, Measured, OneCase, Sheet
from services.reporting.queries.asking import answer_projected, answer_reader, ask, ask_for_reader
from services.reporting.queries.audit import add_audit
from services.reporting.queries.case_list import DUE, PANEL_QUEUE, PLACE, SORTS, Place, list_cases
from services.reporting.queries.cases import case
from services.reporting.queries.cells import CELL, OPENED, CountedRecords, Question, counted_records
from services.reporting.queries.csv_export import as_csv
from services.reporting.queries.daily_sheet import MOST, SHEET_PLACE, SheetPlace, daily_sheet
from services.reporting.queries.diary import add_diary
from services.reporting.queries.digests import add_digests
from services.reporting.queries.freshness import MAY_BE_STALE, json_answer, projected, stale_header, stale_services
from services.reporting.queries.min_position import MIN_POSITION, furthest, not_yet, wait_for
from services.reporting.queries.names import add_names
from services.reporting.queries.own_metrics import own_metrics
from services.reporting.queries.questions import refusing_bad_questions
from services.reporting.queries.reports import add_reports
from services.reporting.queries.sessions import add_sessions
from services.reporting.queries.sittings import add_sittings
from services.reporting.queries.timeline import ORDERS, Changes, Opened, Timeline, changes, timeline
from services.reporting.queries.verifications import add_verifications
from services.reporting.queries.victims import add_victims
from services.reporting.queries.visibility import Reader
from services.reporting.queries.waits import add_waits
from services.reporting.returns.api import add_extracts, add_returns
from services.reporting.search.api import add_search
from services.reporting.search.differences import add_differences
from shared.api.boundary import guard
from shared.api.openapi import complete_openapi, new_application
from shared.api.operations import add_health, add_metrics, add_progress
from shared.api.parameters import ACCESS_REASON, PAGE, TIMES, Parameter, a_day, a_time, an_id, choice
from shared.api.policy import add_policy
from shared.api.problems import Malformed, install_handlers, unknown_response
from shared.api.quarantine import add_quarantine
from shared.api.request import Caller, read_day, read_id, read_query, read_reason, read_time, today
from shared.api.routes import declared
from shared.domain.dates import end_of_day
from shared.domain.messages import Actor
from shared.domain.permissions import Denial
from shared.messaging.projection_consumer import events_topic
from shared.servers.settings import Settings

_MEASURE: Final = choice(
    "measure", "Which measure.", MEASURES, f"there is no such measure; there is {', '.join(MEASURES)}", "path"
)
_GROUPINGS: Final = {name: tuple(measure.groupings) for name, measure in MEASURES.items()}
_BY: Final = "; ".join(f"{name} by {' or '.join(groupings)}" for name, groupings in _GROUPINGS.items() if groupings)
_GROUP_BY: Final = choice(
    "group_by",
    f"Counts each group apart: {_BY}.",
    sorted({name for by in _GROUPINGS.values() for name in by}),
    f"group {_BY}",
)
_FORMAT: Final = choice("format", "How it is answered.", ("json", "csv"), "give json or csv", default="json")
_FIRST: Final = a_day("from", "The first day of the period.", required=True)
_LAST: Final = a_day("to", "The last day of the period.", required=True)
_MEASURES: Final = (_MEASURE, _FIRST, _LAST, _GROUP_BY, _FORMAT, *TIMES, ACCESS_REASON)
_OPENED: Final = choice(
    "measure",
    "Which measure; one whose groups are sealed is not opened.",
    OPENED,
    f"the numbers of these are opened: {', '.join(OPENED)}",
    "path",
)
_RECORDS: Final = (_OPENED, _FIRST, _LAST, CELL, *TIMES, ACCESS_REASON)

_STATES: Final = tuple(
    dict.fromkeys([PANEL_QUEUE, *(str(state) for model in READ_MODELS.values() for state in model.states)])
)
_STATE: Final = choice(
    "state",
    "Cases with work in this state; PANEL_QUEUE: with a referral that waits for the panel.",
    _STATES,
    f"there is no such state; there is {', '.join(_STATES)}",
)
_AFTER_CASE: Final = Parameter(
    "after",
    "The `next` of an answer in the same order: pages count from there. It reads no page before, and repeats no case.",
    PLACE,
    "give the 'next' of an answer, such as 2026-06-09:1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11",
)
_CASES: Final = (
    PAGE,
    _AFTER_CASE,
    _STATE,
    an_id("officer", "Cases of which this officer has any work.", "query"),
    a_day("due_before", "Cases with an unmet duty that is due before this day."),
    a_time("changed_since", "Cases of which something was recorded after this time."),
    choice(
        "sort",
        "The soonest duty first, the latest change first, or the latest beginning first.",
        SORTS,
        f"give {', '.join(SORTS)}",
        default=next(iter(SORTS)),
    ),
    MIN_POSITION,
    ACCESS_REASON,
)

_CASE_ID: Final = an_id("case_id", "Which case.", "path")
_CASE: Final = (_CASE_ID, *TIMES, MIN_POSITION, ACCESS_REASON)

_ORDER: Final = choice(
    "order",
    "By which of both times the events are ordered.",
    ORDERS,
    f"give {' or '.join(ORDERS)}",
    default=next(iter(ORDERS)),
)
_TIMELINE: Final = (_CASE_ID, *TIMES, _ORDER, PAGE, MIN_POSITION, ACCESS_REASON)
_AFTER: Final = Parameter(
    "after",
    "The position token of a receipt, or of `next`: only events of that service after it. Others count from their first.",
    MIN_POSITION.pattern,
    MIN_POSITION.hint,
    required=True,
    repeatable=True,
)
_CHANGES: Final = (_CASE_ID, _AFTER, MIN_POSITION, ACCESS_REASON)

_OVERDUE: Final = Parameter(
    "overdue",
    "true: only what is past its day; false: only the rest.",
    re.compile("true|false"),
    "give true or false",
    schema={"type": "boolean"},
)
_LIMIT: Final = Parameter(
    "limit",
    "How many duties the answer has at most; all of them if absent.",
    re.compile(f"[1-9][0-9]?|[1-4][0-9][0-9]|{MOST}"),
    f"give a number from 1 to {MOST}",
    schema={"type": "integer", "minimum": 1, "maximum": MOST},
)
_AFTER_DUTY: Final = Parameter(
    "after", "The `next` of an answer: only the duties after it.", SHEET_PLACE, "give the 'next' of an answer as it is"
)
_OF_OFFICER: Final = an_id("officer", "Only duties of records that this officer has.", "query")
_DUTIES: Final = (*TIMES, _OVERDUE, _OF_OFFICER, _LIMIT, _AFTER_DUTY, MIN_POSITION, ACCESS_REASON)


def reporting_api(settings: Settings) -> FastAPI:
    app = new_application(
        "reporting of the out-of-court partnership",
        "What is counted and shown across services, from events. Every read is recorded.",
        lambda: open_dependencies(settings),
    )
    guard(app, settings)
    install_handlers(app)
    _measures(app)
    _cases(app)
    _duties(app)
    for add in (add_sessions, add_sittings, add_diary, add_digests, add_reports, add_victims, add_waits):
        add(app)
    add_search(app, settings)
    add_differences(app)
    add_names(app, settings)
    add_returns(app, settings)
    add_extracts(app)
    _operations(app)
    add_quarantine(app, "reporting")
    add_audit(app)
    add_verifications(app)
    complete_openapi(app, settings)
    return app


def _measures(app: FastAPI) -> None:
    @app.get(
        "/v1/measures/{measure}",
        tags=["measures"],
        response_model=Measured,
        **declared(
            _MEASURES,
            answers={
                200: MAY_BE_STALE
                | {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The measure."}
            },
        ),
    )
    async def measure(request: Request, actor: Caller, measure: str) -> Response:
        """Answer a measure of a period of Europe/London days, both included, as JSON or CSV."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        _MEASURE.validate(measure)
        query = read_query(request)
        group_by = query.get("group_by")
        if group_by is not None and group_by not in _GROUPINGS[measure]:
            groupings = ", ".join(_GROUPINGS[measure])
            raise Malformed(
                ("group_by", f"group {measure} by {groupings}" if groupings else f"leave it out for {measure}")
            )
        first, last = _period(query)
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        await at.gate.read(actor, "measures", f"reporting/measures/{measure}", reason)
        with refusing_bad_questions():
            async with at.past:
                answer = await ask(
                    lambda: measure_queries.measure(
                        at.database, measure, first, last, group_by, as_of, known_at, ethnicity=at.ethnicity
                    )
                )
        stale = await ask(lambda: stale_services(at.database))
        if query.get("format") == "csv":
            disposition = f'attachment; filename="{measure}-{first}-{last}.csv"'
            headers = {"Content-Disposition": disposition} | stale_header(stale)
            return Response(as_csv(answer), media_type="text/csv", headers=headers)
        return json_answer(answer, stale)

    @projected(app, "/v1/measures/{measure}/records", CountedRecords, _RECORDS, tag="measures")
    async def records(request: Request, actor: Caller, measure: str) -> JSONResponse:
        """List the records counted in a number of a measure that the reader may see."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        _OPENED.validate(measure)
        query = read_query(request)
        first, last = _period(query)
        question = Question(measure, first, last, query["cell"], **_times(query))
        # Who may not ask for the number may not open it.
        part = "cases" if at.gate.refusal(actor, "measures", reason) is None else "measures"
        await at.gate.read(actor, part, f"reporting/measures/{measure}/records", reason)
        reader = await ask_for_reader(at.database, actor)
        with refusing_bad_questions(CELL.name):
            async with at.past:
                answer = await ask(lambda: counted_records(at.database, reader, question))
        return await answer_projected(at.database, answer)


def _period(query: Mapping[str, str]) -> tuple[date, date]:
    """Parse the first and the last day of a period; raises `Malformed`."""
    first, last = read_day(query, "from"), read_day(query, "to")
    if first is None or last is None:
        raise Malformed(*((name, "give a date, such as 2026-06-09") for name in ("from", "to") if name not in query))
    if last < first:
        raise Malformed(("to", "the period ends before it begins: give a date that is not before 'from'"))
    return first, last


def _cases(app: FastAPI) -> None:
    @projected(app, "/v1/cases", CaseList, _CASES)
    async def case_list(request: Request, actor: Caller) -> JSONResponse:
        """List the cases that the reader may see, in the order of `sort`; waits for `min_position`."""
        at: Dependencies = request.app.state.deps
        query = read_query(request)
        after = _place(query, _AFTER_CASE, Place.of)
        if after is not None and not after.is_in(query.get("sort", DUE)):
            raise Malformed(("after", "leave it out, or give the 'sort' of the answer that it comes from"))
        question = partial(
            list_cases,
            at.database,
            state=query.get("state"),
            officer=_officer(query),
            due_before=read_day(query, "due_before"),
            changed_since=read_time(query, "changed_since"),
            sort=query.get("sort", DUE),
            page=int(query.get("page", "1")),
            after=after,
        )
        return await answer_reader(request, actor, "cases", "cases", question)

    @projected(app, "/v1/cases/{case_id}", OneCase, _CASE, 404)
    async def one_case(request: Request, actor: Caller, case_id: str) -> JSONResponse:
        """Return the projected case: its streams by collection, and its duties; waits for `min_position`.

        The case of all events, or of those that had occurred by `as_of` and were recorded by `known_at`. Version and
        position of a stream are those of the latest event that it shows.
        """
        return await _answer(
            request, actor, case_id, "", lambda at, reader, id_, query: case(at.database, reader, id_, **_times(query))
        )

    @projected(app, "/v1/cases/{case_id}/timeline", Timeline, _TIMELINE, 404)
    async def case_timeline(request: Request, actor: Caller, case_id: str) -> JSONResponse:
        """List what happened in a case across the services, each event in a sentence; waits for `min_position`.

        All events, or those that had occurred by `as_of` and were recorded by `known_at`. A corrected event stands as it
        was recorded, with the ids of its corrections and its corrected sentence. Its notes have the values of those sealed
        fields that the owning service would show.
        """
        return await _answer(
            request,
            actor,
            case_id,
            "/timeline",
            lambda at, reader, id_, query: timeline(
                at.database,
                reader,
                id_,
                at.keyring,
                reason=read_reason(request),
                **_times(query),
                order=query.get("order", next(iter(ORDERS))),
                page=int(query.get("page", "1")),
            ),
        )

    @projected(app, "/v1/cases/{case_id}/changes", Changes, _CHANGES, 404)
    async def case_changes(request: Request, actor: Caller, case_id: str) -> JSONResponse:
        """List the events of a case that were recorded after some positions, in the order of their recording."""
        return await _answer(
            request,
            actor,
            case_id,
            "/changes",
            lambda at, reader, id_, _query: changes(
                at.database, reader, id_, furthest(request, _AFTER), at.keyring, reason=read_reason(request)
            ),
        )


_Question = Callable[
    [Dependencies, Reader, UUID, Mapping[str, str]], Awaitable[Opened | dict[str, Any] | Denial | None]
]
"""A question about one case: dependencies, reader, case and the query to an answer."""


async def _answer(request: Request, actor: Actor, case_id: str, path: str, question: _Question) -> JSONResponse:
    """Answer a question about one case, as soon as `min_position` is reached; 404 if nothing is known of it."""
    at: Dependencies = request.app.state.deps
    reason = read_reason(request)
    query = read_query(request)
    _times(query)
    wanted = furthest(request)
    id_ = read_id(case_id, _CASE_ID.name)
    answer: Opened | dict[str, Any] | Denial | None = None
    late: str | None = None
    stale: list[dict[str, Any]] = []
    # A role that may read no case at all is refused at once.
    if at.gate.refusal(actor, "cases", reason) is None:
        late = await wait_for(at.database, wanted)
        # The gate needs the case's area, which only the answer has. The answer is sent after the gate has logged the read.
        reader = await ask_for_reader(at.database, actor)
        stale = await ask(lambda: stale_services(at.database))
        answer = await ask(lambda: question(at, reader, id_, query))
    denial = answer if isinstance(answer, Denial) else None
    target = f"reporting/cases/{id_}{path}"
    await at.gate.read(actor, "cases", target, reason, denial=denial)
    if late:
        return not_yet(late)
    if answer is None or isinstance(answer, Denial):
        return unknown_response(
            "There is no such case",
            f"Nothing is known of the case {id_}, or was known then: check the id and the times.",
        )
    if isinstance(answer, Opened):
        for record, classes in answer.classes.items():
            await at.gate.log_opening(actor, classes, reason, f"{target}/{record}")
        answer = answer.answer
    return json_answer(answer, stale)


def _times(query: Mapping[str, str]) -> dict[str, datetime | None]:
    return {name: read_time(query, name) for name in ("as_of", "known_at")}


def _officer(query: Mapping[str, str]) -> UUID | None:
    return None if "officer" not in query else read_id(query["officer"], "officer")


_P = TypeVar("_P")


def _place(query: Mapping[str, str], parameter: Parameter, of: Callable[[str], _P]) -> _P | None:
    """Parse the place after which a page begins; raises `Malformed`."""
    if parameter.name not in query:
        return None
    try:
        return of(query[parameter.name])
    except ValueError:
        raise Malformed((parameter.name, parameter.hint)) from None


def _duties(app: FastAPI) -> None:
    @projected(app, "/v1/duties", Sheet, _DUTIES, tag="duties")
    async def duties(request: Request, actor: Caller) -> JSONResponse:
        """Return the daily sheet: each duty that the reader may see and that is unmet on the day of `as_of`, soonest first.

        The duties follow from the events that had occurred by `as_of` (today by default) and were recorded by `known_at`.
        The answer waits for `min_position`.
        """
        at: Dependencies = request.app.state.deps
        query = read_query(request)
        overdue = query.get("overdue")
        officer = _officer(query)
        as_of = read_time(query, "as_of") or end_of_day(today())
        known_at = read_time(query, "known_at")
        after = _place(query, _AFTER_DUTY, SheetPlace.of)
        limit = int(query["limit"]) if "limit" in query else None
        of_the_past = known_at is not None or as_of < datetime.now(UTC)

        async def sheet(reader: Reader) -> dict[str, Any]:
            only_overdue = None if overdue is None else overdue == "true"
            async with at.past if of_the_past else nullcontext():
                return await daily_sheet(
                    at.database, reader, as_of, only_overdue, known_at, officer=officer, after=after, limit=limit
                )

        return await answer_reader(request, actor, "duties", "duties", sheet)


def _operations(app: FastAPI) -> None:
    add_health(app)
    topics = sorted(events_topic(service) for service in READ_MODELS)
    add_metrics(app, "reporting", topics, own_metrics, decides=False)
    add_policy(app, POLICY)
    add_progress(app, "reporting", topics)
