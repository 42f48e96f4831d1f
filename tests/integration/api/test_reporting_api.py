"""What reporting's API answers: figures, cases and duties, who may ask, and what is said to a bad question."""

import asyncio
import csv
import io
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from services.reporting.database import BACKUP_SLOT
from services.reporting.measures import MEASURES
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.queries import min_position as served
from shared.domain.dates import end_of_day
from shared.messaging.projection_consumer import has_reached
from tests.in_memory_reporting import measure_facts
from tests.integration.api.conftest import Client, last_line
from tests.integration.reporting.recorded_scenarios import RecordedScenarios

YEAR = "from=2025-04-01&to=2026-12-31"
WHOLE_YEAR = (date(2025, 4, 1), date(2026, 3, 31))
A_QUARTER = "from=2025-04-01&to=2025-06-30"
SOME_CASE = "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"


@pytest.fixture
def in_dorset(scenarios: RecordedScenarios) -> UUID:
    """Return a case that has a referral, a disposal, and places in sessions."""
    return scenarios.facts[0].envelope.home


@pytest.fixture
def in_devon(scenarios: RecordedScenarios) -> UUID:
    return next(fact.envelope.home for fact in scenarios.facts if fact.envelope.labels.get("area") == "DEVON")


async def _lines(projected: Any, after: int = 0) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await projected.fetch(
        "select * from access_log where sequence > $1 order by sequence", after
    )
    return found


