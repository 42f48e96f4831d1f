"""Who looked: an auditor sees every read of a case, nobody else does, and no read goes unrecorded."""

from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from services.trade.vocabulary import Role
from shared.evidence.access_lines import PAGE_SIZE
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import database_dsn
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded, person_in

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

AUDITING: Final = ("AUDITOR", "DATA_PROTECTION_OFFICER")
EVERYWHERE: Final = (*world.SERVICES, "reporting")


async def lines(partnership: Partnership, service: str, question: str, role: str = "AUDITOR") -> list[dict[str, Any]]:
    answer = await partnership.read(service, f"/v1/access?{question}", await partnership.token(role))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["lines"]
    return found


async def test_each_read_and_refusal_of_a_case_is_listed_with_who_when_and_why(partnership: Partnership) -> None:
    """Given reads by several roles, then each stands there with time, actor, role, reason and outcome, the latest first."""
    record = await world.referral(partnership)
    await partnership.carry()
    for role, path in (("SUPERVISOR", ""), ("SAFE_SCHOOLS_OFFICER", "/history"), ("YJS_CASE_MANAGER", "/duties")):
        await partnership.read("referral", record.path + path, await partnership.token(role))
    await partnership.read("reporting", f"/v1/cases/{record.case}", await partnership.token("SUPERVISOR"))
    access_lines = await lines(partnership, "referral", f"case={record.case}")
    assert [line["number"] for line in access_lines] == sorted((line["number"] for line in access_lines), reverse=True)
    stream = f"referral/{record.stream}"
    summaries = [
        (line["role"], line["action"], line["target"], line["outcome"], line["reason"]) for line in access_lines
    ]
    for expected in (
        ("SUPERVISOR", "READ_STATE", stream, "GIVEN", "CASE_REVIEW"),
        ("SAFE_SCHOOLS_OFFICER", "READ_HISTORY", stream, "GIVEN", "CASE_REVIEW"),
        ("YJS_CASE_MANAGER", "READ_DUTIES", stream, "FORBIDDEN", "CASE_REVIEW"),
        ("AUDITOR", "READ_ACCESS_LOG", f"{stream}/access", "GIVEN", "CASE_REVIEW"),
    ):
        assert expected in summaries
    assert any(action == "OPEN_FIELDS" and "IDENTITY" in target for _, action, target, *_ in summaries)
    assert {line["actor"] for line in access_lines if line["role"] == "SUPERVISOR"} == {str(person_in("SUPERVISOR"))}
    assert access_lines == [
        line
        for line in await lines(partnership, "referral", f"record={record.stream}", "DATA_PROTECTION_OFFICER")
        if line["number"] <= access_lines[0]["number"]
    ], "one record is the whole case here"
    reported = await lines(partnership, "reporting", f"case={record.case}")
    assert ("SUPERVISOR", "READ_CASES") in {(line["role"], line["action"]) for line in reported}
    assert "Robin Roe" not in str(access_lines + reported)


@pytest.mark.parametrize("named", ["stream", "person"])
async def test_a_case_is_read_by_its_own_id_alone(partnership: Partnership, named: str) -> None:
    """Given a record's or a person's id for that of a case, then there is no such case: the read would be a line of none."""
    record = await world.referral(partnership)
    await partnership.carry()
    token = await partnership.token("SUPERVISOR")
    for path in ("/timeline", "/changes?after=referral:0", "", "?as_of=2027-01-01"):
        answer = await partnership.read("reporting", f"/v1/cases/{getattr(record, named)}{path}", token)
        assert answer.status_code == 404, answer.text
    answer = await partnership.read("reporting", f"/v1/cases/{record.case}/timeline", token)
    assert answer.json()["total"] > 0


@pytest.mark.parametrize("named", ["case", "person"])
async def test_the_victims_of_a_case_are_a_read_of_it(partnership: Partnership, named: str) -> None:
    """Given somebody who lists the victims of one case, or one victim, then that is a line of each case that is listed."""
    record = await world.disposal(partnership)
    await partnership.carry()
    token = await partnership.token("SUPERVISOR")
    listed = (await partnership.read("reporting", f"/v1/victims?case={record.case}", token)).json()["victims"]
    one = {"case": record.case, "person": listed[0]["person_id"]}[named]
    before = len(await lines(partnership, "reporting", f"case={record.case}"))
    assert (await partnership.read("reporting", f"/v1/victims?{named}={one}", token)).status_code == 200
    reported = await lines(partnership, "reporting", f"case={record.case}")
    assert [line["target"] for line in reported[1 : len(reported) - before]] == [
        f"reporting/cases/{record.case}/victims"
    ]


async def test_a_search_by_an_id_is_a_read_of_the_cases_that_it_finds(partnership: Partnership) -> None:
    """Given a search by the id of a case or record, or its beginning, then that is a line of the case."""
    record = await world.referral(partnership)
    await partnership.carry()
    token = await partnership.token("SUPERVISOR")
    for text in (str(record.case), str(record.stream), str(record.case)[:8]):
        before = len(await lines(partnership, "reporting", f"case={record.case}"))
        answer = await partnership.search(token, case=text)
        assert [found["case_id"] for found in answer.json()["cases"]] == [str(record.case)]
        reported = await lines(partnership, "reporting", f"case={record.case}")
        assert [line["target"] for line in reported[1 : len(reported) - before]] == [
            f"reporting/cases/{record.case}/search"
        ]


