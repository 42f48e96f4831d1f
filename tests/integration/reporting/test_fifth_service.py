"""A service of which reporting knows nothing but its read model is in the case list, the case and the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import asyncpg
import pytest

from services.reporting.projection.read_models import READ_MODELS
from services.reporting.queries.case_list import list_cases
from services.reporting.queries.cases import case
from services.reporting.queries.daily_sheet import daily_sheet
from services.trade.vocabulary import Role
from shared.domain.dates import end_of_day
from shared.domain.duties import Duty
from shared.domain.envelope import GENESIS, Fact, encode_event, next_hash
from shared.domain.messages import Event
from shared.domain.permissions import STATE_AND_DUTIES, Permission
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel
from tests.integration.reporting.recorded_scenarios import project, reader, refold_differences
from tests.unit.kernel.lamps import EVENTS, HOME, NOON, STREAM, Lamp, LampHung, LampLit, LampOut, decider, history

DUE: Final = date(2026, 3, 9)


def duties(lamp: Lamp, _policy: Any) -> Sequence[Duty]:
    """Return the duty to light a lamp within a week."""
    return (Duty("LIGHT", NOON.date(), DUE, met_on=NOON.date() if lamp.times_lit else None),)


LAMPS: Final[ReadModel[Lamp]] = ReadModel(
    collection="lamps",
    events=EVENTS,
    decider=decider(),
    view=lambda lamp: {"state": "DARK" if lamp.times_lit and not lamp.lit else "HUNG", "room": lamp.room},
    duties=duties,
    policy=PolicyBook({}),
    access={Role.SUPERVISOR: Permission(STATE_AND_DUTIES)},
    ended=frozenset({"DARK"}),
)


def recorded(*events: Event) -> list[Fact]:
    """Return a lamp's history as its event store would hold it."""
    facts: list[Fact] = []
    for fact in history(*events):
        body = encode_event(fact.envelope, fact.event)
        facts.append(replace(fact, body=body, hash=next_hash(facts[-1].hash or b"" if facts else GENESIS, body)))
    return facts


async def test_a_service_whose_stream_names_a_case_is_in_the_case_list(
    pool: asyncpg.Pool[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a fifth service, when its first event names a case, then lists and case show it until it has ended."""
    monkeypatch.setitem(READ_MODELS, "lamps", LAMPS)
    facts = recorded(LampHung(room="hall"), LampLit(), LampOut())
    await project(pool, facts[:1], 1)

    (line,) = (await list_cases(pool, reader(), today=date(2026, 3, 10)))["cases"]
    assert (line["case_id"], line["open"], line["overdue_duties"]) == (str(HOME), True, 1)
    assert line["work"] == [{"service": "lamps", "id": str(STREAM), "state": "HUNG", "officer": None}]
    answer = await case(pool, reader(), HOME, as_of=end_of_day(date(2026, 3, 3)))
    assert isinstance(answer, dict)
    assert [(lamp["id"], lamp["room"]) for lamp in answer["lamps"]] == [(str(STREAM), "hall")]
    assert [duty["duty"] for duty in (await daily_sheet(pool, reader(), end_of_day(date(2026, 3, 3))))["duties"]] == [
        "LIGHT"
    ]

    await project(pool, facts[1:], 5)
    (line,) = (await list_cases(pool, reader(), state="DARK"))["cases"]
    assert (line["open"], line["next_due"]) == (False, None)
    assert await refold_differences(pool) == []
