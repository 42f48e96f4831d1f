"""The panel of the week: the referrals that wait for it, the cases that it considers with their packs, and what it recommended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.web import names
from services.console.web.apis import Apis
from services.console.web.cases import record_of
from services.console.web.records import Record, read_record
from services.console.web.rendering import render
from services.console.web.routing import console_of
from services.console.web.sessions import Session
from services.console.web.words import today

QUEUE: Final = "PANEL_QUEUE"
CONSIDERED: Final = ("OPENED", "ASSESSED")
"""States of a disposal of which the panel has said nothing yet."""
RECOMMENDED: Final = "RECOMMENDED"
COMMAND: Final = "RecordPanelRecommendation"
RULE: Final = "P1"
"""The rule of the quorum, whose text and source the page shows as the service gives them."""
AT_ONCE: Final = 8
MOST: Final = 20
"""Cases of a table that the page reads, the soonest duty first: a week's panel has fewer."""


@dataclass(frozen=True, slots=True)
class Item:
    """A case on the panel's list, with its disposal where there is one."""

    case: Mapping[str, Any]
    name: str
    record: Record | None = None

    @property
    def may_recommend(self) -> bool:
        """Whether the role may record a recommendation now."""
        return any(line["type"] == COMMAND and line["status"] != "refused" for line in self.commands)

    @property
    def commands(self) -> Sequence[Mapping[str, Any]]:
        """The guidance of the disposal."""
        if self.record is None or not self.record.guidance.value:
            return ()
        lines: Sequence[Mapping[str, Any]] = self.record.guidance.value["commands"]
        return lines


async def panel_page(request: Request, session: Session) -> Response:
    """Show the list of the panel for this week."""
    apis = console_of(request).apis
    states = (QUEUE, *CONSIDERED, RECOMMENDED)
    answers = await asyncio.gather(*(apis.get_projected(session, "/v1/cases", {"state": state}) for state in states))
    by_state = {state: answer["cases"] for state, answer in zip(states, answers, strict=True)}
    waiting = [case for case in by_state[QUEUE] if case["work"]]
    to_consider = [case for state in CONSIDERED for case in by_state[state]]
    called, considered, recommended = await asyncio.gather(
        names.of_records(apis, session, (record_of(case) for case in waiting)),
        _with_disposals(apis, session, to_consider[:MOST], CONSIDERED, guidance=True),
        _with_disposals(apis, session, by_state[RECOMMENDED][:MOST], (RECOMMENDED,), guidance=False),
    )
    monday = today() - timedelta(days=today().weekday())
    return render(
        request,
        "panel.html",
        session,
        monday=monday,
        waiting=[Item(case, called.get(record_of(case)[1], "")) for case in waiting],
        referrals={case["case_id"]: _id_of(case, "referral", "WITH_PANEL") for case in waiting},
        considered=considered,
        recommended=recommended,
        quorum=quorum_of(considered),
        unread=any(answer["total"] > len(answer["cases"]) for answer in answers)
        or max(len(to_consider), len(by_state[RECOMMENDED])) > MOST,
    )


def quorum_of(items: Sequence[Item]) -> Mapping[str, Any] | None:
    """Return the rule of the quorum as the guidance of a case gives it; None where no case does."""
    return next(
        (rule for item in items for line in item.commands for rule in line["rules"] if rule["id"] == RULE), None
    )


async def _with_disposals(
    apis: Apis, session: Session, cases: Sequence[Mapping[str, Any]], states: Sequence[str], *, guidance: bool
) -> list[Item]:
    """Read the disposals of cases that are in some states, as far as the person may; with what may be done next, if asked."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def read(case: Mapping[str, Any], id_: str) -> Item:
        async with turn:
            record = await read_record(apis, session, "disposals", id_, {}, guidance=guidance)
        child = record.child
        return Item(case, child.name if child else "", record)

    found = [
        (case, work["id"])
        for case in cases
        for work in case["work"]
        if work["service"] == "disposal" and work["state"] in states
    ]
    return await asyncio.gather(*(read(case, id_) for case, id_ in found))


def _id_of(case: Mapping[str, Any], service: str, state: str) -> str | None:
    return next((work["id"] for work in case["work"] if (work["service"], work["state"]) == (service, state)), None)
