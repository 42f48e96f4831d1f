"""The panel: its sittings, the referrals and cases that wait for one, what it recommended, and the sittings of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.apis import Apis, part_of
from services.console.officers.cases import record_of
from services.console.records import Record, read_record
from services.console.rendering import render
from services.console.routing import console_of, query, read_page
from services.console.sessions import Session
from services.console.words import today

QUEUE: Final = "PANEL_QUEUE"
CONSIDERED: Final = ("OPENED", "ASSESSED")
"""States of a disposal of which the panel has said nothing yet."""
RECOMMENDED: Final = "RECOMMENDED"
COMMAND: Final = "RecordPanelRecommendation"
RULE: Final = "P1"
"""The rule of the quorum, whose text and source the page shows as the service gives them."""
AT_ONCE: Final = 8
SHOWN: Final = 6
"""Cases of a table on one page: what may be done next is asked of each, which is most of what the page costs."""
WAITING: Final = 50
"""Referrals that wait, on one page: their names come in one answer."""
LISTS: Final = {"considered": "To be considered", "recommended": "Recommended, to be decided", "past": "Past sittings"}
"""The lists of the page, by the parameter of its address; the first is shown without one."""
AHEAD: Final = timedelta(weeks=9)
BEHIND: Final = timedelta(weeks=4)
"""Sittings that may still be held begin at most so long after and before today."""
PAST: Final = timedelta(weeks=13)
"""Sittings of the past began at most so long ago."""
OVER: Final = frozenset({"CLOSED", "CANCELLED"})
"""States of a sitting of which nothing more is to be held."""


@dataclass(frozen=True, slots=True)
class Item:
    """A case on the panel's list, with its disposal if there is one."""

    case: Mapping[str, Any]
    name: str
    record: Record | None = None

    @property
    def may_recommend(self) -> bool:
        """Whether the role may record a recommendation now."""
        return any(line["type"] == COMMAND and line["status"] != "refused" for line in self.commands)

    @property
    def commands(self) -> Sequence[Mapping[str, Any]]:
        if self.record is None or not self.record.guidance.value:
            return ()
        lines: Sequence[Mapping[str, Any]] = self.record.guidance.value["commands"]
        return lines


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the cases in some states, one state after the other, the soonest duty first in each."""

    cases: Sequence[Mapping[str, Any]]
    page: int
    pages: int
    total: int
    more_than_total: bool

    @classmethod
    async def read(cls, apis: Apis, session: Session, states: Sequence[str], page: int, size: int) -> Listed:
        """Read a page; one beyond the last is the last. Raises `Problem` or `NoAnswer`."""
        firsts = await asyncio.gather(*(_answer(apis, session, state, 1) for state in states))
        total = sum(first["total"] for first in firsts)
        pages = max(1, -(-total // size))
        page = min(page, pages)
        cases: list[Mapping[str, Any]] = []
        start = (page - 1) * size
        for state, first in zip(states, firsts, strict=True):
            while start < first["total"] and len(cases) < size:
                number, offset = divmod(start, first["page_size"])
                answer = first if number == 0 else await _answer(apis, session, state, number + 1)
                taken = answer["cases"][offset : offset + size - len(cases)]
                if not taken:
                    break  # a case has moved on since it was counted
                cases += taken
                start += len(taken)
            start = max(0, start - first["total"])
        return cls(cases, page, pages, total, any(first["more_than_total"] for first in firsts))


async def _answer(apis: Apis, session: Session, state: str, page: int) -> dict[str, Any]:
    return await apis.get_projected(session, "/v1/cases", {"state": state, "page": str(page)})


async def sittings_of(apis: Apis, session: Session, *, past: bool = False) -> list[Mapping[str, Any]]:
    """Read the sittings around today or of the past, the earliest first, as far as the person may see them."""
    first, last = (today() - PAST, today()) if past else (today() - BEHIND, today() + AHEAD)
    period = {"from": first + timedelta(days=1), "to": last}
    answer = await part_of(apis.get_projected(session, "/v1/sittings", period))
    return list((answer.value or {}).get("sittings", ()))


def on_agendas(sittings: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the sitting that is to consider a case, by the id of its disposal."""
    return {
        item["disposal_id"]: sitting
        for sitting in sittings
        for item in sitting["agenda"]
        if sitting["state"] not in OVER and item["status"] == "TO_CONSIDER"
    }


async def panel_page(request: Request, session: Session) -> Response:
    """Show the sittings to come and what waits for one; or what was recommended; or the sittings of the past."""
    apis = console_of(request).apis
    chosen = query(request, "list", "page", "waiting")
    shown = chosen["list"] if chosen["list"] in LISTS else next(iter(LISTS))
    states = {"considered": CONSIDERED, "recommended": (RECOMMENDED,), "past": ()}[shown]
    waiting, listed, sittings = await asyncio.gather(
        Listed.read(apis, session, (QUEUE,) if shown == "considered" else (), read_page(chosen["waiting"]), WAITING),
        Listed.read(apis, session, states, read_page(chosen["page"]), SHOWN),
        sittings_of(apis, session, past=shown == "past"),
    )
    queue = [case for case in waiting.cases if case["work"]]
    called, items = await asyncio.gather(
        names.of_records(apis, session, (record_of(case) for case in queue)),
        _with_disposals(apis, session, listed.cases, states, guidance=shown == "considered"),
    )
    return render(
        request,
        "panel.html",
        session,
        lists=LISTS,
        shown=shown,
        sittings=[sitting for sitting in sittings if (sitting["state"] in OVER) == (shown == "past")],
        on_agenda=on_agendas(sittings),
        waiting=waiting,
        queue=[Item(case, called.get(record_of(case)[1], "")) for case in queue],
        referrals={
            case["case_id"]: work["id"] for case in queue for work in case["work"] if work["state"] == "WITH_PANEL"
        },
        listed=listed,
        items=items,
        quorum=quorum_of(items),
    )


def quorum_of(items: Sequence[Item]) -> Mapping[str, Any] | None:
    """Return the rule of the quorum as the guidance of a case gives it; None if no case does."""
    return next(
        (rule for item in items for line in item.commands for rule in line["rules"] if rule["id"] == RULE), None
    )


async def _with_disposals(
    apis: Apis, session: Session, cases: Sequence[Mapping[str, Any]], states: Sequence[str], *, guidance: bool
) -> list[Item]:
    """Read the disposals of cases that are in some states, as far as the person may; with the guidance of `COMMAND`, if asked."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def read(case: Mapping[str, Any], id_: str) -> Item:
        async with turn:
            record = await read_record(apis, session, "disposals", id_, {}, guidance=guidance, command=COMMAND)
        child = record.child
        return Item(case, child.name if child else "", record)

    disposals = [
        (case, work["id"])
        for case in cases
        for work in case["work"]
        if work["service"] == "disposal" and work["state"] in states
    ]
    return await asyncio.gather(*(read(case, id_) for case, id_ in disposals))
