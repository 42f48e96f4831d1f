"""Every role at every door: what the table of tests/access_table.py gives it is given, and nothing else, on real servers."""

import json
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import pytest_asyncio

from services.system.registry import COLLECTIONS
from shared.runtime.privileges import RoleKind, role_name
from tests.access_table import COMMANDS, SECTION_F, SEES_CASES, STATISTICS, cell
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded
from tests.received_referral import NARRATIVE

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

ROLES: Final = (*SECTION_F, "MAYOR")
KNOWN: Final = sorted(set(SECTION_F) - {"SYSTEM"})
"""Every role that a token can carry, and one that no service knows."""
OTHER_VERSION: Final = 99
SHARED: Final = {"education", "panel"}
"""Services whose records several cases share: the list of cases has none of them."""


def gives(role: str, record: Recorded, part: str) -> bool:
    return cell(role, record.service).gives(record.relations, part)


def classes(role: str, record: Recorded) -> frozenset[str]:
    return cell(role, record.service).classes(record.relations)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def records(partnership: Partnership) -> list[Recorded]:
    return await world.records(partnership)


def members(answer: httpx2.Response) -> set[str]:
    return set(answer.json()) - {"id", "version", "position"}


def named(record: Recorded, role: str) -> str:
    return f"{role}: {record.service} {sorted(record.relations)}"


