"""An analyst, who may read no ethnicity, asks the measures in every way there is; no two answers single out a few children."""

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from services.reporting.measures import MEASURES
from services.reporting.projection.read_models import READ_MODELS
from tests.integration.api import conftest as world
from tests.integration.api.conftest import Client
from tests.integration.reporting.recorded_scenarios import RecordedScenarios
from tests.isolated_settings import IsolatedSettings

isolated_settings = world.isolated_settings
built_reporting_app, reporting_app, reporting = world.built_reporting_app, world.reporting_app, world.reporting

PROTECTED: Final = [name for name, measure in MEASURES.items() if measure.sealed_texts is not None]
FEW: Final = 5
YEARS: Final = [(date(year, 4, 1), date(year + 1, 3, 31)) for year in (2024, 2025, 2026)]
QUARTERS: Final = [
    (date(year, month, 1), date(year, month + 2, last))
    for year in (2025, 2026)
    for month, last in ((1, 31), (4, 30), (7, 30), (10, 31))
]
VALUES: Final[Mapping[str, Sequence[str]]] = {
    "as_of": ("2025-10-02", "2025-12-01T12:00:00Z", "2026-06-30"),
    "known_at": ("2025-10-02", "2026-01-01T00:00:00Z", "2027-12-31"),
    "Access-Reason": ("AUDIT",),
}
"""What is tried of a parameter without an enumeration."""


@pytest.fixture(scope="session")
def scenarios(isolated_settings: IsolatedSettings) -> RecordedScenarios:
    """Play scenarios with many children, of whom enough are of one group for its count to be shown."""
    played = RecordedScenarios()
    for _ in range(3):
        played.play("01", "02", "03", "05", "06", "09", "11", "13", "14")
    world.store(isolated_settings, played)
    return played


def issued_on(scenarios: RecordedScenarios) -> list[date]:
    """Return the days on which a disposal was issued: whoever follows the topic knows them."""
    return sorted({fact.occurred_at.date() for fact in scenarios.facts if fact.name.endswith("Issued")})


def periods(scenarios: RecordedScenarios) -> Iterator[tuple[date, date]]:
    """Yield whole periods, each day with a disposal, and windows that are moved past one."""
    yield from (*QUARTERS, *YEARS)
    days = issued_on(scenarios)
    assert len(days) > 5
    for day in days:
        yield day, day
        yield days[0], day
        yield days[0], day - timedelta(1) if day > days[0] else day
        yield day, days[-1]


def tried(parameter: Mapping[str, Any]) -> Sequence[str]:
    """Return what is tried of a parameter of the route. A new one must be tried too."""
    schema = parameter["schema"]
    values = schema.get("enum") or VALUES.get(parameter["name"])
    assert values, f"say in this test what an attacker tries of the parameter {parameter['name']}"
    return [str(value) for value in values]


def groups_of(answer: httpx2.Response) -> dict[str, int | None]:
    """Return the counts of an answer by group, as JSON or CSV has them."""
    if answer.headers["content-type"].startswith("text/csv"):
        head, line = csv.reader(io.StringIO(answer.text))
        counts = {name: value for name, value in zip(head, line, strict=True) if name.endswith(".disposals")}
        return {name.split(".")[1]: int(value) if value else None for name, value in counts.items()}
    return counts_of(answer.json())


async def ask(reporting: Client, name: str, token: str, **asked: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}", "Access-Reason": asked.pop("Access-Reason", "AUDIT")}
    return await reporting.http.get(f"/v1/measures/{name}", params=asked, headers=headers)


async def everything(reporting: Client, scenarios: RecordedScenarios, name: str) -> list[dict[str, int | None]]:
    """Ask with every period, and every parameter of the route, alone and with another; return the counts that came back."""
    document = (await reporting.http.get("/openapi.json")).json()
    declared = document["paths"]["/v1/measures/{measure}"]["get"]["parameters"]
    more = {one["name"]: tried(one) for one in declared if one["name"] not in {"measure", "from", "to"}}
    ways: list[dict[str, str]] = [{}, *({key: value} for key, values in more.items() for value in values)]
    ways += [{one: a, other: b} for one, other in combinations(more, 2) for a in more[one][:2] for b in more[other][:2]]
    token, found = await reporting.token("ANALYST"), []
    for n, (first, last) in enumerate(periods(scenarios)):
        for way in ways if n < 14 else ways[:1]:
            answer = await ask(reporting, name, token, **{"from": f"{first}", "to": f"{last}"}, **way)
            assert answer.status_code in {200, 422}, answer.text
            if answer.status_code == 200:
                found.append(groups_of(answer))
        found += await frozen(reporting, name, token, first, last)
    return found