def _ids(answer: httpx2.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {found["case_id"] for found in answer.json()["cases"]}


# --- what is said first ---------------------------------------------------------------------------

READS = [
    f"/v1/measures/kpi6?{YEAR}",
    "/v1/cases",
    f"/v1/cases/{SOME_CASE}",
    f"/v1/cases/{SOME_CASE}/timeline",
    f"/v1/cases/{SOME_CASE}/changes?after=disposal:1",
    "/v1/duties",
    "/v1/sessions?from=2026-03-01&to=2026-03-31",
]


@pytest.mark.parametrize("path", READS)
async def test_without_a_valid_token_nothing_is_said_of_the_question(
    reporting: Client, path: str, projected: Any
) -> None:
    """Without a valid token every request gets 401, however wrong its parameters are, and no line in the log."""
    before = await last_line(projected)
    for address in (path, f"{path}{'&' if '?' in path else '?'}colour=blue"):
        for bad in ({}, {"Authorization": "Bearer abc"}):
            answer = await reporting.http.get(address, headers=bad)
            assert answer.status_code == 401, answer.text
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await _lines(projected, before) == []


async def test_the_question_is_judged_before_the_right_and_the_right_before_what_is_there(
    reporting: Client, in_dorset: UUID
) -> None:
    """The order of answers is 422 for the form, 403 for the role, 404 for a missing record."""
    for path in READS:
        bad = f"{path}{'&' if '?' in path else '?'}colour=blue"
        assert (await reporting.read(bad, role="SCHOOL")).status_code == 422
        assert (await reporting.read(path, role="SCHOOL")).status_code == 403
    assert (await reporting.read("/v1/cases/1", role="ANALYST")).status_code == 422
    assert (await reporting.read(f"/v1/cases/{uuid4()}", role="ANALYST")).status_code == 403
    missing = await reporting.read(f"/v1/cases/{uuid4()}")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/unknown")
    assert (await reporting.read(f"/v1/cases/{in_dorset}")).status_code == 200
    assert (await reporting.read("/v1/nothing")).headers["content-type"] == "application/problem+json"
    assert (await reporting.http.post("/v1/cases")).status_code == 405


# --- figures --------------------------------------------------------------------------------------


def _flat(value: Mapping[str, Any], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            found |= _flat(item, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = "" if item is None else str(item)
    return found


@pytest.mark.parametrize("name", MEASURES)
async def test_a_table_has_the_figures_of_the_answer(
    reporting: Client, scenarios: RecordedScenarios, name: str
) -> None:
    """The CSV of a measure has the values of the JSON, and no cell that a spreadsheet would run as a formula."""
    token = await reporting.token("ANALYST")
    published = MEASURES[name].sealed_texts is not None
    first, last = WHOLE_YEAR if published else (date(2025, 4, 1), date(2026, 12, 31))
    for group_by in (None, *MEASURES[name].groupings):
        path = f"/v1/measures/{name}?from={first}&to={last}" + (f"&group_by={group_by}" if group_by else "")
        answer = await reporting.read(f"{path}&format=json", token=token)
        assert answer.status_code == 200, answer.text
        assert answer.json() == (await reporting.read(path, token=token)).json()
        table = await reporting.read(f"{path}&format=csv", token=token)
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        disposition = f'attachment; filename="{name}-{first}-{last}.csv"'
        assert table.headers["content-disposition"] == disposition
        header, values = csv.reader(io.StringIO(table.text))
        figures = answer.json()
        # How fresh it is stands in a header of either form, and beside the figures where there is room.
        assert [one["service"] for one in figures.pop("stale")] == sorted(READ_MODELS)
        assert table.headers["Ooc-Stale"] == answer.headers["Ooc-Stale"]
        assert dict(zip(header, values, strict=True)) == _flat(figures)
        assert len(set(header)) == len(header)
        assert header[:4] == ["measure", "from", "to", "definition_version"]
        assert not [cell for cell in header + values if re.match(r"[=+\-@\t\r\n]|.*[\r\n]", cell)]
        if not published:
            assert figures == measure_facts(name, scenarios.histories.values(), first, last, group_by)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("from=2025-04-01&to=2025-06-29", "from"),
        ("from=2025-01-01&to=2025-12-31", "from"),
        ("from=0001-01-01&to=2025-06-30", "from"),
        ("from=2026-10-01&to=9999-12-31", "to"),
        ("from=1990-04-01&to=1991-03-31", "to"),
        (f"{A_QUARTER}&as_of=2025-06-01", "as_of"),
        (f"{A_QUARTER}&known_at=2025-06-01", "known_at"),
        (f"{A_QUARTER}&group_by=area", "group_by"),
    ],
)
async def test_ethnic_groups_are_counted_for_whole_periods_alone(reporting: Client, asked: str, field: str) -> None:
    """Given another period than a quarter or a year that has settled, or a cut of it, then 422 names the parameter."""
    answer = await reporting.read(f"/v1/measures/disproportionality?{asked}", role="ANALYST")
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


async def test_a_measure_is_cut_by_both_times(reporting: Client, scenarios: RecordedScenarios) -> None:
    """`as_of` counts events that had occurred by then, `known_at` events that had been recorded by then."""
    token = await reporting.token("ANALYST")
    path, period = f"/v1/measures/kpi6?{YEAR}", (date(2025, 4, 1), date(2026, 12, 31))

    async def ended(cut: str = "") -> int:
        return _ended((await reporting.read(path + cut, token=token)).json())

    now = await ended()
    assert now > 0
    assert await ended("&as_of=2025-04-01") == await ended("&known_at=2025-04-01") == 0
    early = (await reporting.read(f"{path}&known_at=2025-04-01", token=token)).json()
    assert early["positions"] == {"disposal": 0}
    endings = sorted(
        fact.recorded_at for fact in scenarios.facts if fact.name == "DisposalCompleted" and fact.recorded_at
    )
    for moment in (endings[0], endings[len(endings) // 2]):
        occurred = _ended(measure_facts("kpi6", scenarios.histories.values(), *period, as_of=end_of_day(moment.date())))
        assert await ended(f"&as_of={moment.date()}") == occurred
        expected = _ended(measure_facts("kpi6", scenarios.histories.values(), *period, known_at=moment))
        assert 0 < expected < now
        text = moment.astimezone(UTC).isoformat()
        for written in (text, text.replace("+", "%2B"), text.replace("+00:00", "Z")):
            assert await ended(f"&known_at={written}") == expected


def _ended(answered: Mapping[str, Any]) -> int:
    return sum(column["ended"] for column in answered["columns"].values())


# --- who may see what -----------------------------------------------------------------------------


async def test_those_who_oversee_must_give_a_reason(reporting: Client) -> None:
    """An auditor and a data protection officer can read nothing, not even measures, without a reason."""
    for role in ("AUDITOR", "DATA_PROTECTION_OFFICER"):
        for path in READS:
            answer = await reporting.read(path, role=role)
            assert answer.status_code == 403, path
            assert "Access-Reason" in answer.json()["detail"]


async def test_later_work_of_another_area_hands_no_case_over(
    reporting: Client, projected: Any, in_dorset: UUID
) -> None:
    """A case's area is that in which its work was recorded first, whenever later work that names it is said to begin."""
    sessions = await projected.fetch(
        "select stream, area, opened_at from stream where service <> 'referral' and cases @> array[$1::uuid]", in_dorset
    )
    assert len(sessions) > 1
    change = "update stream set area = $2, opened_at = $3 where stream = $1"
    for row in sessions:
        await projected.execute(change, row["stream"], "DEVON", datetime(2001, 1, 1, tzinfo=UTC))
    try:
        answer = await reporting.read(f"/v1/cases/{in_dorset}")
        assert (answer.status_code, answer.json()["area"]) == (200, "DORSET")
        other = await reporting.token("SUPERVISOR", area="DEVON")
        assert (await reporting.read(f"/v1/cases/{in_dorset}", token=other)).status_code == 404
        assert str(in_dorset) not in _ids(await reporting.read("/v1/cases", token=other))
        assert str(in_dorset) in _ids(await reporting.read("/v1/cases"))
    finally:
        for row in sessions:
            await projected.execute(change, *row)


# --- the access log -------------------------------------------------------------------------------


async def test_each_read_has_one_line_given_or_refused(
    reporting: Client, projected: Any, in_dorset: UUID, in_devon: UUID
) -> None:
    """The log says who asked for what and why, in codes and ids: nothing of what was asked with, and nothing personal."""
    before, unknown = await last_line(projected), uuid4()
    reads_made = [
        ("SUPERVISOR", f"/v1/measures/kpi6?{YEAR}&group_by=area&format=csv", "MEASURES", "measures/kpi6", "GIVEN"),
        ("SUPERVISOR", f"/v1/cases?state=ACTIVE&officer={uuid4()}", "CASES", "cases", "GIVEN"),
        ("SUPERVISOR", f"/v1/cases/{in_dorset}", "CASES", f"cases/{in_dorset}", "GIVEN"),
        ("SUPERVISOR", f"/v1/cases/{str(in_dorset).upper()}", "CASES", f"cases/{in_dorset}", "GIVEN"),
        ("SUPERVISOR", f"/v1/cases/{in_devon}", "CASES", f"cases/{in_devon}", "FORBIDDEN"),
        (
            "SUPERVISOR",
            f"/v1/cases/{in_dorset}/timeline?as_of=2026-01-01",
            "CASES",
            f"cases/{in_dorset}/timeline",
            "GIVEN",
        ),
        ("SUPERVISOR", f"/v1/cases/{in_devon}/timeline", "CASES", f"cases/{in_devon}/timeline", "FORBIDDEN"),
        (
            "SUPERVISOR",
            f"/v1/cases/{in_dorset}/changes?after=disposal:2",
            "CASES",
            f"cases/{in_dorset}/changes",
            "GIVEN",
        ),
        ("SUPERVISOR", f"/v1/cases/{unknown}", "CASES", f"cases/{unknown}", "GIVEN"),
        ("SUPERVISOR", "/v1/duties?overdue=true", "DUTIES", "duties", "GIVEN"),
        ("ANALYST", f"/v1/cases/{in_dorset}", "CASES", f"cases/{in_dorset}", "FORBIDDEN"),
        ("ANALYST", "/v1/cases", "CASES", "cases", "FORBIDDEN"),
        ("ANALYST", "/v1/duties", "DUTIES", "duties", "FORBIDDEN"),
        ("SCHOOL", f"/v1/measures/fte?{YEAR}", "MEASURES", "measures/fte", "FORBIDDEN"),
    ]
    for role, path, *_ in reads_made:
        await reporting.read(path, role=role, reason="CASE_REVIEW")
    await reporting.read("/v1/duties", role="AUDITOR")
    await reporting.read("/v1/cases?state=Leo%20Hartnell")
    await reporting.read("/v1/measures/Leo%20Hartnell")
    lines = await _lines(projected, before)
    reads = [row for row in lines if row["action"] != "OPEN_FIELDS"]
    assert [(row["role"], row["action"], row["target"], row["outcome"], row["reason"]) for row in reads] == [
        *(
            (role, f"READ_{what}", f"reporting/{target}", how, "CASE_REVIEW")
            for role, _, what, target, how in reads_made
        ),
        ("AUDITOR", "READ_DUTIES", "reporting/duties", "FORBIDDEN", None),
    ]
    assert [row["sequence"] for row in lines] == list(range(before + 1, before + 1 + len(lines)))
    assert {(row["organisation"], tuple(row["rules"])) for row in lines} == {("DORSET_POLICE", ())}


@pytest.mark.parametrize("question", ["timeline", "changes?after=disposal:0"])
async def test_a_timeline_opens_what_the_role_may_see_and_logs_it_by_class(
    reporting: Client, projected: Any, in_dorset: UUID, question: str
) -> None:
    """An officer reads the child's name, an auditor that there is one; the log has the classes of each record, no value."""
    for role, sees in (("POLICE_DECISION_MAKER", True), ("AUDITOR", False)):
        before = await last_line(projected)
        answer = await reporting.read(f"/v1/cases/{in_dorset}/{question}", role=role, reason="AUDIT")
        assert answer.status_code == 200, answer.text
        notes = {
            note["field"]: note
            for event in answer.json()["events"]
            if event["type"] == "DisposalCaseOpened"
            for note in event["notes"]
        }
        name = notes["details.name"]
        assert (name["class"], name["note"]) == ("IDENTITY", "a name is recorded")
        assert ("value" in name, "sealed" in name) == (sees, not sees)
        read, *openings = await _lines(projected, before)
        path = f"reporting/cases/{in_dorset}/{question.partition('?')[0]}"
        assert (read["action"], read["target"]) == ("READ_CASES", path)
        assert {row["action"] for row in openings} == {"OPEN_FIELDS"}
        opened = {tuple(row["target"].removeprefix(f"{path}/").split("/")) for row in openings}
        streams = {(event["service"], event["stream"]) for event in answer.json()["events"]}
        assert {record[:2] for record in opened} <= streams
        classes = {record[0]: record[2].split(",") for record in opened}
        assert ("IDENTITY" in classes["disposal"]) == sees
        assert "REASONS" in classes["disposal"]


async def test_the_line_is_there_before_the_answer_leaves(
    reporting_app: FastAPI, reporting: Client, projected: Any, in_dorset: UUID
) -> None:
    """When the first byte of an answer is sent, given or refused, its line in the log is committed already."""
    log_lines: list[int] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_after_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                log_lines.append(await last_line(projected))
            await send(message)

        await reporting_app(scope, receive, send_after_log)

    before = await last_line(projected)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(watched), base_url="http://reporting") as http:
        reader = Client(http, reporting.issuer)
        paths = [f"/v1/measures/kpi6?{YEAR}&format=csv", "/v1/cases", f"/v1/cases/{in_dorset}", "/v1/duties"]
        for role in ("SUPERVISOR", "VICTIM_WORKER"):
            for path in paths:
                await reader.read(path, role=role)
    assert log_lines == [before + n for n in range(1, 9)]


# --- waiting, pages, and what needs no token ------------------------------------------------------


async def test_a_case_waits_for_the_position_that_is_asked_for(
    reporting: Client, projected: Any, in_dorset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position that has not come is waited for, then 503 says to ask again; once it has come, the case is shown.

    One far beyond what is known is answered at once.
    """
    token = await reporting.token("SUPERVISOR")
    path = f"/v1/cases/{in_dorset}?min_position=referral:0&min_position="
    monkeypatch.setattr(served, "PATIENCE_SECONDS", 0.1)
    soon = await reporting.read(f"{path}disposal:1000", token=token)
    monkeypatch.setattr(served, "PATIENCE_SECONDS", 3600.0)
    late = await reporting.read(f"{path}disposal:{'9' * 18}", token=token)
    assert (late.status_code, late.json()["type"], late.headers["Retry-After"]) == (503, "/problems/not-yet", "2")
    assert "ask again" in late.json()["detail"]
    assert soon.status_code == late.status_code
    other = await reporting.token("SUPERVISOR", area="DEVON")
    elsewhere = await reporting.read(f"{path}disposal:{'9' * 18}", token=other)
    unknown = await reporting.read(f"/v1/cases/{uuid4()}?min_position=disposal:{'9' * 18}", token=other)
    assert elsewhere.status_code == unknown.status_code == 503
    assert elsewhere.text == unknown.text
    monkeypatch.setattr(served, "PATIENCE_SECONDS", 100.0)
    requests: list[int] = []

    async def comes(connection: Any, consumer: str, service: str, position: int) -> bool:
        requests.append(position)
        found = await has_reached(connection, consumer, service, position)
        if not found:
            await projected.execute("insert into position_record values ($1, $2, '{}')", service, position)
        return found

    monkeypatch.setattr(served, "has_reached", comes)
    async with asyncio.timeout(60):
        answer = await reporting.read(f"{path}disposal:7&min_position=disposal:000000000000000008", token=token)
    assert requests == [0, 8, 8]
    assert (answer.status_code, answer.json()["case_id"]) == (200, str(in_dorset))


async def test_who_may_read_no_case_does_not_wait(
    reporting: Client, in_dorset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role, a missing reason and a bad question are said at once, however far the position is."""
    monkeypatch.setattr(served, "PATIENCE_SECONDS", 3600.0)
    path = f"/v1/cases/{in_dorset}?min_position=disposal:{'9' * 18}"
    async with asyncio.timeout(60):
        assert (await reporting.read(path, role="ANALYST")).status_code == 403
        assert (await reporting.read(path, role="AUDITOR")).status_code == 403
        assert (await reporting.read(path, role="AUDITOR", reason="because")).status_code == 422


async def test_the_list_of_cases_comes_in_pages(reporting: Client, projected: Any) -> None:
    """101 cases fill three pages, each case is on one page, and a later page is empty."""
    columns = await projected.fetchval(
        "select string_agg(column_name, ', ') from information_schema.columns"
        " where table_name = 'stream' and column_name not in ('stream', 'home', 'area', 'cases')"
    )
    await projected.execute(
        f"insert into stream (stream, home, area, cases, {columns}) select made.stream, made.home, 'KENT', array[made.home],"
        f" {columns} from (select {columns} from stream where service = 'referral' limit 1) as one,"
        " (select gen_random_uuid() as stream, gen_random_uuid() as home from generate_series(1, 101)) as made"
    )
    await projected.execute(
        "insert into fact (service, stream, version, event_id, type, home, occurred_at, recorded_at, position, hash, body)"
        " select s.service, s.stream, 1, gen_random_uuid(), f.type, s.home, f.occurred_at, f.recorded_at,"
        " 1000000 + row_number() over (), f.hash, f.body from stream as s,"
        " (select * from fact where service = 'referral' limit 1) as f where s.area = 'KENT'"
    )
    try:
        token = await reporting.token("SUPERVISOR", area="KENT")
        pages = [await reporting.read(f"/v1/cases?page={n}", token=token) for n in (1, 2, 3, 4, 99999)]
        assert [len(_ids(page)) for page in pages] == [50, 50, 1, 0, 0]
        assert len(set().union(*(_ids(page) for page in pages))) == 101
        assert [page.json()["page"] for page in pages] == [1, 2, 3, 4, 99999]
        assert [page.json()["total"] for page in pages] == [101] * 5
        assert _ids(await reporting.read("/v1/cases", token=token)) == _ids(pages[0])
    finally:
        await projected.execute("delete from fact where position > 1000000")
        await projected.execute("delete from stream where area = 'KENT'")


async def test_status_and_health_need_no_token(reporting: Client) -> None:
    """The status and health of reporting need no token, because they hold no personal data."""
    assert (await reporting.http.get("/health/live")).status_code == 200
    assert (await reporting.http.get("/health/ready")).status_code == 200
    status = (await reporting.http.get("/status")).json()
    assert (status["service"], status["quarantined"], status["alarms"]) == ("reporting", 0, [])


async def test_metrics_count_what_waits_and_what_was_met(reporting: Client, projected: Any) -> None:
    """Given duties, when metrics are read, then each open one is counted once, late or not, and nothing tells whose it is."""
    metrics = (await reporting.http.get("/metrics")).text
    counted = re.findall(
        r'^ooc_open_duties\{duty="\w+",late="(?:true|false)",service="\w+"\} (\S+)$', metrics, re.MULTILINE
    )
    open_ = "select count(*) from duty where met_on is null and closed_on is null and lapsed_on is null"
    assert sum(map(float, counted)) == await projected.fetchval(open_) > 0


async def test_metrics_tell_how_long_no_backup_has_received_the_log(reporting: Client, projected: Any) -> None:
    """Without a receiver ever the age is infinite; once one has been there, it is since it went."""

    async def age() -> float:
        metrics = (await reporting.http.get("/metrics")).text
        (found,) = re.findall(r'^ooc_upkeep_age_seconds\{kind="receiving",.*\} (\S+)$', metrics, re.MULTILINE)
        return float(found)

    assert await age() == math.inf
    await projected.execute("select pg_create_physical_replication_slot($1)", BACKUP_SLOT)
    try:
        assert 0 <= await age() < 60
    finally:
        await projected.execute("select pg_drop_replication_slot($1)", BACKUP_SLOT)
