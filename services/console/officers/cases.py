"""The list of cases: filtered by an address that names nobody, and searched by a form whose words stand in no address."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.apis import Apis, Problem
from services.console.rendering import render
from services.console.routing import Form, console_of, first, query
from services.console.sessions import Session
from services.console.words import today
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.search.terms import MIN_PREFIX
from services.system.registry import COLLECTIONS, RECORD_TITLES
from services.trade.names import plain
from services.trade.partnership import partnership_on
from services.trade.vocabulary import SearchKind

DUE: Final = {"": "Any day", "overdue": "Overdue", "today": "By today", "week": "In the next 7 days"}
SORTED: Final = {"": "Soonest duty", "changed": "Latest change", "opened": "Latest beginning"}
SEVERAL: Final = "More than one kind of record"
CASE_NUMBER: Final = re.compile(r"(?:[a-z]{2,}-(?:[a-z]+-)?)?([0-9a-f]{8}|[0-9a-f-]{32,36})(?:-[0-9]{1,6})?")
"""The number of a case or a record, as pages show it, or within the number of a printed paper, such as YCC-5582CB24-12."""
_DAY: Final = re.compile(r"([0-9]{1,2})[ ./-]+([0-9]{1,2})[ ./-]+((?:19|20)[0-9]{2})")
SEARCHED: Final = {
    SearchKind.NAME: "Name, birth date or any number",
    SearchKind.DATE_OF_BIRTH: "Date of birth",
    SearchKind.TELEPHONE: "Telephone number",
    SearchKind.CRIME_NUMBER: "Crime number",
    SearchKind.SCHOOL: "School",
    SearchKind.CASE: "Case number on a page or paper",
    SearchKind.REFERENCE: "Other reference",
}


async def case_list(request: Request, session: Session) -> Response:
    """Show the cases that the person may see, filtered and sorted."""
    apis = console_of(request).apis
    filters = query(request, "state", "whose", "due", "sort", "page")
    answer = await apis.get_projected(
        session,
        "/v1/cases",
        {
            "state": filters["state"],
            "officer": session.person if filters["whose"] == "mine" else None,
            "due_before": _due_before(filters["due"]),
            "sort": filters["sort"],
            "page": filters["page"],
        },
    )
    cases = answer["cases"]
    return render(
        request,
        "cases.html",
        session,
        answer=answer,
        cases=cases,
        names=await _names(apis, session, {case["case_id"]: record_of(case) for case in cases if case["work"]}),
        filters=filters,
        stages=stages_of(await apis.parameter_values("reporting", "/v1/cases", "state")),
        due=DUE,
        sorts=SORTED,
        pages=_pages(answer),
    )


def stages_of(states: Sequence[str]) -> dict[str, list[str]]:
    """Return the states of the filter by the kind of record that has them; those that several kinds have stand last."""
    kinds = {state: [name for name, model in READ_MODELS.items() if state in model.states] for state in states}
    stages: dict[str, list[str]] = {RECORD_TITLES[COLLECTIONS[name]]: [] for name in READ_MODELS}
    stages |= {SEVERAL: []}
    for state, services in kinds.items():
        name = services[0] if len(services) == 1 else "" if services else "referral"
        stages[RECORD_TITLES[COLLECTIONS[name]] if name else SEVERAL].append(state)
    return {title: of_kind for title, of_kind in stages.items() if of_kind}


async def search_page(request: Request, session: Session) -> Response:
    return render(
        request, "search.html", session, kinds=SEARCHED, words="", kind=SearchKind.NAME, answer=None, wrong=""
    )


async def search(request: Request, session: Session, form: Form) -> Response:
    """Show what was found. The words came in the body, and go back in no address."""
    kind, words = first(form, "kind"), first(form, "words").strip()
    apis = console_of(request).apis
    answer: dict[str, Any] | None = None
    wrong = "" if words else "Enter what you are looking for."
    if kind == SearchKind.DATE_OF_BIRTH and not _born(words):
        wrong = "Enter a day, a month and a year, such as 14 3 2010"
    if not wrong:
        try:
            answer = await find_cases(apis, session, questions_of(kind, words))
        except Problem as problem:
            if problem.status != 422:
                raise
            wrong = " ".join(text for _, text in problem.errors) or problem.detail
    if answer and not answer["total"] and kind == SearchKind.NAME and min(map(len, words.split())) < MIN_PREFIX:
        wrong = "Enter at least three letters of the name. A shorter name is found only as a whole"
    cases = answer["cases"] if answer else []
    return render(
        request,
        "search.html",
        session,
        problem=wrong,
        kinds=SEARCHED,
        words=words,
        kind=kind,
        answer=answer,
        wrong=wrong,
        names=await _names(
            apis,
            session,
            {case["case_id"]: (record["service"], record["id"]) for case in cases for record in case["records"][:1]},
        ),
    )


def questions_of(kind: str, words: str) -> Sequence[tuple[str, str]]:
    """Return what is looked for in turn, each kind with its text: what has a digit is no name, whatever was ticked."""
    born, number = _born(words), CASE_NUMBER.fullmatch(words.lower())
    if born and kind in {SearchKind.NAME, SearchKind.DATE_OF_BIRTH}:
        return ((SearchKind.DATE_OF_BIRTH, born.isoformat()),)
    by_case = [(SearchKind.CASE, number[1].replace("-", ""))] if number else []
    if kind == SearchKind.CASE and by_case:
        return by_case
    if kind in {SearchKind.NAME, SearchKind.SCHOOL} and not any(letter.isdecimal() for letter in words):
        schools = partnership_on(today()).schools.items()
        named = [(SearchKind.SCHOOL, urn) for urn, name in schools if plain(words) in plain(name)]
        return [(kind, words), *named] if kind == SearchKind.NAME else named or [(kind, words)]
    if kind != SearchKind.NAME:
        return ((kind, words),)
    numbers = (SearchKind.CRIME_NUMBER, SearchKind.SCHOOL, SearchKind.REFERENCE, SearchKind.TELEPHONE)
    return [*by_case, *((number_kind, words) for number_kind in numbers)]


def _born(words: str) -> date | None:
    """Return the day that somebody typed; None if it is none."""
    parts = _DAY.fullmatch(words)
    try:
        return date(int(parts[3]), int(parts[2]), int(parts[1])) if parts else None
    except ValueError:
        return None


async def find_cases(apis: Apis, session: Session, questions: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what the first of some questions finds; of the last, whatever it says. Raises `Problem` or `NoAnswer`."""
    for kind, text in questions[:-1]:
        answer = await apis.search(session, {kind: text})
        if answer["total"]:
            return answer
    return await apis.search(session, dict(questions[-1:]))


def _pages(answer: Mapping[str, Any]) -> int:
    """Return how many pages the list has, as far as its cases were counted: at least one more while there are more."""
    counted = -(-answer["total"] // answer["page_size"]) or 1
    return max(counted, answer["page"] + 1) if answer["more_than_total"] and answer["next"] else counted


def _due_before(due: str | None) -> str | None:
    """Return the day before which a duty is due; of a word that the filter does not know, none."""
    days = {"overdue": 0, "today": 1, "week": 8}.get(due or "")
    return None if days is None else (today() + timedelta(days=days)).isoformat()


def record_of(case: Mapping[str, Any]) -> names.Record:
    """Return the record of a case in which the child's name is looked up."""
    work = next((work for work in case["work"] if work["service"] in {"disposal", "referral"}), case["work"][0])
    return work["service"], work["id"]


async def _names(apis: Apis, session: Session, records: Mapping[str, names.Record]) -> dict[str, str]:
    """Return the child's name by the id of the case, for those that the person may read."""
    names_by_id = await names.of_records(apis, session, records.values())
    return {case: names_by_id[id_] for case, (_, id_) in records.items() if id_ in names_by_id}