async def frozen(reporting: Client, name: str, token: str, first: date, last: date) -> list[dict[str, int | None]]:
    """Freeze a return of a period; return the counts in it, and in today's beside it."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
    body = {"measure": name, "from": f"{first}", "to": f"{last}"}
    line = await reporting.http.post("/v1/returns", json=body, headers=headers)
    if line.status_code == 422:
        return []
    shown = (await reporting.read(f"/v1/returns/{line.json()['return_id']}", token=token)).json()
    assert shown["today"]["reproduced"]
    assert shown["today"]["later_events"] == []
    return [counts_of(one) for one in (shown["answer"], shown["today"]["answer"])]


def counts_of(answer: Mapping[str, Any]) -> dict[str, int | None]:
    return {name: group["disposals"] for name, group in answer["groups"].items()}


@pytest.mark.parametrize("name", PROTECTED)
async def test_no_way_of_asking_singles_out_a_few_children(
    reporting: Client, scenarios: RecordedScenarios, name: str
) -> None:
    """Given every period and parameter, then all answers name the same groups, none shows a few, and no two differ by a few."""
    answers = await everything(reporting, scenarios, name)
    assert answers, "nothing was answered, so nothing was tried"
    assert len({tuple(sorted(answer)) for answer in answers}) == 1
    assert len(answers[0]) > 3
    counts = {(group, count) for answer in answers for group, count in answer.items() if count is not None}
    assert counts, "every count was suppressed, so nothing was tried"
    assert all(count >= FEW for _, count in counts), counts
    assert all(
        abs(count - other) >= FEW for (group, count), (same, other) in combinations(counts, 2) if group == same
    ), counts


@pytest.mark.parametrize("name", PROTECTED)
async def test_a_return_that_was_frozen_with_small_counts_is_shown_no_longer(
    reporting: Client, isolated_settings: IsolatedSettings, name: str
) -> None:
    """Given a return of a version that named small groups, then neither it nor its bytes are answered, and today's count neither."""
    owner = await asyncpg.connect(isolated_settings.database("reporting", "postgres"))
    for version in MEASURES[name].withheld:
        frozen_then = await owner.fetchval(
            "insert into frozen_return (id, actor, organisation, measure, first_day, last_day, positions,"
            " definition_version, definition, policy, answer, sha256) values (gen_random_uuid(), gen_random_uuid(), 'POLICE',"
            """ $1, '2025-10-02', '2025-10-02', '{"disposal": 1}', $2, '', '{}', '{"groups":{"WHITE":{}}}',"""
            """ sha256('{"groups":{"WHITE":{}}}')) returning id""",
            *(name, version),
        )
        for path in ("", "/answer"):
            answer = await reporting.read(f"/v1/returns/{frozen_then}{path}", role="ANALYST")
            assert answer.status_code == 404, answer.text
            assert "WHITE" not in answer.text
    await owner.close()


async def test_nothing_is_published_while_the_projection_is_behind(
    reporting: Client, isolated_settings: IsolatedSettings
) -> None:
    """Given a projection that has not caught up since a period settled, then 503, and what is published then is whole."""
    owner = await asyncpg.connect(isolated_settings.database("reporting", "postgres"))
    asked = {"from": "2024-07-01", "to": "2024-09-30"}
    token = await reporting.token("ANALYST")
    before = await owner.fetchval("select caught_up_at from freshness where service = 'disposal'")
    try:
        for behind in (
            "update freshness set caught_up_at = '2024-10-28T12:00:00Z'",
            "delete from freshness where service = 'disposal'",
        ):
            await owner.execute(behind)
            assert (await ask(reporting, PROTECTED[0], token, **asked)).status_code == 503
        assert not await owner.fetchval("select count(*) from published_table where first_day = '2024-07-01'")
    finally:
        await owner.execute("delete from freshness")
        await owner.execute("insert into freshness select unnest($1::text[]), $2", sorted(READ_MODELS), before)
        await owner.close()
    assert (await ask(reporting, PROTECTED[0], token, **asked)).status_code == 200


async def test_the_login_of_the_api_publishes_nothing(reporting: Client, isolated_settings: IsolatedSettings) -> None:
    """Given a table that somebody inserts by the login of reporting's API, with any proof, then its numbers are answered to nobody."""
    owner = await asyncpg.connect(isolated_settings.database("reporting", "postgres"))
    intruder = await asyncpg.connect(isolated_settings.database("reporting", "ooc_reporting_api"))
    asked = {"from": "2023-07-01", "to": "2023-09-30"}
    token, days = await reporting.token("ANALYST"), (date(2023, 7, 1), date(2023, 9, 30))
    insert = (
        "insert into published_table (measure, year, number, first_day, last_day, total, shown, positions{more})"
        """ values ($1, '2023-04-01', 1, $2, $3, 77, '{{"ASIAN": 77}}', '{{"disposal": 1}}'{value})"""
    )
    try:
        with contextlib.suppress(asyncpg.CheckViolationError):
            await intruder.execute(insert.format(more="", value=""), PROTECTED[0], *days)
            assert "77" not in (await ask(reporting, PROTECTED[0], token, **asked)).text
        await intruder.execute(insert.format(more=", proof", value=r", '\x00'"), PROTECTED[0], *days)
        assert (await ask(reporting, PROTECTED[0], token, **asked)).status_code == 503
    finally:
        await owner.execute("alter table published_table disable trigger all")
        await owner.execute("delete from published_table where year = '2023-04-01'")
        await owner.execute("alter table published_table enable trigger all")
        await owner.close()
        await intruder.close()
    assert (await ask(reporting, PROTECTED[0], token, **asked)).status_code == 200
