"""A case, its timeline and its changes by both times, from real tables, beside a fresh fold of the same facts."""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.reporting.projection import as_of as past
from services.reporting.projection.fold import Folded, Stream, fold, service_of
from services.reporting.projection.projector import load, read_row, stream_of
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.queries import timeline as timelines
from services.reporting.queries.cases import case, records_of_case
from services.reporting.queries.daily_sheet import daily_sheet
from services.reporting.queries.measure_queries import measure
from services.reporting.queries.timeline import Opened, changes, timeline
from services.reporting.queries.visibility import Reader
from services.reporting.returns.frozen import ReturnQuestion, compare_with_today, prepare_return
from services.trade.vocabulary import Personal, Role
from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.domain.permissions import Denial
from shared.domain.sealing import FieldClass
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, project, reader

LATER = datetime(2027, 1, 1, tzinfo=UTC)
AUDIT, WORKSHOP, REBOOKED, PANEL = "10", "13", "80", "01"
"""Stories with a correction and late records, a session of several cases, a booking put right, and a panel."""


@pytest.fixture(scope="module")
def scenarios() -> RecordedScenarios:
    return play(AUDIT, WORKSHOP, REBOOKED, PANEL)


def moments(scenarios: RecordedScenarios) -> list[tuple[datetime | None, datetime | None]]:
    """Both times: neither, one, and both, taken from what was recorded."""
    chance = random.Random(9)

    def occurred() -> datetime:
        return chance.choice(scenarios.facts).occurred_at

    def recorded() -> datetime | None:
        return chance.choice(scenarios.facts).recorded_at

    return [
        (None, None),
        *((occurred(), None) for _ in range(3)),
        *((None, recorded()) for _ in range(3)),
        *((occurred(), recorded()) for _ in range(6)),
    ]