@pytest.mark.parametrize("role", ROLES)
async def test_a_service_gives_a_role_what_section_f_gives_it(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """Each part of each record is given or forbidden by the table, and of a state only the members that it names."""
    token = await partnership.token(role)
    wrong = []
    for record in records:
        for part, tail in (("state", ""), ("history", "/history"), ("duties", "/duties")):
            answer = await partnership.read(record.service, record.path + tail, token)
            allowed = gives(role, record, part)
            hidden = role in {"SCHOOL", "AGENCY"} and part == "state" and record.service == "referral"
            if answer.status_code != (200 if allowed else 404 if hidden else 403):
                wrong.append(f"{named(record, role)}/{part}: {answer.status_code}")
            elif allowed and part == "state":
                fields = cell(role, record.service).fields
                if (members(answer) != fields) if fields is not None else ("state" not in members(answer)):
                    wrong.append(f"{named(record, role)}: {sorted(members(answer))}")
    assert not wrong


@pytest.mark.parametrize("role", ROLES)
async def test_reporting_shows_a_role_what_the_owner_shows_it(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """In the case, the list of cases and the daily sheet stands what the owning service gives the same token, no more."""
    token = await partnership.token(role)
    listed = await partnership.read("reporting", "/v1/cases", token)
    sheet = await partnership.read("reporting", "/v1/duties?as_of=2026-12-31", token)
    assert listed.status_code == sheet.status_code == (200 if role in SEES_CASES else 403)
    if role not in SEES_CASES:
        for record in records:
            assert (await partnership.read("reporting", f"/v1/cases/{record.case}", token)).status_code == 403
        return
    work = {item["id"]: item for case in listed.json()["cases"] for item in case["work"]}
    due = {duty["stream"] for duty in sheet.json()["duties"]}
    wrong = []
    for record in records:
        allowed, fields = gives(role, record, "state"), cell(role, record.service).fields
        state = await _in_case(partnership, record, token)
        if (state is not None) != allowed:
            wrong.append(f"{named(record, role)} in its case: {state is not None}")
        if (
            state is not None
            and fields is not None
            and set(state) - {"id", "version", "position"} != fields - {"details"}
        ):
            wrong.append(f"{named(record, role)} in its case: {sorted(state)}")
        if record.service not in SHARED:
            if (str(record.stream) in work) != allowed:
                wrong.append(f"{named(record, role)} in the list: {str(record.stream) in work}")
            elif allowed and (work[str(record.stream)]["state"] is not None) != (fields is None or "state" in fields):
                wrong.append(f"{named(record, role)} in the list: {work[str(record.stream)]}")
        if str(record.stream) in due and not gives(role, record, "duties"):
            wrong.append(f"{named(record, role)} on the sheet")
    assert not wrong
    assert due


PERSONAL: Final[dict[str, dict[str, str]]] = {
    "referral": {"Robin Roe": "IDENTITY", "2011-03-14": "IDENTITY", NARRATIVE: "NARRATIVE"},
    "disposal": {"Robin Roe": "IDENTITY", "2011-03-14": "IDENTITY"},
    "education": {"The old court house": "PLACE"},
    "panel": {"The old court house": "PLACE"},
    "rj_conference": {},
}
"""What the records say of people, by service, with its class."""


def readable_names(role: str, records: list[Recorded]) -> list[Recorded]:
    return [one for one in records if "Robin Roe" in PERSONAL[one.service] and "IDENTITY" in classes(role, one)]


@pytest.mark.parametrize("role", KNOWN)
async def test_a_name_is_opened_for_those_who_may_see_it_and_logged_by_its_class(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """Only permitted roles read names and texts in state, history and timeline, and the log has the classes."""
    token = await partnership.token(role)
    for record in records:
        texts = PERSONAL[record.service]
        shown = [text for text, by in texts.items() if by in classes(role, record)]
        for part, tail in (("state", ""), ("history", "/history")):
            if not gives(role, record, part):
                continue
            answer = await partnership.read(record.service, f"{record.path}{tail}", token)
            assert answer.status_code == 200, answer.text
            assert [text for text in texts if text in answer.text] == shown, (named(record, role), part, answer.text)
            if shown:
                (line,) = await _last_lines(partnership, 1, record.service)
                opened = "PLACE" if record.service in SHARED else "IDENTITY"
                assert line[:1] + line[2:] == ("OPEN_FIELDS", "GIVEN", [])
                stream, _, logged = line[1].rpartition("/")
                assert stream == f"{record.service}/{record.stream}"
                assert opened in logged.split(",")
            if part == "history" and role in SEES_CASES:
                timeline = await partnership.read("reporting", f"/v1/cases/{record.case}/timeline", token)
                notes = [event["notes"] for event in timeline.json()["events"] if event["stream"] == str(record.stream)]
                assert [text for text in texts if text in json.dumps(notes)] == shown, (named(record, role), notes)


@pytest.mark.parametrize("role", KNOWN)
async def test_a_search_finds_for_a_role_what_it_may_read(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """A role finds by name the records whose names it may read, in its area, without a conflict of interest."""

    async def search(token: str) -> set[str] | None:
        answer = await partnership.clients["reporting"].post(
            "/v1/search",
            json={"name": "roe robin"},
            headers={"Authorization": f"Bearer {token}", "Access-Reason": "CASE_REVIEW"},
        )
        if answer.status_code == 403:
            return None
        assert answer.status_code == 200, answer.text
        return {record["id"] for case in answer.json()["cases"] for record in case["records"]}

    readable = readable_names(role, records) if role in SEES_CASES else []
    expected = {str(record.stream) for record in readable} if role in SEES_CASES else None
    assert await search(await partnership.token(role)) == expected
    assert await search(await partnership.token(role, area="DEVON")) == (None if expected is None else set())
    if expected:
        barred = readable[0]
        rest = await search(await partnership.token(role, conflicts=(barred.person,)))
        assert rest == {str(record.stream) for record in readable if record.case != barred.case}


@pytest.mark.parametrize("role", KNOWN)
async def test_names_of_many_records_are_those_that_a_role_may_read(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """A role gets at once the names that each record would show it, in its area, without a conflict of interest."""
    named = [record for record in records if "Robin Roe" in PERSONAL[record.service]]

    async def names(token: str) -> set[str] | None:
        answer = await partnership.names(token, *(f"{record.service}/{record.stream}" for record in named))
        if answer.status_code == 403:
            return None
        assert answer.status_code == 200, answer.text
        return {person["id"] for person in answer.json()["people"] if person["name"] == "Robin Roe"}

    readable = readable_names(role, records) if role in SEES_CASES else []
    assert await names(await partnership.token(role)) == (
        {str(record.stream) for record in readable} if role in SEES_CASES else None
    )
    if readable:
        lines = {line[:2] for line in await _last_lines(partnership, len(readable), "reporting")}
        assert lines == {
            ("OPEN_FIELDS", f"reporting/cases/{record.case}/names/{record.service}/{record.stream}/IDENTITY")
            for record in readable
        }
        barred = readable[0]
        rest = await names(await partnership.token(role, conflicts=(barred.person,)))
        assert rest == {str(record.stream) for record in readable if record.case != barred.case}
    assert not await names(await partnership.token(role, area="DEVON"))


async def test_a_victims_name_is_logged_by_its_own_class(partnership: Partnership, records: list[Recorded]) -> None:
    """Given a referral with a victim, when a supervisor asks for its names, then the log has the classes of both people."""
    record = next(record for record in records if {"linked", "disposed"} <= record.relations)
    victim = {"type": "LinkPerson", "person_id": str(uuid4()), "role": "HARMED", "category": "VICTIM"}
    details = {"name": "Sam Poe", "date_of_birth": "2011-05-01"}
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", victim | {"details": details})
    await partnership.carry()
    await partnership.names(await partnership.token("SUPERVISOR"), f"referral/{record.stream}")
    (line,) = await _last_lines(partnership, 1, "reporting")
    assert line[1].endswith(f"{record.stream}/IDENTITY,VICTIM_IDENTITY")


async def _in_case(partnership: Partnership, record: Recorded, token: str) -> dict[str, Any] | None:
    """Return the record as reporting shows it in its case; None where it does not."""
    answer = await partnership.read("reporting", f"/v1/cases/{record.case}", token)
    if answer.status_code != 200:
        assert answer.status_code in {403, 404}, answer.text
        assert str(record.stream) not in answer.text
        return None
    case = answer.json()
    found = [item for collection in COLLECTIONS.values() for item in case[collection]]
    return next((item for item in found if item["id"] == str(record.stream)), None)


@pytest.mark.parametrize("role", sorted(SEES_CASES))
async def test_a_timeline_tells_a_role_the_histories_that_section_f_gives_it(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """In a case's timeline, and in its changes, stand the events of those records whose history the owner gives, no more."""
    token = await partnership.token(role)
    wrong = [
        f"{named(record, role)} in {question}"
        for record in records
        for question in ("timeline", "changes?after=disposal:0")
        if (str(record.stream) in await _streams_answered(partnership, record, question, token))
        != gives(role, record, "history")
    ]
    assert not wrong


async def _streams_answered(partnership: Partnership, record: Recorded, question: str, token: str) -> set[str]:
    """Return the streams of which an answer about a record's case has an event."""
    answer = await partnership.read("reporting", f"/v1/cases/{record.case}/{question}", token)
    assert answer.status_code in {200, 403, 404}, answer.text
    return {event["stream"] for event in answer.json().get("events", ())}


async def test_a_facilitator_may_ask_of_a_conference_that_nobody_leads(
    partnership: Partnership, records: list[Recorded]
) -> None:
    """A facilitator gets guidance for a conference without facilitator, without later days and ids."""
    unled = next(one for one in records if one.service == "rj_conference" and not one.relations)
    path = f"{unled.path}/commands"
    answer = await partnership.read("rj_conference", path, await partnership.token("RJ_FACILITATOR"))
    assert answer.status_code == 200, answer.text
    lines = {line["type"]: line for line in answer.json()["commands"]}
    assert lines["AssignFacilitator"]["status"] == "depends"
    rules = [rule for line in lines.values() for rule in line["rules"]]
    assert {(rule["changes_on"], rule["for_the_day"]) for rule in rules} == {(None, None)}
    barred = await partnership.token("RJ_FACILITATOR", conflicts=(unled.case,))
    assert (await partnership.read("rj_conference", path, barred)).status_code == 403
    elsewhere = await partnership.token("RJ_FACILITATOR", area="DEVON")
    assert (await partnership.read("rj_conference", path, elsewhere)).status_code == 404
    assert (
        await partnership.read("rj_conference", unled.path, await partnership.token("RJ_FACILITATOR"))
    ).status_code == 403
    assert (await partnership.read("rj_conference", path, await partnership.token("ANALYST"))).status_code == 403


@pytest.mark.parametrize("role", ROLES)
async def test_statistics_are_for_those_whom_section_f_names(partnership: Partnership, role: str) -> None:
    """Every role reads measures, except victim workers, schools and unknown roles."""
    answer = await partnership.read(
        "reporting", "/v1/measures/kpi6?from=2026-01-01&to=2026-12-31", await partnership.token(role)
    )
    assert answer.status_code == (200 if role in STATISTICS else 403)


@pytest.mark.parametrize("role", ROLES)
async def test_the_records_behind_a_number_are_for_those_who_read_cases(partnership: Partnership, role: str) -> None:
    """Every role that reads measures opens their numbers, except analysts, who read numbers alone."""
    path = "/v1/measures/kpi6/records?from=2026-01-01&to=2026-12-31&cell=columns.youth_caution.ended"
    answer = await partnership.read("reporting", path, await partnership.token(role))
    assert answer.status_code == (200 if role in SEES_CASES & STATISTICS else 403)


@pytest.mark.parametrize("role", ROLES)
async def test_a_command_is_for_the_roles_of_the_catalogue_in_their_own_area(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """A permitted role gets 409 for a wrong version, another role 403, and another area 404."""
    wrong = []
    for record in records:
        body, roles = COMMANDS[record.service]
        body = {**body, "expected_version": OTHER_VERSION}
        for area, allowed in (("DORSET", 409), ("DEVON", 404)):
            answer = await partnership.send(
                record.service, record.stream, body, await partnership.token(role, area=area)
            )
            if answer.status_code != (allowed if role in roles else 403):
                wrong.append(f"{named(record, role)} from {area}: {answer.status_code}")
    assert not wrong


@pytest.mark.parametrize("role", KNOWN)
async def test_another_areas_record_answers_as_one_that_does_not_exist(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """A record of another area gets the status and body of an unknown id, and is in no list."""
    token = await partnership.token(role, area="DEVON")
    for record in records:
        unknown = Recorded(record.service, uuid4(), uuid4(), uuid4())
        body, roles = COMMANDS[record.service]
        doors = [(record.service, f"{{}}{tail}") for tail in ("", "/history", "/duties", *DOCUMENTS[record.service])]
        for service, path in doors:
            found = await partnership.read(service, path.format(record.path), token)
            missing = await partnership.read(service, path.format(unknown.path), token)
            assert found.status_code == missing.status_code in {403, 404}, (named(record, role), path, found.text)
            assert found.text == missing.text.replace(str(unknown.stream), str(record.stream))
        if role in roles:
            found = await partnership.send(record.service, record.stream, body, token)
            missing = await partnership.send(record.service, unknown.stream, body, token)
            assert found.status_code == missing.status_code == 404
            assert found.text == missing.text.replace(str(unknown.stream), str(record.stream))
        found = await partnership.read("reporting", f"/v1/cases/{record.case}", token)
        missing = await partnership.read("reporting", f"/v1/cases/{unknown.case}", token)
        assert found.status_code == missing.status_code
        assert found.text == missing.text.replace(str(unknown.case), str(record.case))
    for path in ("/v1/cases", "/v1/duties?as_of=2026-12-31"):
        answer = (await partnership.read("reporting", path, token)).text
        assert not [record for record in records if str(record.stream) in answer]


DOCUMENTS: Final = {
    "referral": ("/documents/closing-letter",),
    "disposal": ("/documents/panel-pack",),
    "rj_conference": ("/documents/conference-agreement",),
    "education": (),
    "panel": ("/documents/minutes",),
}


@pytest.mark.parametrize("by", ["stream", "case", "person"])
async def test_a_declared_conflict_bars_at_every_door(
    partnership: Partnership, records: list[Recorded], by: str
) -> None:
    """Declared for a record, for its case or for a person in it, a conflict bars reading, printing and commanding it.

    In a session the case is one of those booked: the whole session is a colleague's then.
    """
    for record in records:
        token = await partnership.token("SUPERVISOR", conflicts=(uuid4(), getattr(record, by)))
        body, _ = COMMANDS[record.service]
        answers = [
            await partnership.read(record.service, f"{record.path}{tail}", token)
            for tail in ("", "/history", "/duties", *DOCUMENTS[record.service])
        ]
        answers.append(await partnership.send(record.service, record.stream, body, token))
        assert {answer.status_code for answer in answers} == {403}, (record, [a.text for a in answers])
        assert "conflict of interest" in answers[0].json()["detail"]
        assert await _in_case(partnership, record, token) is None
        for path in ("/v1/cases", "/v1/duties?as_of=2026-12-31"):
            assert str(record.stream) not in (await partnership.read("reporting", path, token)).text


async def test_nobody_books_a_case_in_which_they_have_a_conflict(
    partnership: Partnership, records: list[Recorded]
) -> None:
    """An officer who plans a session may not book a place there for a case, or a person, that a conflict names."""
    session = next(record for record in records if record.service == "education")
    case, person = uuid4(), uuid4()
    for conflict in (case, person):
        token = await partnership.token("SUPERVISOR", conflicts=(conflict,))
        body = {
            "type": "BookPlace",
            "person_id": str(person),
            "case_id": str(case),
            "occurred_at": "2026-03-04T09:00:00Z",
        }
        assert (await partnership.send("education", session.stream, body, token)).status_code == 403


@pytest.mark.parametrize("role", KNOWN)
async def test_only_those_print_who_may_read_the_record(
    partnership: Partnership, records: list[Recorded], role: str
) -> None:
    """A document of a record that the role does not reach is refused, though the role prints such documents."""
    printers = {
        "referral": {"SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER", "SUPERVISOR"},
        "disposal": {"POLICE_DECISION_MAKER", "SUPERVISOR", "YJS_CASE_MANAGER"},
        "rj_conference": {"RJ_FACILITATOR", "SUPERVISOR"},
        "panel": {"YJS_CASE_MANAGER", "POLICE_DECISION_MAKER", "SUPERVISOR"},
    }
    token = await partnership.token(role)
    for record in records:
        for tail in DOCUMENTS[record.service]:
            answer = await partnership.read(record.service, f"{record.path}{tail}", token)
            allowed = role in printers[record.service] and gives(role, record, "state")
            assert (answer.status_code in {200, 409}) == allowed, (named(record, role), answer.text)


# --- a school -------------------------------------------------------------------------------------


async def test_a_school_neither_commands_nor_learns_of_another_schools_referral(
    partnership: Partnership, records: list[Recorded]
) -> None:
    """A command for another school's referral answers as for one that is not there, and tells no version and no stage."""
    own = next(record for record in records if "reported_by_school" in record.relations)
    other = await partnership.token("SCHOOL", organisation="SCHOOL_113901")
    command = {"type": "ConfirmSchoolLedOutcome", "action": "A talk."}
    for more in ({}, {"expected_version": OTHER_VERSION}, {"expected_version": 2}):
        found = await partnership.send("referral", own.stream, {**command, **more}, other)
        missing_id = uuid4()
        missing = await partnership.send("referral", missing_id, {**command, **more}, other)
        assert found.status_code == missing.status_code == 404
        assert found.text == missing.text.replace(str(missing_id), str(own.stream))
    mine = await partnership.token("SCHOOL")
    assert (
        await partnership.send("referral", own.stream, {**command, "expected_version": 99}, mine)
    ).status_code == 409


async def test_what_is_refused_stands_in_the_access_log(partnership: Partnership, records: list[Recorded]) -> None:
    """A hidden record leaves FORBIDDEN in the log, an unknown one UNKNOWN, a role without any command FORBIDDEN."""
    record, unknown = records[0], uuid4()
    body, _ = COMMANDS["referral"]
    elsewhere = await partnership.token("SUPERVISOR", area="DEVON")
    await partnership.send("referral", record.stream, body, elsewhere)
    await partnership.read("referral", record.path, elsewhere)
    await partnership.send("referral", unknown, body, elsewhere)
    await partnership.send("referral", unknown, body, await partnership.token("ANALYST"))
    assert await _last_lines(partnership, 4) == [
        ("GiveAdvice", f"referral/{record.stream}", "FORBIDDEN", ["T2"]),
        ("READ_STATE", f"referral/{record.stream}", "FORBIDDEN", []),
        ("GiveAdvice", f"referral/{unknown}", "UNKNOWN", []),
        ("COMMAND", f"referral/{unknown}", "FORBIDDEN", ["T2"]),
    ]


async def _last_lines(
    partnership: Partnership, count: int, service: str = "referral"
) -> list[tuple[str, str, str, list[str]]]:
    connection = await asyncpg.connect(partnership.settings.database(service, role_name(RoleKind.VERIFY)))
    rows = await connection.fetch("select * from access_log order by sequence desc limit $1", count)
    await connection.close()
    return [(row["action"], row["target"], row["outcome"], row["rules"]) for row in reversed(rows)]


async def test_a_role_without_any_command_is_refused_before_its_body_is_read(partnership: Partnership) -> None:
    """A role that may send no command gets 403 before its body is parsed."""
    token = await partnership.token("ANALYST")
    for body in (b"{", b"[" * 200_000, b'{"a":1,' * 30_000, b"\xff"):
        assert (await partnership.send("referral", uuid4(), body, token)).status_code == 403


# --- reactions that wait --------------------------------------------------------------------------


async def test_reactions_that_wait_are_shown_within_reach_alone(
    partnership: Partnership, records: list[Recorded]
) -> None:
    """The list has those of the reader's area, without a declared conflict, for records that the role may read."""
    record = next(record for record in records if record.service == "disposal")
    attendance = next(record for record in records if record.service == "education")
    await _park(partnership, attendance, record)
    expected = {
        ("SUPERVISOR", "DORSET", ()): True,
        ("AUDITOR", "*", ()): True,
        ("SUPERVISOR", "DEVON", ()): False,
        ("SUPERVISOR", "DORSET", (attendance.case,)): False,
        ("SUPERVISOR", "DORSET", (record.stream,)): False,
    }
    for (role, area, conflicts), expected_value in expected.items():
        token = await partnership.token(role, area=area, conflicts=conflicts)
        answer = await partnership.read("disposal", "/v1/reactions", token)
        assert answer.status_code == 200, answer.text
        assert [item["target_stream"] for item in answer.json()] == [f"disposal/{record.stream}"] * expected_value
    for role in ("INTERNET_SAFETY_OFFICER", "RJ_FACILITATOR", "VICTIM_WORKER", "ANALYST", "SCHOOL"):
        assert (await partnership.read("disposal", "/v1/reactions", await partnership.token(role))).status_code == 403


async def _park(partnership: Partnership, source: Recorded, target: Recorded) -> None:
    """Park a reaction of the target to the last event of the source, as the reactor does."""
    event_store = await asyncpg.connect(partnership.settings.worker_database(source.service))
    row = await event_store.fetchrow(
        "select version, body from event where stream = $1 order by version desc limit 1",
        f"{source.service}/{source.stream}",
    )
    await event_store.close()
    assert row is not None
    connection = await asyncpg.connect(partnership.settings.worker_database(target.service))
    await connection.execute(
        "insert into parked (command_id, consumer, reaction, source_stream, source_version, target_stream, body, rules,"
        " reason, tried_version) values ($1, 'disposal-reactor', 'booking-of-condition', $2, $3, $4, $5, '{S1}', 'x', 1)",
        uuid4(),
        f"{source.service}/{source.stream}",
        row["version"],
        f"{target.service}/{target.stream}",
        row["body"],
    )
    await connection.close()
