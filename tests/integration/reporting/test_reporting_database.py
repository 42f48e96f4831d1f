"""Reporting on a real PostgreSQL: what the scenarios record is projected, answered, and held against a fresh fold."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.education.events import PlaceBooked, PlaceCancelled, SessionPlanned
from services.reporting.access import ACCESS
from services.reporting.measures import MEASURES
from services.reporting.measures.period import BadQuestion
from services.reporting.projection import projector
from services.reporting.projection.fold import service_of
from services.reporting.projection.projector import UNMET, apply, load
from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from services.reporting.queries import case_list as listing
from services.reporting.queries.case_list import Place, list_cases
from services.reporting.queries.cases import case
from services.reporting.queries.cells import OPENED
from services.reporting.queries.daily_sheet import SheetPlace, daily_sheet
from services.reporting.queries.measure_queries import measure
from services.reporting.queries.sessions import list_sessions
from services.reporting.queries.sittings import list_sittings
from services.reporting.queries.visibility import Reader
from services.system.registry import deciding_services
from shared.domain.dates import end_of_day, local_day
from shared.domain.decider import BrokenHistory
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.domain.permissions import EVERY, Denial
from tests.in_memory_reporting import measure_facts
from tests.integration.reporting.recorded_scenarios import (
    RecordedScenarios,
    as_stored,
    play,
    project,
    reader,
    refold_differences,
)

ANEW = Path(__file__).parents[3] / "docs" / "how-to" / "rehearse-a-restore.md"
YEAR = (date(2025, 4, 1), date(2026, 12, 31))


@pytest.fixture(scope="module")
def scenarios() -> RecordedScenarios:
    return play()


async def test_a_projection_in_batches_of_any_size_equals_a_fresh_fold(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given all scenarios, when their events come in batches and some twice, then the rows are what the facts make."""
    await project(pool, scenarios.facts[:200], 1)
    await project(pool, scenarios.facts[100:], 37)
    await project(pool, scenarios.facts[-60:], 11)
    assert await refold_differences(pool) == []
    assert await pool.fetchval("select count(*) from fact") == len(scenarios.facts)


