"""A dry run over HTTP: what it answers, who sees how much of it, and that it writes nothing; on a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.servers.settings import Settings
from tests.integration.api.conftest import Client, rows_of
from tests.integration.api.test_service_api import PLAN


@pytest.fixture
def stream() -> UUID:
    return uuid4()


async def logged(settings: Settings, stream: UUID | str) -> list[tuple[str, str, list[str]]]:
    """Return the lines of the access log about a stream."""
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    rows = await owner.fetch("select * from access_log where target = $1 order by sequence", f"education/{stream}")
    await owner.close()
    return [(row["action"], row["outcome"], row["rules"]) for row in rows]


async def test_whoever_is_told_a_version_leaves_a_line(api: Client, stream: UUID, settings: Settings) -> None:
    """Given a version that has passed, then the conflict is in the access log, of a dry run too."""
    await api.send(stream, PLAN)
    booking = {"type": "BookPlace", "person_id": str(uuid4()), "expected_version": 9}
    for dry_run in (False, True):
        assert (await api.send(stream, booking, dry_run=dry_run)).json()["actual_version"] == 1
    assert await logged(settings, stream) == [("BookPlace", "CONFLICT", []), ("DRY_RUN_BookPlace", "CONFLICT", [])]


async def test_a_dry_run_writes_nothing_but_its_line_in_the_access_log(
    api: Client, stream: UUID, settings: Settings
) -> None:
    """Given dry runs that are accepted, warned of and refused, every table but the access log is as before, keys too."""
    booking = {"type": "BookPlace", "person_id": str(uuid4())}
    before = await rows_of(settings, "education")
    assert (await api.send(stream, PLAN, dry_run=True)).json()["outcome"] == "accepted"
    assert await rows_of(settings, "education") == before
    await api.send(stream, PLAN)
    before = await rows_of(settings, "education")
    assert (await api.send(stream, booking, dry_run=True)).json()["outcome"] == "accepted"
    assert (await api.send(stream, PLAN, dry_run=True)).json()["outcome"] == "refused"
    assert await rows_of(settings, "education") == before
    assert await logged(settings, stream) == [
        ("DRY_RUN_PlanSession", "GIVEN", []),
        ("DRY_RUN_BookPlace", "GIVEN", []),
        ("DRY_RUN_PlanSession", "REFUSED", ["S1"]),
    ]


async def test_a_dry_run_says_what_the_command_then_does(api: Client, stream: UUID) -> None:
    """The events have the ids, types and versions of the receipt; the duty and the version are named; no text is shown."""
    dry = (await api.send(stream, PLAN, key=str(stream), dry_run=True)).json()
    receipt = (await api.send(stream, PLAN, key=str(stream))).json()
    assert (dry["outcome"], dry["version"], dry["receipt"]) == ("accepted", 0, None)
    assert [(e["event_id"], e["type_name"], e["version"]) for e in dry["events"]] == [
        (e["event_id"], e["type"], e["version"]) for e in receipt["events"]
    ]
    assert dry["events"][0]["sentence"].startswith("Session planned: ")
    assert dry["events"][0]["data"]["hours"] == "3"
    assert dry["events"][0]["data"]["place"] == {"sealed": True}
    assert dry["duties"] == [
        {
            "change": "opened",
            "duty": "ATTENDANCE_RECORDED",
            "item": None,
            "opened_on": "2026-05-23",
            "due": "2026-05-26",
            "met_on": None,
            "lapsed_on": None,
        }
    ]
    duties = (await api.read(f"/v1/sessions/{stream}/duties?as_of=2026-05-23")).json()
    assert [duty["due"] for duty in duties] == ["2026-05-26"]


async def test_a_dry_run_names_the_commands_that_other_services_follow_with(api: Client, stream: UUID) -> None:
    """Given a place that serves a condition, its booking promises nothing, and calling the session off is told to the disposal."""
    await api.send(stream, PLAN)
    disposal, condition = uuid4(), uuid4()
    booking = {
        "type": "BookPlace",
        "person_id": str(uuid4()),
        "case_id": str(uuid4()),
        "disposal_id": str(disposal),
        "condition_id": str(condition),
    }
    assert (await api.send(stream, booking, dry_run=True)).json()["commands"] == [], "an offer records nothing"
    await api.send(stream, booking)
    dry = (await api.send(stream, {"type": "CancelSession", "by": "SERVICE", "why": "Snow."}, dry_run=True)).json()
    (following,) = dry["commands"]
    assert (following["service"], following["type"]) == ("disposal", "RecordConditionAttendance")
    assert following["stream"] == f"disposal/{disposal}"
    assert following["data"]["condition_id"] == str(condition)
    assert following["event_id"] == dry["events"][0]["event_id"]


async def test_a_refusal_and_a_warning_are_answers_of_a_dry_run(api: Client, stream: UUID) -> None:
    """What the rules say is answered 200 with their texts and sources, as the refusal itself has them."""
    await api.send(stream, PLAN)
    delivery = {"type": "DeliverSession", "occurred_at": "2026-05-20T10:00:00+01:00"}
    dry, real = await api.send(stream, delivery, dry_run=True), await api.send(stream, delivery)
    assert (dry.status_code, real.status_code) == (200, 422)
    assert (dry.json()["outcome"], dry.json()["version"]) == ("refused", 1)
    assert dry.json()["rules"] == real.json()["rules"]
    assert dry.json()["events"] == []


@pytest.mark.parametrize(
    ("body", "role"),
    [
        ({**PLAN, "colour": "blue"}, "SAFE_SCHOOLS_OFFICER"),
        ({**PLAN, "expected_version": 4}, "SAFE_SCHOOLS_OFFICER"),
        ({"type": "BookPlace", "person_id": "5a1f3c38-0a4e-4f0b-9a6d-6c1f0f5b7a11"}, "SAFE_SCHOOLS_OFFICER"),
        (PLAN, "ANALYST"),
        ("{", "SAFE_SCHOOLS_OFFICER"),
    ],
    ids=["malformed", "conflict", "unknown", "forbidden", "no JSON"],
)
async def test_every_other_problem_is_answered_as_for_the_command(
    api: Client, stream: UUID, body: Any, role: str
) -> None:
    """A malformed body, a conflict, an unknown record or a wrong role gets the problem of the command itself."""
    dry, real = await api.send(stream, body, role=role, dry_run=True), await api.send(stream, body, role=role)
    assert dry.status_code == real.status_code != 200
    assert dry.json() == real.json()


async def test_a_dry_run_under_a_key_that_was_used_gives_its_receipt(api: Client, stream: UUID) -> None:
    """A dry run under a used key returns the receipt of the recorded command."""
    first = await api.send(stream, PLAN, key=str(stream))
    dry = (await api.send(stream, PLAN, key=str(stream), dry_run=True)).json()
    assert (dry["outcome"], dry["receipt"], dry["events"]) == ("repeated", first.json(), [])
    other = await api.send(stream, {**PLAN, "topic": "WEAPONS"}, key=str(stream), dry_run=True)
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_dry_run_shows_no_more_than_the_role_may_read(api: Client, stream: UUID) -> None:
    """An officer who may read the sessions of others only where they are marked is told of no rule of one that is not."""
    token = await api.token("INTERNET_SAFETY_OFFICER", sub=uuid4())
    await api.send(stream, PLAN)
    booking = {"type": "BookPlace", "person_id": str(uuid4())}
    for dry_run in (True, False):
        answer = await api.send(stream, booking, token=token, dry_run=dry_run)
        assert (answer.status_code, "rules" in answer.json()) == (403, False), answer.text


async def test_a_dry_run_is_true_or_false(api: Client, stream: UUID) -> None:
    """Another value of `dry_run` is malformed, so that a misspelt dry run is never recorded."""
    token = await api.token("SAFE_SCHOOLS_OFFICER")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(stream)}
    for query in ("dry_run=yes", "dryrun=true"):
        answer = await api.http.post(f"/v1/sessions/{stream}/commands?{query}", json=PLAN, headers=headers)
        assert answer.status_code == 422
    assert (await api.read(f"/v1/sessions/{stream}")).status_code == 404


async def test_a_dry_run_can_be_judged_on_a_later_day(api: Client, stream: UUID) -> None:
    """Given a command of a later day, when it is dry-run as of then, then no rule calls it the future; sent, `as_of` is malformed."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    body = {**PLAN, "occurred_at": later.isoformat(), "starts_at": (later + timedelta(days=15)).isoformat()}

    assert (await api.send(stream, body, dry_run=True)).json()["outcome"] == "refused"
    assert (await api.send(stream, body, dry_run=True, as_of=later.date())).json()["outcome"] == "accepted"
    assert (await api.send(stream, body, as_of=later.date())).status_code == 422
    assert (await api.read(f"/v1/sessions/{stream}")).status_code == 404


async def test_the_schemas_of_commands_are_given_to_anybody(api: Client) -> None:
    """The schemas of commands need no token, and have titles, help and an example."""
    listed = (await api.http.get("/schemas")).json()["commands"]
    assert {"type": "PlanSession", "title": "Plan session", "opens": True} in listed
    schema = (await api.http.get("/schemas/PlanSession")).json()
    assert schema["properties"]["school_urn"]["title"] == "School"
    assert {"const": "RETAIL", "title": "Retail workshop"} in schema["$defs"]["Topic"]["oneOf"]
    assert schema["examples"][0]["type"] == "PlanSession"
    assert (await api.http.get("/schemas/PlanParty")).status_code == 404
