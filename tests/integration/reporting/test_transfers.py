"""A case that another area holds, as reporting shows it there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.reporting.queries.case_list import list_cases
from services.reporting.queries.cases import case
from services.reporting.queries.daily_sheet import daily_sheet
from services.reporting.queries.measure_queries import measure
from shared.domain.permissions import Denial
from tests.hostile.partnership import opened_disposal
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, project, reader, refold_differences
from tests.received_referral import received_referral
from tools.scenario.backend import Request
from tools.scenario.story import Officer, Result

HOME, REFERRAL, DISPOSAL, SESSION, CHILD = uuid4(), uuid4(), uuid4(), uuid4(), uuid4()
RECEIVED = datetime(2026, 3, 2, 15, 20, tzinfo=UTC)
OPENED = datetime(2026, 3, 3, 9, tzinfo=UTC)
MOVED = datetime(2026, 3, 4, 9, tzinfo=UTC)
TRANSFER = {"to_area": "DEVON", "kind": "CARETAKING", "review_on": "2026-04-01", "why": "He stays with an aunt."}
PLAN = {"kind": "GROUP", "topic": "DIVERSITY", "starts_at": "2026-03-20T10:00:00Z", "hours": 2, "place": "Hall"}


async def test_another_area_sees_the_case_and_its_duties_while_it_holds_it(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a referral and its disposal, while another area holds the disposal, then that area alone lists and reads both."""
    scenarios = RecordedScenarios()

    async def send(service: str, stream: UUID, at: datetime, body: Mapping[str, Any]) -> None:
        """Send a command, and project what it records."""
        known, role = len(scenarios.facts), Officer("YJS_CASE_MANAGER" if "details" in body else "SUPERVISOR")
        asked = Request(service, stream, role, {"occurred_at": at.isoformat(), **body}, str(uuid4()))
        assert scenarios.memory.send(asked).word is Result.ACCEPTED
        await project(pool, scenarios.facts[known:], 100)

    async def seen(area: str) -> tuple[int, bool, bool, int]:
        """Return how many cases an area lists, whether it reads this one now and as of its opening, and its duties.

        Of the session that others share it reads the child's place.
        """
        who = reader(area)
        listed = await list_cases(pool, who)
        now, then = await case(pool, who, HOME), await case(pool, who, HOME, as_of=OPENED)
        sheet = await daily_sheet(pool, who, OPENED)
        assert not isinstance(now, Denial) or now.hidden
        reads = isinstance(now, Mapping) and now["referral"] is not None and len(now["disposals"]) == 1
        assert not isinstance(now, Mapping) or [len(session["register"]) for session in now["sessions"]] == [1]
        return len(listed["cases"]), reads, isinstance(then, Mapping), len(sheet["duties"])

    nothing = (0, False, False, 0)
    await send("referral", REFERRAL, RECEIVED, received_referral(HOME, RECEIVED.isoformat()))
    await send("referral", REFERRAL, RECEIVED, {"type": "GiveAdvice", "to": "CHILD", "topic": "WEAPONS"})
    details = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}
    await send("disposal", DISPOSAL, OPENED, opened_disposal(HOME, CHILD, details, occurred_at=OPENED.isoformat()))
    await send("education", SESSION, OPENED, {"type": "PlanSession", **PLAN})
    await send("education", SESSION, OPENED, {"type": "BookPlace", "person_id": str(CHILD), "case_id": str(HOME)})
    await send("education", SESSION, OPENED, {"type": "BookPlace", "person_id": str(uuid4())})

    proposal = {"type": "ProposeConference", "case_id": str(HOME), "harmer": str(CHILD), "harmer_age": 14}
    await send("rj_conference", uuid4(), OPENED, {**proposal, "category": "OTHER", "sensitive": "NONE"})

    async def worked_in(as_of: datetime | None = None) -> set[str]:
        """Return the areas in which the disposal, the referral, and the conference count as work."""
        states = {"OPENED", "RECEIVED", "PROPOSED"}
        answer = await measure(pool, "workload", MOVED.date(), MOVED.date(), "area", as_of)
        areas = {area for area, counts in answer["by_area"].items() if states & counts["by_state"].keys()}
        assert all(states == answer["by_area"][area]["by_state"].keys() for area in areas), answer
        return areas

    assert await seen("DEVON") == nothing
    await send("disposal", DISPOSAL, MOVED, {"type": "TransferCase", **TRANSFER})
    assert await seen("DEVON") == await seen("DORSET") != nothing
    assert await seen("KENT") == nothing
    assert await worked_in() == {"DORSET"}
    await send("disposal", DISPOSAL, MOVED, {"type": "TransferCase", **TRANSFER, "kind": "TRANSFER"})
    assert await worked_in() == {"DEVON"}
    assert await worked_in(as_of=OPENED) == {"DORSET"}

    async def advised_in(last: datetime) -> list[str]:
        """Return the areas in which the advice counts in a period up to a day."""
        answer = await measure(pool, "education", RECEIVED.date(), last.date(), "area", None)
        return [area for area, counts in answer["by_area"].items() if counts["advice"]]

    assert (await advised_in(MOVED), await advised_in(OPENED)) == (["DEVON"], ["DORSET"])
    assert await seen("DEVON") == await seen("DORSET")
    assert await refold_differences(pool) == []
    back = MOVED + timedelta(days=1)
    await send("disposal", DISPOSAL, back, {"type": "EndTransfer", "why": "He is back."})
    assert await seen("DEVON") == nothing
    assert [await advised_in(day) for day in (OPENED, MOVED, back)] == [["DORSET"], ["DEVON"], ["DORSET"]]
    assert await worked_in() == {"DEVON"}
    assert await refold_differences(pool) == []
