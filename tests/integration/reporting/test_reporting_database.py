"""Reporting on a real PostgreSQL: what the scenarios record is projected, answered, and held against a fresh fold."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.reporting.case_list import list_cases
from services.reporting.cases import case
from services.reporting.daily_sheet import daily_sheet
from services.reporting.fold import service_of
from services.reporting.in_memory import measure_facts
from services.reporting.measures import MEASURES
from services.reporting.period import BadQuestion
from services.reporting.projection import fold_unmarked
from services.reporting.queries import measure
from services.reporting.read_models import READ_MODELS
from services.reporting.verify import refold_differences
from shared.domain.dates import local_day
from shared.domain.duties_by_day import duties_on
from shared.domain.permissions import Denial
from tests.integration.reporting.telling import Told, play, project, reader

YEAR = (date(2025, 4, 1), date(2026, 12, 31))


@pytest.fixture(scope="module")
def told() -> Told:
    return play()


async def test_a_projection_in_batches_of_any_size_equals_a_fresh_fold(
    pool: asyncpg.Pool[asyncpg.Record], told: Told
) -> None:
    """Given all scenarios, when their events come in batches and some twice, then the rows are what the facts make."""
    await project(pool, told.facts[:200], 1)
    await project(pool, told.facts[100:], 37)
    await project(pool, told.facts[-60:], 11)
    assert await refold_differences(pool) == []
    assert await pool.fetchval("select count(*) from fact") == len(told.facts)


async def test_measures_answer_the_same_as_from_plain_histories(pool: asyncpg.Pool[asyncpg.Record], told: Told) -> None:
    """Given all scenarios, when a measure is asked by any of both times, then the tables answer as the histories do."""
    await project(pool, told.facts, 500)
    chance = random.Random(6)
    moments = [
        (None, None),
        (datetime(2026, 2, 14, 12, tzinfo=UTC), None),
        *((None, chance.choice(told.facts).recorded_at) for _ in range(2)),
        (datetime(2026, 5, 1, 9, tzinfo=UTC), chance.choice(told.facts).recorded_at),
    ]
    for name, asked in MEASURES.items():
        for as_of, known_at in moments:
            for group_by in (None, *asked.groupings):
                expected = measure_facts(name, told.histories, *YEAR, group_by, as_of=as_of, known_at=known_at)
                answered = await measure(pool, name, *YEAR, group_by, as_of, known_at)
                assert _but_positions(answered) == _but_positions(expected), (name, as_of, known_at, group_by)
    kpi6 = await measure(pool, "kpi6", date(2026, 1, 1), date(2026, 3, 31))
    assert kpi6["columns"]["youth_conditional_caution"]["not_completed"] == 1
    last = max(fact.position or 0 for fact in told.facts if fact.envelope.stream.startswith("disposal/"))
    assert kpi6["positions"] == {"disposal": last}


def _but_positions(answered: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answered.items() if key != "positions"}


async def test_a_hole_in_the_positions_is_told(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a stream that never arrived, when asked, then answers rest on the positions before it, and the check says so."""
    facts = play("01", "07").facts
    opening = next(fact for fact in facts if fact.envelope.stream.startswith("referral/"))
    await project(pool, [fact for fact in facts if fact.envelope.stream != opening.envelope.stream], 100)
    answered = await measure(pool, "timeliness", *YEAR)
    assert answered["positions"]["referral"] == 0
    assert "referral: position 1 is missing" in await refold_differences(pool)