async def test_reporting_begins_anew_as_the_how_to_says(
    pool: asyncpg.Pool[asyncpg.Record], owner: Any, scenarios: RecordedScenarios
) -> None:
    """Given events that no store holds, when the page's statements run and the topics are read again, the facts alone count."""
    await project(pool, scenarios.facts, 500)
    await owner.execute(
        "insert into fact (service, stream, version, event_id, type, home, occurred_at, recorded_at, position, hash, body)"
        " select service, gen_random_uuid(), 1, gen_random_uuid(), type, home, occurred_at, recorded_at,"
        " 100000 + position, hash, body from fact"
    )
    await owner.execute("insert into checkpoint values ($1, 'ooc.disposal.events', 0, 5)", CONSUMER)
    await owner.execute("insert into seen (consumer, stream, version) values ($1, 'disposal/x', 1)", CONSUMER)
    (statements,) = re.findall(r"^```sql\n(.*?)^```", ANEW.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    await owner.execute(statements)
    for table in ("fact", "stream", "duty", "high_water_mark", "position_record", "checkpoint", "seen", "quarantine"):
        assert await owner.fetchval(f"select count(*) from {table}") == 0, table
    await project(pool, scenarios.facts, 500)
    assert await refold_differences(pool) == []
    assert await pool.fetchval("select count(*) from fact") == len(scenarios.facts)


async def test_batches_that_come_again_or_are_rolled_back_make_what_a_fresh_fold_makes(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    """Given batches that overlap, repeat an event or are rolled back, as after a rebalance, then the rows are the facts'."""
    scenarios = play()
    scenarios.play("31", "82")
    chance = random.Random(10)
    begin = 0
    while begin < len(scenarios.facts):
        end = begin + chance.randint(1, 30)
        batch = as_stored(scenarios.facts[max(0, begin - chance.choice((0, 0, 5))) : end])
        batch += batch[-1:]
        async with pool.acquire() as connection:
            if chance.random() < 0.1:
                rolled_back = connection.transaction()
                await rolled_back.start()
                await apply(connection, batch)
                await rolled_back.rollback()
            async with connection.transaction():
                await apply(connection, batch)
        begin = end
    assert await refold_differences(pool) == []
    assert await pool.fetchval("select count(*) from fact") == len(scenarios.facts)


async def test_no_batch_folds_more_between_two_statements_than_a_slice_and_a_stream(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given many streams, when a batch has the last event of each, then they are folded by slices: PostgreSQL ends who is silent for long."""
    last = {fact.envelope.stream: fact for fact in scenarios.facts}
    ends = [fact for fact in last.values() if fact.version > 1]
    await project(pool, [fact for fact in scenarios.facts if fact not in ends], 500)
    loaded, completed, complete = list[int](), list[int](), projector.complete

    async def completing(*arguments: Any) -> None:
        before = len(loaded)
        await complete(*arguments)
        completed.extend(loaded[before:])
        del loaded[before:]

    async def counted(*arguments: Any) -> list[Fact]:
        facts = await load(*arguments)
        loaded.append(len(facts))
        return facts

    monkeypatch.setattr(projector, "load", counted)
    monkeypatch.setattr(projector, "SLICE", 40)
    monkeypatch.setattr(projector, "AT_A_TIME", 1)
    monkeypatch.setattr(projector, "complete", completing)
    await project(pool, ends, len(ends))
    assert sum(loaded) == sum(fact.version for fact in ends) > 400
    assert max(loaded) < 40 + max(fact.version for fact in ends)
    assert max(completed) <= max(fact.version for fact in scenarios.facts)
    assert await refold_differences(pool) == []


async def test_no_service_takes_the_place_of_anothers_event_by_its_id(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given an event with the id of another service's, when both come in one batch, then both are kept."""
    facts = play("05").facts
    theirs = next(fact for fact in facts if service_of(fact) == "disposal" and fact.version == 1)
    mine = next(fact for fact in facts if service_of(fact) == "referral" and fact.version == 1)
    assert mine.body is not None
    body = mine.body.replace(str(mine.event_id).encode(), str(theirs.event_id).encode())
    forged = replace(as_stored([mine])[0], event_id=theirs.event_id, body=body)
    async with pool.acquire() as connection, connection.transaction():
        await apply(connection, [*as_stored([theirs]), forged])
    assert {row["service"] for row in await pool.fetch("select service from fact")} == {"disposal", "referral"}


async def test_an_event_after_a_missing_version_is_refused(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a stream without its second event, or without its first, when a later one comes, then the batch is refused."""
    facts = play("05").facts
    stream = [fact for fact in facts if fact.envelope.stream == facts[0].envelope.stream]
    for batch, missing in ((stream[2:4], 1), ([stream[0], stream[2]], 2)):
        with pytest.raises(BrokenHistory, match=f"version {missing} is missing"):
            await project(pool, batch, 5)
    await project(pool, stream[:1], 1)
    with pytest.raises(BrokenHistory, match="version 2 is missing"):
        await project(pool, stream[2:3], 1)


async def test_measures_answer_the_same_as_from_plain_histories(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given all scenarios, when a measure is asked by any of both times, then the tables answer as the histories do."""
    await project(pool, scenarios.facts, 500)
    chance = random.Random(6)
    moments = [
        (None, None),
        (datetime(2026, 2, 14, 12, tzinfo=UTC), None),
        *((None, chance.choice(scenarios.facts).recorded_at) for _ in range(2)),
        (datetime(2026, 5, 1, 9, tzinfo=UTC), chance.choice(scenarios.facts).recorded_at),
    ]
    for name in OPENED:
        for as_of, known_at in moments:
            for group_by in (None, *MEASURES[name].groupings):
                expected = measure_facts(
                    name, scenarios.histories.values(), *YEAR, group_by, as_of=as_of, known_at=known_at
                )
                answered = await measure(pool, name, *YEAR, group_by, as_of, known_at)
                assert _but_positions(answered) == _but_positions(expected), (name, as_of, known_at, group_by)
    kpi6 = await measure(pool, "kpi6", date(2026, 1, 1), date(2026, 3, 31))
    assert kpi6["columns"]["youth_conditional_caution"]["not_completed"] == 1
    last = max(fact.position or 0 for fact in scenarios.facts if fact.envelope.stream.startswith("disposal/"))
    assert kpi6["positions"] == {"disposal": last}


async def test_what_was_counted_before_a_merge_counts_once(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given two ids that were merged, when a measure or the daily sheet is asked as before that, then each record stands there once, under its own."""
    scenarios = play("130")
    merged = next(n for n, fact in enumerate(scenarios.facts) if fact.name == "PersonMerged")
    await project(pool, scenarios.facts[: merged + 1], 500)
    before, then = scenarios.facts[merged - 1].recorded_at, scenarios.facts[merged - 1].occurred_at
    histories = scenarios.first(merged + 1).histories.values()
    for as_of, known_at in ((None, before), (then, None)):
        for name in OPENED:
            expected = measure_facts(name, histories, *YEAR, as_of=as_of, known_at=known_at)
            answered = await measure(pool, name, *YEAR, None, as_of, known_at)
            assert _but_positions(answered) == _but_positions(expected), (name, as_of, known_at)
        sheet = await daily_sheet(pool, reader(), as_of or end_of_day(YEAR[1]), known_at=known_at)
        duties = [(duty["stream"], duty["duty"], duty["item"]) for duty in sheet["duties"]]
        assert len(duties) == len(set(duties)) > 0, (as_of, known_at)


async def test_a_comparison_that_fails_says_so_of_each_service(pool: asyncpg.Pool[asyncpg.Record], owner: Any) -> None:
    """Given tables that cannot be read, when they are compared, then each service's comparison says that it could not end."""
    facts = play("05").facts
    await project(pool, facts, 100)
    await owner.execute("alter table duty rename to elsewhere")
    found = await refold_differences(pool)
    services = {fact.envelope.stream.partition("/")[0] for fact in facts}
    assert sum("this check could not be finished" in line for line in found) == len(services)


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


async def test_the_high_water_mark_waits_for_what_is_missing(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given streams that come in any order, then the mark stands before the first gap, and passes all once it is filled."""
    facts = [fact for fact in play().facts if service_of(fact) == "referral"]
    late = facts[0].envelope.stream
    await project(pool, [fact for fact in facts if fact.envelope.stream != late], 7)
    assert (await measure(pool, "timeliness", *YEAR))["positions"]["referral"] == 0
    await project(pool, [fact for fact in facts if fact.envelope.stream == late], 1)
    last = facts[-1]
    assert (await measure(pool, "timeliness", *YEAR))["positions"]["referral"] == last.position
    known_at = facts[9].recorded_at
    assert (await measure(pool, "timeliness", *YEAR, known_at=known_at))["positions"]["referral"] == facts[9].position
    assert await refold_differences(pool) == []


async def test_the_case_shows_its_own_and_nobody_elses(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given five children in one workshop, when one child's case is read, then the register shows that child alone."""
    scenarios = play("13")
    await project(pool, scenarios.facts, 100)
    opened = [fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened"]
    child, home = opened[3].event, opened[3].envelope.home
    answer = await case(pool, reader(), home, as_of=end_of_day(date(2026, 6, 30)))
    assert isinstance(answer, dict)
    assert answer["referral"] is None
    assert [found["state"] for found in answer["disposals"]] == ["COMPLETED"]
    assert [session["topic"] for session in answer["sessions"]] == ["RETAIL", "RETAIL"]
    person = str(getattr(child, "person_id", ""))
    assert [session["register"] for session in answer["sessions"]] == [
        {person: "DNA_UNACCEPTABLE"},
        {person: "ATTENDED"},
    ]
    assert {duty["duty"] for duty in answer["duties"]} >= {"ASSESSMENT", "CONDITION", "MISSED_CONTACT"}
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
    answer = await case(pool, reader(), facts[0].envelope.home)
    assert isinstance(answer, dict)
    assert not answer["panel_queue"]
    assert len(answer["conferences"]) == len(answer["sessions"]) == 1


async def test_sessions_are_listed_by_their_london_day(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a workshop, when its day is asked for, then it is there with its places; not on the day before, nor for another area."""
    facts = play("13").facts
    await project(pool, facts, 100)
    planned = next(fact for fact in facts if isinstance(fact.event, SessionPlanned))
    assert isinstance(planned.event, SessionPlanned)
    own = [fact for fact in facts if fact.envelope.stream == planned.envelope.stream]
    booked = {fact.event.person_id for fact in own if isinstance(fact.event, PlaceBooked)}
    cancelled = {fact.event.person_id for fact in own if isinstance(fact.event, PlaceCancelled)}
    stream = planned.envelope.stream.partition("/")[2]
    day = local_day(planned.event.starts_at)
    (line,) = [one for one in (await list_sessions(pool, reader(), day, day))["sessions"] if one["id"] == stream]
    assert line["places"] == len(booked - cancelled) >= line["recorded"] >= 1
    before = day - timedelta(days=1)
    assert stream not in {one["id"] for one in (await list_sessions(pool, reader(), before, before))["sessions"]}
    assert (await list_sessions(pool, reader("KENT"), day, day))["sessions"] == []


async def test_sittings_are_listed_by_their_london_day_with_their_agenda(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given two sittings, when the day of one is asked for, then it is there with what became of each case; not for another area."""
    facts = play("84").facts
    await project(pool, facts, 100)
    day = date(2026, 3, 10)
    (line,) = (await list_sittings(pool, reader(), day, day))["sittings"]
    assert line["state"] == "CLOSED"
    assert sorted(item["status"] for item in line["agenda"]) == ["ADJOURNED", "CONSIDERED", "CONSIDERED"]
    (cancelled,) = (await list_sittings(pool, reader(), date(2026, 3, 11), date(2026, 3, 20)))["sittings"]
    assert (cancelled["state"], cancelled["agenda"]) == ("CANCELLED", [])
    assert (await list_sittings(pool, reader("KENT"), day, day))["sittings"] == []


async def test_the_list_of_cases_is_what_its_filters_leave_of_all_cases(
    pool: asyncpg.Pool[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given pages of three cases, when followed under any filter, then they are what it leaves of all, in one order."""
    scenarios = play()
    scenarios.play("31", "82")
    await project(pool, scenarios.facts, 500)
    monkeypatch.setattr(listing, "PAGE", 3)
    day = date(2026, 6, 1)
    cases = await _followed(pool, reader(), today=day)
    homes = await pool.fetch("select distinct home from stream where home = any(cases)")
    assert sorted(line["case_id"] for line in cases) == sorted(str(row["home"]) for row in homes)
    assert cases == sorted(cases, key=lambda line: (line["next_due"] is None, line["next_due"], line["case_id"]))
    assert {line["next_due"] is None for line in cases} == {True, False}

    async def leaves(expected: Iterable[Mapping[str, Any]], **filters: Any) -> None:
        assert await _followed(pool, reader(), today=day, **filters) == list(expected), filters

    def with_work(name: str, value: str) -> Iterable[Mapping[str, Any]]:
        return (line for line in cases if any(work[name] == value for work in line["work"]))

    states = {work["state"] for line in cases for work in line["work"]}
    for state in sorted(states):
        await leaves(with_work("state", state), state=state)
    await leaves((line for line in cases if line["panel_queue"]), state="PANEL_QUEUE")
    for officer in sorted({work["officer"] for line in cases for work in line["work"] if work["officer"]})[:5]:
        await leaves(with_work("officer", officer), officer=UUID(officer))
    early = (line for line in cases if (line["next_due"] or "9999") < "2026-03-01")
    await leaves(early, due_before=date(2026, 3, 1))
    areas = {line["area"] for line in cases if line["area"]}
    for area in sorted(areas):
        theirs = await _followed(pool, reader(area), today=day)
        assert {line["case_id"] for line in theirs} == {line["case_id"] for line in cases if line["area"] == area}
    second = await list_cases(pool, reader(), page=2, today=day)
    assert second["cases"] == cases[3:6]
    monkeypatch.setattr(listing, "MOST_COUNTED", 4)
    counted = await list_cases(pool, reader(), today=day)
    assert (counted["total"], counted["more_than_total"], counted["cases"]) == (4, True, cases[:3])
    assert (await list_cases(pool, reader(), page=3, today=day))["cases"] == cases[6:9]


@pytest.mark.parametrize("most", [2, 1000])
async def test_the_total_of_a_list_is_counted_to_a_number(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Given a list under any filters, when its cases are counted to a number, then it says how many there are, or more."""
    await project(pool, scenarios.facts, 500)
    day = date(2026, 3, 1)
    recorded = {
        str(row["home"]): row["latest"]
        for row in await pool.fetch("select home, max(recorded_at) as latest from stream group by home")
    }
    since = sorted(recorded.values())[len(recorded) // 2]
    cases = await _followed(pool, reader(), today=day)
    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr(listing, "MOST_COUNTED", most)
    officer = next(work["officer"] for line in cases for work in line["work"] if work["officer"])
    kinds: Sequence[tuple[dict[str, Any], Callable[[Mapping[str, Any]], bool]]] = [
        ({"state": "CLOSED"}, lambda line: any(work["state"] == "CLOSED" for work in line["work"])),
        ({"state": "PANEL_QUEUE"}, lambda line: bool(line["panel_queue"])),
        ({"officer": UUID(officer)}, lambda line: any(work["officer"] == officer for work in line["work"])),
        ({"due_before": day}, lambda line: (line["next_due"] or "9999") < day.isoformat()),
        ({"changed_since": since}, lambda line: recorded[line["case_id"]] > since),
    ]
    for area in (None, *sorted({line["area"] for line in cases if line["area"]})):
        who = reader() if area is None else reader(area)
        for chosen in (one for many in range(3) for one in itertools.combinations(kinds, many)):
            filters = {name: value for one, _ in chosen for name, value in one.items()}
            if len(filters) < len(chosen):
                continue  # two states at once
            left = [
                line for line in cases if area in {None, line["area"]} and all(passes(line) for _, passes in chosen)
            ]
            answer = await list_cases(pool, who, today=day, **filters)
            found = answer["total"], answer["more_than_total"]
            assert found == (min(len(left), most), len(left) > most), (area, filters)


@pytest.mark.parametrize(("sort", "latest"), [("changed", "max(recorded_at)"), ("opened", "min(opened_at)")])
async def test_pages_by_time_are_all_cases_in_that_order(
    pool: asyncpg.Pool[asyncpg.Record],
    scenarios: RecordedScenarios,
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    latest: str,
) -> None:
    """Given pages of three cases by a time, under any filter, then by number or by `next` they are the cases left, the latest first."""
    await project(pool, scenarios.facts, 500)
    monkeypatch.setattr(listing, "PAGE", 3)
    rows = await pool.fetch(
        f"select home from stream where home = any(cases) group by home order by {latest} desc, home"
    )
    order = [str(row["home"]) for row in rows]
    areas = {line["area"] for line in await _followed(pool, reader())}
    filters: list[dict[str, Any]] = [{}, {"state": "CLOSED"}, {"due_before": date(2026, 3, 1)}]
    for who in (reader(), *(reader(area) for area in sorted(area for area in areas if area))):
        for narrowed in filters:
            left = {line["case_id"] for line in await _followed(pool, who, **narrowed)}
            found: list[str] = []
            for page in range(1, len(order) + 2):
                answer = await list_cases(pool, who, sort=sort, page=page, **narrowed)
                found += [line["case_id"] for line in answer["cases"]]
                assert (answer["total"], answer["more_than_total"]) == (len(left), False)
                if not answer["cases"]:
                    break
            assert found == [home for home in order if home in left], (who.areas, narrowed)
            assert [line["case_id"] for line in await _followed(pool, who, sort=sort, **narrowed)] == found
    with pytest.raises(BadQuestion):
        await list_cases(pool, reader(), sort=sort, after=Place(date(2026, 3, 1), uuid4()))
    monkeypatch.setattr(listing, "MOST_COUNTED", 4)
    totals = [(await list_cases(pool, reader(), sort=sort, page=page))["total"] for page in (1, 2, 999)]
    assert totals == [4, 7, 4]


@pytest.mark.parametrize("role", sorted(role for role, permission in ACCESS.items() if "cases" in permission.parts))
async def test_a_case_is_listed_where_its_reader_sees_it(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    """Given a role that may not see all work, when it reads the list, then each case stands where the work that it sees puts it."""
    await project(pool, scenarios.facts, 500)
    monkeypatch.setattr(listing, "PAGE", 3)
    mark = await pool.fetchval(
        "select mark from stream, unnest(marks) as mark where service = 'rj_conference' and mark like 'OFFICER:%' limit 1"
    )
    actor = Actor(id=UUID(mark.partition(":")[2]), role=role, organisation="DORSET_POLICE", labels={"area": EVERY})
    who = Reader(actor, None, frozenset())
    works = await pool.fetch("select service, stream, home, recorded_at, opened_at from stream where home = any(cases)")
    duties = await pool.fetch(f"select d.service, d.stream, d.home, d.due, d.duty from duty as d where {UNMET}")
    kinds = {one.name: one.permissions[role].duties for one in deciding_services() if role in one.permissions}
    async with pool.acquire() as connection:
        seen = await who.reach("state").select(connection, [(row["service"], row["stream"]) for row in works])
        due = await who.reach("duties").select(connection, [(row["service"], row["stream"]) for row in duties])
    changed: dict[UUID, datetime] = {}
    opened: dict[UUID, datetime] = {}
    for row in works:
        if (row["service"], row["stream"]) in seen:
            changed[row["home"]] = max(row["recorded_at"], changed.get(row["home"], row["recorded_at"]))
            opened[row["home"]] = min(row["opened_at"], opened.get(row["home"], row["opened_at"]))
    soonest: dict[UUID, date] = {}
    for row in duties:
        kind = kinds.get(row["service"])
        if (row["service"], row["stream"]) in due and (kind is None or row["duty"] in kind):
            soonest[row["home"]] = min(row["due"], soonest.get(row["home"], row["due"]))
    listed = [(line["case_id"], line["next_due"]) for line in await _followed(pool, who)]
    order = sorted(changed, key=lambda home: (home not in soonest, soonest.get(home), home))
    assert listed == [(str(home), soonest[home].isoformat() if home in soonest else None) for home in order]
    for sort, times in (("changed", changed), ("opened", opened)):
        order = sorted(times, key=lambda home: (-times[home].timestamp(), home))
        pages = [await list_cases(pool, who, sort=sort, page=page) for page in range(1, len(order) // 3 + 2)]
        assert [line["case_id"] for page in pages for line in page["cases"]] == [str(home) for home in order]


async def _followed(pool: asyncpg.Pool[asyncpg.Record], who: Reader, **filters: Any) -> list[dict[str, Any]]:
    """Return all cases of a list, page after page by `next`."""
    found: list[dict[str, Any]] = []
    after: Place | None = None
    while True:
        answer = await list_cases(pool, who, after=after, **filters)
        found += answer["cases"]
        if answer["next"] is None:
            assert answer["total"] == len(found)
            return found
        after = Place.of(answer["next"])


async def test_the_pages_of_a_sheet_are_the_whole_sheet(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given the sheet of any day, when it is read seven duties at a time, then nothing is missing or repeated."""
    await project(pool, scenarios.facts, 500)
    for day in (date(2026, 1, 15), date(2026, 3, 2), date(2026, 12, 31)):
        for overdue in (None, True, False):
            whole = (await daily_sheet(pool, reader(), end_of_day(day), overdue))["duties"]
            found: list[dict[str, Any]] = []
            after: SheetPlace | None = None
            while True:
                page = await daily_sheet(pool, reader(), end_of_day(day), overdue, after=after, limit=7)
                assert len(page["duties"]) <= 7
                found += page["duties"]
                if page["next"] is None:
                    break
                after = SheetPlace.of(page["next"])
            assert found == whole


async def test_the_sheet_of_an_officer_is_their_part_of_the_sheet(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given the sheet now and as of a time, when one officer's is asked for, then it has their duties and no other."""
    await project(pool, scenarios.facts, 500)
    for as_of, known_at in (
        (end_of_day(date(2026, 3, 2)), None),
        (end_of_day(date(2026, 12, 31)), scenarios.facts[-200].recorded_at),
    ):
        whole = (await daily_sheet(pool, reader(), as_of, known_at=known_at))["duties"]
        officers = {duty["officer"] for duty in whole}
        assert len(officers) > 1
        for officer in officers - {None}:
            theirs = await daily_sheet(pool, reader(), as_of, known_at=known_at, officer=UUID(officer), limit=500)
            assert theirs["duties"] == [duty for duty in whole if duty["officer"] == officer]
        assert (await daily_sheet(pool, reader(), as_of, known_at=known_at, officer=uuid4()))["duties"] == []


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


async def test_rows_without_marks_are_hidden(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given rows without the columns that access depends on, then nobody sees them."""
    facts = play("05").facts
    await project(pool, facts, 100)
    await pool.execute("update stream set marks = null, mentions = null")
    assert isinstance(await case(pool, reader(), facts[0].envelope.home), Denial)
    assert (await list_cases(pool, reader()))["total"] == 0


async def test_the_daily_sheet_shows_a_duty_until_it_is_met(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a late record (scenario 10), when a day is asked, then the sheet is that day's, overdue or not."""
    facts = play("05").facts
    await project(pool, facts, 100)
    sheet = await daily_sheet(pool, reader(), end_of_day(date(2026, 1, 15)))
    closing = next(duty for duty in sheet["duties"] if duty["duty"] == "REFERRAL_CLOSED")
    assert closing["due"] == "2025-11-26"
    assert closing["overdue"]
    assert closing["case_ids"] == [str(facts[0].envelope.home)]
    overdue = await daily_sheet(pool, reader(), end_of_day(date(2026, 1, 15)), overdue=True)
    assert overdue["duties"] == [duty for duty in sheet["duties"] if duty["overdue"]]
    rest = await daily_sheet(pool, reader(), end_of_day(date(2026, 1, 15)), overdue=False)
    assert len(rest["duties"]) == len(sheet["duties"]) - len(overdue["duties"])
    barred = [UUID(case) for duty in sheet["duties"] for case in duty["case_ids"]]
    assert (await daily_sheet(pool, reader(barred=barred), end_of_day(date(2026, 1, 15))))["duties"] == []
    after = await daily_sheet(pool, reader(), end_of_day(date(2026, 1, 24)))
    assert "REFERRAL_CLOSED" not in {duty["duty"] for duty in after["duties"]}
    assert (await daily_sheet(pool, reader("KENT"), end_of_day(date(2026, 1, 15))))["duties"] == []


async def test_a_facilitator_sees_a_conference_that_nobody_leads_until_somebody_does(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    """Given a disposal asks for a conference (scenario 01), then any facilitator has the duty, and once it is led only the leader its others."""
    facts = play("01").facts
    assigned = next(n for n, fact in enumerate(facts) if fact.name == "FacilitatorAssigned")
    conference = str(facts[assigned].stream_id)
    as_of = end_of_day(facts[assigned].day)

    async def sheet(id_: UUID) -> set[str]:
        actor = Actor(id=id_, role="RJ_FACILITATOR", organisation="DORSET_POLICE", labels={"area": EVERY})
        reader_ = Reader(actor, None, frozenset())
        duties = (await daily_sheet(pool, reader_, as_of, limit=500))["duties"]
        parts = [(await daily_sheet(pool, reader_, as_of, late, limit=500))["duties"] for late in (True, False)]
        assert sum(map(len, parts)) == len(duties)
        return {duty["duty"] for duty in duties if duty["stream"] == conference}

    await project(pool, facts[:assigned], 500)
    assert await sheet(uuid4()) == {"ASSIGN_FACILITATOR"}
    await project(pool, facts, 500)
    as_of = end_of_day(facts[-1].day)
    leader = facts[assigned].event.facilitator_id  # type: ignore[attr-defined]
    assert await sheet(uuid4()) == set()
    async with pool.acquire() as connection:
        for id_, sees in ((leader, True), (uuid4(), False)):
            who = Reader(Actor(id=id_, role="RJ_FACILITATOR", organisation="DORSET_POLICE"), None, frozenset())
            seen = await who.reach("state").select(connection, [("rj_conference", facts[assigned].stream_id)])
            assert bool(seen) is sees


async def test_a_record_of_another_area_opens_none(pool: asyncpg.Pool[asyncpg.Record], owner: Any) -> None:
    """Given who leads a conference of a case, then they see its disposal; if that conference is of another area, they do not."""
    facts = play("01").facts
    await project(pool, facts, 500)
    led = next(fact.event for fact in facts if fact.name == "FacilitatorAssigned")
    disposal = next(fact.stream_id for fact in facts if fact.name == "DisposalIssued")
    leader = Actor(id=led.facilitator_id, role="RJ_FACILITATOR", organisation="TEST")  # type: ignore[attr-defined]
    reach = Reader(leader, None, frozenset()).reach("state")
    async with pool.acquire() as connection:
        assert await reach.select(connection, [("disposal", disposal)])
        await owner.execute("update stream set area = 'POOLE' where service = 'rj_conference'")
        assert not await reach.select(connection, [("disposal", disposal)])


async def test_the_sheet_of_a_past_day_shows_what_was_due_then(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given due dates that were varied (scenario 16), when the sheet of an earlier day is asked, then it shows the old ones."""
    scenarios = play("16")
    await project(pool, scenarios.facts, 500)
    days = {
        local_day(fact.occurred_at) - timedelta(days=1) for fact in scenarios.facts if fact.name == "ConditionsVaried"
    }
    for day in sorted(days):
        sheet = await daily_sheet(pool, reader(), end_of_day(day))
        lines = sorted((line["stream"], line["duty"], line["item"] or "", line["due"]) for line in sheet["duties"])
        assert ("CONDITION", "2026-04-30") in {(duty, due) for _, duty, _, due in lines}
        assert lines == sorted(
            (str(history[0].stream_id), duty.duty, duty.item, duty.due.isoformat())
            for history in scenarios.histories.values()
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