async def test_the_question_itself_is_a_line(partnership: Partnership) -> None:
    """Given that somebody asked who looked, then the next answer says so."""
    record = await world.disposal(partnership)
    first = await lines(partnership, "disposal", f"case={record.case}", "DATA_PROTECTION_OFFICER")
    second = await lines(partnership, "disposal", f"case={record.case}")
    new = [line for line in second if line["number"] > first[0]["number"]]
    assert [(line["role"], line["action"]) for line in new] == [("AUDITOR", "READ_ACCESS_LOG")]
    assert (first[0]["role"], first[0]["action"]) == ("DATA_PROTECTION_OFFICER", "READ_ACCESS_LOG")


async def test_a_long_log_is_read_page_by_page(partnership: Partnership) -> None:
    """Given more lines than a page, then `next` leads to the rest, and no line is missing or told twice."""
    record = await world.disposal(partnership)
    writer = await asyncpg.connect(partnership.settings.database("disposal", role_name(RoleKind.API, "disposal")))
    await writer.execute(
        "select log_access($1, 'SUPERVISOR', 'HERE', 'READ_STATE', $2, null, 'GIVEN', '{}') from generate_series(1, $3)",
        uuid4(),
        f"disposal/{record.stream}",
        PAGE_SIZE + 50,
    )
    await writer.close()
    token = await partnership.token("AUDITOR")
    first = (await partnership.read("disposal", f"/v1/access?record={record.stream}", token)).json()
    assert len(first["lines"]) == PAGE_SIZE
    rest = (
        await partnership.read("disposal", f"/v1/access?record={record.stream}&before={first['next']}", token)
    ).json()
    numbers = [line["number"] for line in first["lines"] + rest["lines"]]
    assert len(set(numbers)) == len(numbers)
    assert sum(line["action"] == "READ_STATE" for line in first["lines"] + rest["lines"]) == PAGE_SIZE + 50
    assert rest["next"] is None


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM}))
async def test_the_log_is_for_auditors_and_the_data_protection_officer_alone(
    partnership: Partnership, role: str
) -> None:
    """Given any other role, then it is forbidden; given another area, then the case is unknown there."""
    record = await world.referral(partnership)
    await partnership.carry()
    for service, question in (("referral", f"case={record.case}"), ("reporting", f"case={record.case}")):
        answer = await partnership.read(service, f"/v1/access?{question}", await partnership.token(role))
        assert answer.status_code == (200 if role in AUDITING else 403), (service, answer.text)
        away = await partnership.read(service, f"/v1/access?{question}", await partnership.token(role, area="DEVON"))
        assert away.status_code == (404 if role in AUDITING else 403), (service, away.text)
    answer = await partnership.read("reporting", f"/v1/people/{record.person}", await partnership.token(role))
    assert answer.status_code == (200 if role in AUDITING else 403)
    if role in AUDITING:
        assert answer.json()["records"] == [
            {
                "service": "referral",
                "id": str(record.stream),
                "case_ids": [str(record.case)],
                "state": "RECEIVED",
                "open": True,
            }
        ]


async def test_a_question_about_nothing_is_answered_with_what_to_do(partnership: Partnership) -> None:
    """Given no subject, two, an unknown one or a malformed page, then the answer says what is wrong."""
    token = await partnership.token("AUDITOR")
    for question, status in (
        ("", 422),
        (f"?case={uuid4()}&record={uuid4()}", 422),
        (f"?case={uuid4()}", 404),
        (f"?record={uuid4()}", 404),
        (f"?case={uuid4()}&before=0", 422),
    ):
        answer = await partnership.read("referral", f"/v1/access{question}", token)
        assert answer.status_code == status, (question, answer.text)


async def test_a_read_whose_line_cannot_be_written_is_refused_at_every_door(partnership: Partnership) -> None:
    """Given an access log that takes no line, then every read of every service is refused (503), and nothing is shown."""
    record = await world.referral(partnership)
    await partnership.carry()
    token = await partnership.token("AUDITOR")
    url = partnership.settings.database_url
    owner = {name: await asyncpg.connect(database_dsn(url, f"{world.PREFIX}_{name}")) for name in EVERYWHERE}
    for name, connection in owner.items():
        api = role_name(RoleKind.API, name)
        await connection.execute(f'revoke execute on function log_access from "{api}"')
    wrong = []
    doors = 0
    try:
        for name in EVERYWHERE:
            document = (await partnership.clients[name].get("/openapi.json")).json()
            for path, routes in document["paths"].items():
                if not path.startswith("/v1/") or "get" not in routes or path == "/v1/policy":  # it shows no record
                    continue
                door = _door(path, routes["get"], record)
                answer = await partnership.read(name, door, token, patience=0)
                doors += 1
                if answer.status_code != 503:
                    wrong.append(f"{name} {door}: {answer.status_code} {answer.text[:200]}")
                assert "Robin Roe" not in answer.text
    finally:
        for name, connection in owner.items():
            api = role_name(RoleKind.API, name)
            await connection.execute(f'grant execute on function log_access to "{api}"')
            await connection.close()
    assert not wrong
    assert doors > 40


def _door(path: str, route: dict[str, Any], record: Recorded) -> str:
    """Return the address of a route for a record, with every parameter that it needs."""
    values = {
        "id": record.stream,
        "case_id": record.case,
        "person_id": record.person,
        "person": record.person,
        "officer": record.person,
        "return_id": uuid4(),
        "record": record.stream,
        "verification_id": uuid4(),
        "command_id": uuid4(),
        "from": "2026-01-01",
        "to": "2026-03-31",
        "after": "referral:0",
    }
    query = [f"case={record.case}"] if path == "/v1/access" else []
    for parameter in route.get("parameters", ()):
        name = parameter["name"]
        value = parameter["schema"].get("enum", [values.get(name)])[0]
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", str(value))
        elif parameter["in"] == "query" and parameter["required"]:
            query.append(f"{name}={value}")
    return f"{path}?{'&'.join(query)}"