async def test_the_case_shows_its_own_and_nobody_elses(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given five children in one workshop, when one child's case is read, then the register shows that child alone."""
    told = play("13")
    await project(pool, told.facts, 100)
    opened = [fact for fact in told.facts if fact.name == "DisposalCaseOpened"]
    child, home = opened[3].event, opened[3].envelope.home
    shown = await case(pool, reader(), home, date(2026, 6, 30))
    assert isinstance(shown, dict)
    assert shown["referral"] is None
    assert [found["state"] for found in shown["disposals"]] == ["COMPLETED"]
    assert [session["topic"] for session in shown["sessions"]] == ["RETAIL", "RETAIL"]
    person = str(getattr(child, "person_id", ""))
    assert [session["register"] for session in shown["sessions"]] == [
        {person: "DNA_UNACCEPTABLE"},
        {person: "ATTENDED"},
    ]
    assert {duty["duty"] for duty in shown["duties"]} >= {"ASSESSMENT", "CONDITION", "MISSED_CONTACT"}
    assert await case(pool, reader(), uuid4()) is None


async def test_a_referral_waits_in_the_panel_queue_until_a_disposal_case_names_it(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    """Given a referral triaged to the panel, when a disposal case with its id opens, then it leaves the queue."""
    facts = play("01").facts
    opening = next(n for n, fact in enumerate(facts) if fact.name == "DisposalCaseOpened")
    await project(pool, facts[:opening], 100)
    queue = await list_cases(pool, reader(), state="PANEL_QUEUE")
    assert [found["case_id"] for found in queue["cases"]] == [str(facts[0].envelope.home)]
    await project(pool, facts[opening:], 100)
    assert (await list_cases(pool, reader(), state="PANEL_QUEUE"))["total"] == 0
    shown = await case(pool, reader(), facts[0].envelope.home)
    assert isinstance(shown, dict)
    assert not shown["panel_queue"]
    assert len(shown["conferences"]) == len(shown["sessions"]) == 1


async def test_the_list_of_cases_is_narrowed_and_paged(pool: asyncpg.Pool[asyncpg.Record], told: Told) -> None:
    """Given all scenarios, when the list is narrowed by state, officer, date or area, then only those cases are in it."""
    await project(pool, told.facts, 500)
    everything = await list_cases(pool, reader(), today=date(2026, 8, 1))
    homes = {
        str(fact.envelope.home)
        for fact in told.facts
        if fact.version == 1 and not fact.envelope.stream.startswith("education/")
    }
    assert everything["total"] == len(homes)
    assert {found["case_id"] for found in everything["cases"]} <= homes
    active = await list_cases(pool, reader(), state="ACTIVE")
    assert active["total"] >= 1
    assert all(any(work["state"] == "ACTIVE" for work in found["work"]) for found in active["cases"])
    officer = UUID(next(work["officer"] for work in active["cases"][0]["work"] if work["officer"]))
    theirs = await list_cases(pool, reader(), officer=officer)
    assert all(any(work["officer"] == str(officer) for work in found["work"]) for found in theirs["cases"])
    due = await list_cases(pool, reader(), due_before=date(2026, 4, 1))
    assert all(found["next_due"] < "2026-04-01" for found in due["cases"])
    assert (await list_cases(pool, reader("KENT")))["total"] == 0
    assert (await list_cases(pool, reader(), page=9))["cases"] == []
    first = UUID(everything["cases"][0]["case_id"])
    without = await list_cases(pool, reader(barred=[first]), today=date(2026, 8, 1))
    assert without["total"] == everything["total"] - 1
    assert str(first) not in {case["case_id"] for case in without["cases"]}
    with pytest.raises(BadQuestion):
        await list_cases(pool, reader(), page=0)


async def test_a_conflict_in_one_case_hides_its_work_in_another(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given work that two cases share, then who is barred from the one that it belongs to does not see it in the other."""
    facts = play("05").facts
    await project(pool, facts, 100)
    theirs, ours = facts[0].envelope.home, uuid4()
    await pool.execute("update stream set cases = cases || $1::uuid where service = 'disposal'", ours)
    shared = await case(pool, reader(), ours)
    assert isinstance(shared, dict)
    assert len(shared["disposals"]) == 1
    assert isinstance(await case(pool, reader(barred=[theirs]), ours), Denial)
    assert isinstance(await case(pool, reader(barred=[ours]), theirs), dict)


async def test_rows_without_marks_are_hidden_until_they_are_folded_anew(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given rows from before there were marks, then nobody sees them, and the worker's first step makes them whole."""
    facts = play("05").facts
    await project(pool, facts, 100)
    home = facts[0].envelope.home
    await pool.execute("update stream set marks = null, mentions = null")
    assert isinstance(await case(pool, reader(), home), Denial)
    assert (await list_cases(pool, reader()))["total"] == 0
    await fold_unmarked(pool)
    assert isinstance(await case(pool, reader(), home), dict)
    assert await refold_differences(pool) == []


async def test_the_daily_sheet_shows_a_duty_until_it_is_met(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a late record (scenario 10), when a day is asked, then the sheet is that day's, overdue or not."""
    facts = play("05").facts
    await project(pool, facts, 100)
    sheet = await daily_sheet(pool, reader(), date(2026, 1, 15))
    closing = next(duty for duty in sheet["duties"] if duty["duty"] == "REFERRAL_CLOSED")
    assert closing["due"] == "2025-11-26"
    assert closing["overdue"]
    assert closing["case_ids"] == [str(facts[0].envelope.home)]
    overdue = await daily_sheet(pool, reader(), date(2026, 1, 15), overdue=True)
    assert overdue["duties"] == [duty for duty in sheet["duties"] if duty["overdue"]]
    rest = await daily_sheet(pool, reader(), date(2026, 1, 15), overdue=False)
    assert len(rest["duties"]) == len(sheet["duties"]) - len(overdue["duties"])
    barred = [UUID(case) for duty in sheet["duties"] for case in duty["case_ids"]]
    assert (await daily_sheet(pool, reader(barred=barred), date(2026, 1, 15)))["duties"] == []
    after = await daily_sheet(pool, reader(), date(2026, 1, 23) + timedelta(days=1))
    assert "REFERRAL_CLOSED" not in {duty["duty"] for duty in after["duties"]}
    assert (await daily_sheet(pool, reader("KENT"), date(2026, 1, 15)))["duties"] == []


async def test_the_sheet_of_a_past_day_shows_what_was_due_then(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given due dates that were varied (scenario 16), when the sheet of an earlier day is asked, then it shows the old ones."""
    told = play("16")
    await project(pool, told.facts, 500)
    days = {local_day(fact.occurred_at) - timedelta(days=1) for fact in told.facts if fact.name == "ConditionsVaried"}
    for day in sorted(days):
        sheet = await daily_sheet(pool, reader(), day)
        shown = sorted((line["stream"], line["duty"], line["item"] or "", line["due"]) for line in sheet["duties"])
        assert ("CONDITION", "2026-04-30") in {(duty, due) for _, duty, _, due in shown}
        assert shown == sorted(
            (str(history[0].stream_id), duty.duty, duty.item, duty.due.isoformat())
            for history in told.histories
            for duty in duties_on(READ_MODELS[service_of(history[0])], history, day)
            if duty.met_on is None
        )


async def test_a_changed_row_or_byte_is_found(pool: asyncpg.Pool[asyncpg.Record], owner: Any) -> None:
    """Given a whole projection, when a row, a duty or an event's bytes are changed, then the check names the stream."""
    facts = play("05").facts
    await project(pool, facts, 100)
    assert await refold_differences(pool) == []
    await owner.execute("update stream set state = 'COMPLETED' where service = 'disposal'")
    await owner.execute("delete from duty where service = 'referral' and duty = 'REFERRAL_CLOSED'")
    found = await refold_differences(pool)
    assert any("state is 'COMPLETED', its facts make 'CEASED'" in line for line in found)
    assert any(line.startswith("referral/") and "duties" in line for line in found)
    await owner.execute("update fact set body = body || ' ' where service = 'disposal' and version = 4")
    assert any("version 4: the hash" in line for line in await refold_differences(pool))