async def test_a_question_of_the_past_leaves_others_their_turn(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given many streams that changed since a day, when they are folded anew, then other requests come in between."""
    await project(pool, scenarios.facts, 500)
    monkeypatch.setattr(past, "AT_A_TIME", 2)
    folded: list[int] = [0]

    def counted(history: Sequence[Fact], **cut: Any) -> Folded | None:
        folded[-1] += 1
        return fold(history, **cut)

    async def others() -> None:
        while True:
            folded.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(past, "fold", counted)
    running = asyncio.create_task(others())
    known = sorted(fact.recorded_at for fact in scenarios.facts if fact.recorded_at is not None)
    await daily_sheet(pool, reader(), LATER, known_at=known[len(known) // 2])
    running.cancel()
    assert sum(folded) > 4
    assert max(folded) <= 2


@pytest.mark.parametrize("question", ["sheet", "workload", "kpi6", "return"])
async def test_a_question_of_the_past_holds_few_histories_at_once(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """Given many streams that changed since, when they are folded anew, then those that were folded are not kept in memory."""
    await project(pool, scenarios.facts, 500)
    times = sorted(fact.recorded_at for fact in scenarios.facts if fact.recorded_at is not None)
    known = times[len(times) // 2]
    analyst = Actor(id=uuid4(), role="ANALYST", organisation="POLICE", labels={"area": "EVERY"})
    asked = ReturnQuestion("workload", date(2026, 1, 1), date(2026, 12, 31))
    item = await prepare_return(pool, uuid4(), asked, analyst, None)
    read, held, most = list[weakref.ref[Fact]](), set[Stream](), 0

    def note_read(facts: list[Fact]) -> list[Fact]:
        nonlocal most
        read.extend(map(weakref.ref, facts))
        held.update(map(stream_of, facts))
        most = max(most, len({stream_of(fact) for one in read if (fact := one()) is not None}))
        return facts

    async def load_noting(*args: Any) -> list[Fact]:
        return note_read(await load(*args))

    monkeypatch.setattr(past, "AT_A_TIME", 1)
    monkeypatch.setattr(past, "load", load_noting)
    monkeypatch.setattr(past, "read_row", lambda row: note_read([read_row(row)])[0])
    if question == "sheet":
        await daily_sheet(pool, reader(), LATER, known_at=known)
    elif question == "return":
        await compare_with_today(
            pool,
            replace(item, positions=dict.fromkeys(item.positions, 0)),
            None,
            Reader(analyst, None, frozenset()),
            scenarios.memory.keyring,
        )
    else:
        await measure(pool, question, asked.first, asked.last, known_at=known)
    assert len(held) > 4
    assert most <= 3


def cases_of(scenarios: RecordedScenarios) -> list[UUID]:
    return list(
        dict.fromkeys(
            history[0].envelope.home
            for history in scenarios.histories.values()
            if service_of(history[0]) != "education"
        )
    )


def work_of(
    scenarios: RecordedScenarios, case_id: UUID, **times: Any
) -> dict[tuple[str, str], tuple[str, int, int | None]]:
    """Return the streams of a case by a fresh fold: state, version and position of each."""
    found = {}
    for history in scenarios.histories.values():
        folded = fold(history, **times)
        if folded is not None and case_id in folded.summary.cases:
            latest = history_at(history, **times)[-1]
            found[service_of(history[0]), str(history[0].stream_id)] = (folded.state, latest.version, latest.position)
    return found


def own_duties(
    scenarios: RecordedScenarios, case_id: UUID, as_of: datetime, known_at: datetime | None
) -> list[tuple[str, str, str]]:
    """Return the duties of a case's own streams by a fresh fold."""
    return sorted(
        (str(history[0].stream_id), duty.duty, duty.item)
        for history in scenarios.histories.values()
        if history[0].envelope.home == case_id
        for duty in duties_on(READ_MODELS[service_of(history[0])], history, as_of, known_at)
    )


async def test_a_case_by_both_times_is_a_fresh_fold_of_its_facts(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given corrections, late records and shared sessions, when a case is cut by both times, then each stream stands as a fold of its facts, with version and position, and so do its duties."""
    await project(pool, scenarios.facts, 500)
    for as_of, known_at in moments(scenarios):
        for case_id in cases_of(scenarios):
            expected = work_of(scenarios, case_id, as_of=as_of, known_at=known_at)
            answer = await case(pool, reader(), case_id, as_of=as_of, known_at=known_at)
            if not expected:
                assert answer is None
                continue
            assert isinstance(answer, dict)
            assert expected == {
                (service, work["id"]): (work["state"], work["version"], work["position"])
                for service, model in READ_MODELS.items()
                for work in answer[model.collection]
            }
            duties = [(duty["stream"], duty["duty"], duty["item"] or "") for duty in answer["duties"]]
            own = sorted(duty for duty in duties if duty[0] not in {work["id"] for work in answer["sessions"]})
            assert own == own_duties(scenarios, case_id, as_of or LATER, known_at)


async def test_the_panel_queue_of_the_past_is_that_of_the_past(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given a referral that waited for the panel, when its case is asked as of then, then it waits, and now it does not."""
    await project(pool, scenarios.facts, 500)
    opened = next(fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened")
    triaged = next(
        fact
        for fact in scenarios.facts
        if fact.name == "ReferralTriaged" and fact.envelope.home == opened.envelope.home
    )
    then = await case(pool, reader(), opened.envelope.home, as_of=triaged.occurred_at)
    now = await case(pool, reader(), opened.envelope.home)
    assert isinstance(then, dict)
    assert isinstance(now, dict)
    assert (then["panel_queue"], now["panel_queue"]) == (True, False)
    assert (then["disposals"], then["referral"]["state"]) == ([], "WITH_PANEL")


async def whole_timeline(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, case_id: UUID, **times: Any
) -> list[dict[str, Any]]:
    """Every line of a timeline, page for page."""
    keyring = scenarios.memory.keyring
    lines: list[dict[str, Any]] = []
    while True:
        page = await timeline(pool, reader(), case_id, keyring, page=len(lines) // timelines.PAGE + 1, **times)
        assert isinstance(page, Opened)
        lines += page.answer["events"]
        if len(lines) == page.answer["total"]:
            return lines


def facts_of(scenarios: RecordedScenarios, case_id: UUID, **times: Any) -> list[UUID]:
    """Return the events from which the own streams of a case are folded."""
    return [
        fact.event_id
        for history in scenarios.histories.values()
        if history[0].envelope.home == case_id
        for fact in history_at(history, **times)
    ]


async def test_a_timeline_by_both_times_holds_the_events_that_the_case_is_folded_from(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given any of both times, when a timeline is read in pages, then its events are those of the fold, once each and in order."""
    await project(pool, scenarios.facts, 500)
    monkeypatch.setattr(timelines, "PAGE", 7)
    for as_of, known_at in moments(scenarios):
        for case_id in cases_of(scenarios):
            for order in timelines.ORDERS:
                lines = await whole_timeline(pool, scenarios, case_id, as_of=as_of, known_at=known_at, order=order)
                own = [UUID(line["event_id"]) for line in lines if line["service"] != "education"]
                assert sorted(own) == sorted(facts_of(scenarios, case_id, as_of=as_of, known_at=known_at))
                assert [line[order] for line in lines] == sorted(line[order] for line in lines)


async def test_a_correction_stands_beside_what_it_corrects(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given an outcome that was corrected, when the timeline is read now and as known before, then the original stays, with its correction once that is known."""
    await project(pool, scenarios.facts, 500)
    correction = next(
        fact for fact in scenarios.facts if fact.name == "RecordCorrected" and service_of(fact) == "disposal"
    )
    before = scenarios.histories[correction.envelope.stream][correction.version - 2].recorded_at
    home = correction.envelope.home
    now = {line["event_id"]: line for line in await whole_timeline(pool, scenarios, home)}
    then = {line["event_id"]: line for line in await whole_timeline(pool, scenarios, home, known_at=before)}
    line = now[str(correction.event_id)]
    original = now[line["corrects"]]
    assert original["corrected_by"] == [line["event_id"]]
    assert original["sentence"] == "Outcome 2A assigned: youth conditional caution"
    assert original["corrected_sentence"] == "Outcome 2 assigned: youth conditional caution"
    (why,) = [note for note in line["notes"] if note["field"] == "why"]
    assert (why["note"], why["class"]) == ("a reason is recorded", "REASONS")
    assert isinstance(why["value"], str)
    assert line["event_id"] not in then
    assert then[line["corrects"]]["corrected_by"] == []
    assert then[line["corrects"]]["corrected_sentence"] is None


async def test_the_timeline_of_a_shared_session_holds_the_own_places_alone(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given a workshop of several cases, when a case's timeline is read, then each place in it is the case's, and what concerns all is there."""
    await project(pool, scenarios.facts, 500)
    booked = [fact for fact in scenarios.facts if fact.name == "PlaceBooked"]
    by_id = {str(fact.event_id): fact for fact in scenarios.facts}
    for case_id in {fact.event.case_id for fact in booked if fact.event.case_id is not None}:  # type: ignore[attr-defined]
        own = {fact.event.person_id for fact in booked if fact.event.case_id == case_id}  # type: ignore[attr-defined]
        lines = [line for line in await whole_timeline(pool, scenarios, case_id) if line["service"] == "education"]
        people = {getattr(by_id[line["event_id"]].event, "person_id", None) for line in lines}
        assert people <= own | {None}
        assert own <= people
        assert {"SessionPlanned", "PlaceBooked"} <= {line["type"] for line in lines}


async def test_a_session_that_names_a_case_as_something_else_is_none_of_its_records(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given ids that sessions name as a person's or a record's, then no session is read by them: of such there may be any number."""
    await project(pool, scenarios.facts, 500)
    booked = [fact.event for fact in scenarios.facts if fact.name == "PlaceBooked"]
    named = {getattr(event, name) for event in booked for name in ("person_id", "disposal_id")} - {None}
    async with pool.acquire() as connection:
        for id_ in named:
            assert await records_of_case(connection, reader(), id_, "history", ever=True) is None
        for case_id in {event.case_id for event in booked} - {None}:  # type: ignore[attr-defined]
            records = await records_of_case(connection, reader(), case_id, "history", ever=True)
            assert not isinstance(records, Denial | None)
            assert "education" in {row["service"] for row in records.rows}


async def test_changes_after_a_position_are_what_was_recorded_since(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given positions of a first look, when one asks again and again, then every later event comes once, and in the end nothing."""
    first = 2 * len(scenarios.facts) // 3
    await project(pool, scenarios.facts[:first], 500)
    monkeypatch.setattr(timelines, "PAGE", 5)
    for case_id in cases_of(scenarios):
        event_ids = {line["event_id"] for line in await whole_changes(pool, scenarios, case_id, {})}
        assert {UUID(event) for event in event_ids} >= set(facts_of(scenarios.first(first), case_id))
    looked = await case(pool, reader(), cases_of(scenarios)[0])
    assert isinstance(looked, dict)
    await project(pool, scenarios.facts[first:], 500)
    for case_id in cases_of(scenarios):
        lines = await whole_changes(pool, scenarios, case_id, looked["positions"])
        own = [line for line in lines if line["service"] != "education"]
        expected = set(facts_of(scenarios, case_id)) - set(facts_of(scenarios.first(first), case_id))
        assert sorted(UUID(line["event_id"]) for line in own) == sorted(expected)
        assert [line["recorded_at"] for line in lines] == sorted(line["recorded_at"] for line in lines)


async def whole_changes(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, case_id: UUID, after: dict[str, int]
) -> Sequence[dict[str, Any]]:
    """Every change after some positions, question for question."""
    lines: list[dict[str, Any]] = []
    while True:
        found = await changes(pool, reader(), case_id, after, scenarios.memory.keyring)
        if found is None:
            return lines
        assert isinstance(found, Opened)
        answer = found.answer
        lines += answer["events"]
        after = answer["next"]
        if not answer["more"]:
            again = await changes(pool, reader(), case_id, after, scenarios.memory.keyring)
            assert isinstance(again, Opened)
            assert (again.answer["events"], again.answer["more"]) == ([], False)
            return lines


async def test_a_reader_is_told_whose_history_is_withheld(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given a case manager, when the timeline is read, then it names the services whose histories are not theirs."""
    await project(pool, scenarios.facts, 500)
    disposal = next(fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened")

    def as_role(role: Role) -> Reader:
        return Reader(Actor(id=UUID(int=5), role=role, organisation="DORSET_POLICE"), None, frozenset())

    home, keyring = disposal.envelope.home, scenarios.memory.keyring
    page = await timeline(pool, as_role(Role.YJS_CASE_MANAGER), home, keyring)
    assert isinstance(page, Opened)
    assert page.answer["withheld"] == ["referral", "rj_conference"]
    assert "referral" not in {line["service"] for line in page.answer["events"]}
    assert "disposal" in {line["service"] for line in page.answer["events"]}
    assert isinstance(await timeline(pool, as_role(Role.RJ_FACILITATOR), home, keyring), Denial)


async def test_a_destroyed_key_shows_as_forgotten_in_the_timeline(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a child whose key is destroyed, when the timeline is read, then the child's name is forgotten, the case's own texts are not, and no class of the child counts as opened."""
    scenarios = play(AUDIT)
    await project(pool, scenarios.facts, 500)
    opened = next(fact for fact in scenarios.facts if fact.name == "DisposalCaseOpened")
    home, stream = opened.envelope.home, opened.envelope.stream

    async def read() -> tuple[dict[tuple[str, str], dict[str, Any]], frozenset[FieldClass]]:
        page = await timeline(pool, reader(), home, scenarios.memory.keyring)
        assert isinstance(page, Opened)
        notes = {
            (event["type"], note["field"]): note
            for event in page.answer["events"]
            for note in event["notes"]
            if event["service"] == "disposal"
        }
        return notes, page.classes[stream]

    before, classes = await read()
    assert isinstance(before["DisposalCaseOpened", "details.name"]["value"], str)
    assert Personal.IDENTITY in classes
    await scenarios.memory.keyring.destroy(f"person/{opened.event.person_id}")  # type: ignore[attr-defined]
    after, classes = await read()
    name = after["DisposalCaseOpened", "details.name"]
    assert name == {"field": "details.name", "note": "a name is recorded", "class": "IDENTITY", "forgotten": True}
    assert Personal.IDENTITY not in classes
    decided = ("DisposalDecided", "rationale_text")
    assert after[decided]["value"] == before[decided]["value"]


async def test_the_sheet_of_a_day_as_known_before_a_late_record(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given records that came late, when a day's sheet is asked as known before and after them, then each has the duties of its fold."""
    await project(pool, scenarios.facts, 500)
    for fact in [fact for fact in scenarios.facts if fact.recorded_at is not None][:: len(scenarios.facts) // 4]:
        sheet = await daily_sheet(pool, reader(), fact.occurred_at, known_at=fact.recorded_at)
        day: date = local_day(fact.occurred_at)
        assert sorted((line["stream"], line["duty"], line["item"] or "") for line in sheet["duties"]) == sorted(
            (str(history[0].stream_id), duty.duty, duty.item)
            for history in scenarios.histories.values()
            for duty in duties_on(READ_MODELS[service_of(history[0])], history, fact.occurred_at, fact.recorded_at)
            if duty.is_open(day)
        )
