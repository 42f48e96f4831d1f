"""A case at two moments: the difference as a table, the events between them, and the steps from one event to the next."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, unless_unknown
from services.console.names import called
from services.console.records import SEALED, all_people, read_all, records_in
from services.console.rendering import render
from services.console.routing import console_of, query, read_day, read_uuid
from services.console.sessions import Session
from services.console.words import day, duty_in_words, in_words
from services.system.registry import RECORD_TITLES
from shared.api.parameters import UUID_TEXT
from shared.domain.dates import end_of_day

MOMENTS: Final = ("as_from", "known_from", "as_to", "known_to")
HEAD: Final = frozenset({"id", "version", "position", "updated_at", "details", "waiting", "officer"})
"""Members of a record that say nothing of where it stands, or are not shown here."""
MAX_PAGES: Final = 20
"""Pages of a timeline that are read, of a hundred events each."""
ABSENT: Final = "Not there"

Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs between two moments, in words."""

    what: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class NeighbouringEvent:
    """An event to which one can step: its sentence, and the times at which the case is shown after it."""

    sentence: str
    times: Mapping[str, str]


async def difference_page(request: Request, session: Session) -> Response:
    """Show what differs in a case between two moments, and the events that make the difference."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "case"))
    given = query(request, *MOMENTS)
    first = {"as_of": given["as_from"], "known_at": given["known_from"]}
    second = {"as_of": given["as_to"], "known_at": given["known_to"]}
    rows: Sequence[Difference] = ()
    between: Sequence[Mapping[str, Any]] = ()
    was_there = True
    if any(first.values()):
        later, earlier = await asyncio.gather(
            apis.get_projected(session, f"/v1/cases/{id_}", second),
            unless_unknown(apis.get_projected(session, f"/v1/cases/{id_}", first)),
        )
        was_there = earlier is not None
        names, after, before = await asyncio.gather(
            _names_of_ids(apis, session, later),
            all_events(apis, session, id_, second),
            all_events(apis, session, id_, first) if was_there else asyncio.sleep(0, list[Mapping[str, Any]]()),
        )
        rows = differences(earlier or {}, later, names)
        known = {event["event_id"] for event in before}
        between = [event for event in after if event["event_id"] not in known]
    return render(
        request,
        "difference.html",
        session,
        id=id_,
        given=given,
        first=first,
        second=second,
        asked=any(first.values()),
        was_there=was_there,
        rows=rows,
        between=between,
    )


async def all_events(
    apis: Apis, session: Session, case: str, times: Mapping[str, Any], order: str = "recorded_at"
) -> list[Mapping[str, Any]]:
    """Read the timeline of a case to its end, as far as `MAX_PAGES` reach."""
    path = f"/v1/cases/{case}/timeline"
    events: list[Mapping[str, Any]] = []
    for page in range(1, MAX_PAGES + 1):
        answer = await apis.get_projected(session, path, {**times, "order": order, "page": str(page)})
        events += answer["events"]
        if len(events) >= answer["total"]:
            break
    return events


async def steps_around(
    apis: Apis, session: Session, case: str, times: Mapping[str, Any]
) -> tuple[NeighbouringEvent | None, NeighbouringEvent | None]:
    """Return the steps to the event before the one that a moment shows last, and to the one after it."""
    name, key = ("known_at", "recorded_at") if times["known_at"] else ("as_of", "occurred_at")
    moment = moment_of(times[name])
    events = [] if moment is None else await all_events(apis, session, case, {}, key)
    before, after = neighbours([datetime.fromisoformat(event[key]) for event in events], moment)

    def step(n: int | None) -> NeighbouringEvent | None:
        return None if n is None else NeighbouringEvent(events[n]["sentence"], {name: events[n][key]})

    return step(before), step(after)


def neighbours(moments: Sequence[datetime], moment: datetime | None) -> tuple[int | None, int | None]:
    """Return the places of the moments, in order, before and after the shown one: the last that is not after `moment`."""
    if moment is None:
        return None, None
    shown = max((at for at in moments if at <= moment), default=None)
    before = [n for n, at in enumerate(moments) if shown is not None and at < shown]
    after = [n for n, at in enumerate(moments) if at > moment]
    return (before[-1] if before else None), (after[0] if after else None)


def differences(first: Case, second: Case, names: Mapping[str, str]) -> list[Difference]:
    """List what differs between a case at two moments, in words; `names` has those of ids."""
    return changed_facts(dict(_facts(first, names)), dict(_facts(second, names)))


def changed_facts(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """List the facts whose values in words differ."""
    return [
        Difference(what, before.get(what, ABSENT), after.get(what, ABSENT))
        for what in dict.fromkeys([*after, *before])
        if before.get(what) != after.get(what)
    ]


def _facts(case: Case, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for collection, record in records_in(case):
        title = RECORD_TITLES[collection]
        if len(case[collection]) > 1:
            title = f"{title} {str(record['id'])[:8]}"
        for name, value in record.items():
            if name not in HEAD:
                yield from members(f"{title}: {_words(name)}", value, names)
    for duty in case.get("duties", ()):
        item = names.get(duty["item"] or "") or (duty["item"] or "")[:8]
        yield (
            f"Duty: {duty_in_words(duty['duty'])}{f' ({item})' if item else ''}, opened {day(duty['opened_on'])}",
            _standing(duty),
        )


def members(what: str, value: Any, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each value that a value holds, with the names that lead to it, both in words; `names` has those of ids."""
    if isinstance(value, Mapping) and not SEALED.isdisjoint(value):
        yield what, "Forgotten: its key was destroyed" if value.get("forgotten") else "Not shown to your role"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            name = names.get(str(key)) or (str(key)[:8] if UUID_TEXT.fullmatch(str(key)) else _words(str(key)))
            yield from members(f"{what}, {name}" if what else name[:1].upper() + name[1:], item, names)
    elif isinstance(value, list):
        yield what, ", ".join(names.get(str(item)) or _text(item) for item in value) or "None"
    elif value is not None:
        yield what, names.get(str(value)) or _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(name))} {_text(item)}" for name, item in value.items())
    text = str(value)
    return day(text) or in_words(text)


def _standing(duty: Mapping[str, Any]) -> str:
    for member, words in (("met_on", "met on"), ("lapsed_on", "lapsed on")):
        if duty.get(member) is not None:
            return f"{words} {day(duty[member])}"
    return f"{'overdue since' if duty.get('overdue') else 'due'} {day(duty['due'])}"


def _words(name: str) -> str:
    return name.replace("_", " ")


async def _names_of_ids(apis: Apis, session: Session, case: Case) -> dict[str, str]:
    """Return the words for the ids of a case: its people by name, if the person may know them, and its conditions."""
    records = await read_all(apis, session, case, {}, guidance=False)
    return {**called(all_people(records)), **{id_: text for record in records for id_, text in record.names.items()}}


def moment_of(text: str | None) -> datetime | None:
    """Return a time of an address; of a day, its end. None if it is none, or one without a zone."""
    try:
        if on := read_day(text):
            return end_of_day(on)
        moment = datetime.fromisoformat(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
