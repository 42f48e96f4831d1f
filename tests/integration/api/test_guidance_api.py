"""What the API says of what may be done next: by role, by day, and only to whom may read the record."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from shared.api.guidance import Guidance
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN

ON_THE_DAY = "2026-05-23T10:30:00%2B01:00"


@pytest.fixture
async def stream(api: Client) -> UUID:
    """Return a session that is planned on 8 May 2026 for 23 May."""
    stream = uuid4()
    assert (await api.send(stream, PLAN)).status_code == 201
    return stream


def commands(answer: httpx2.Response) -> dict[str, dict[str, Any]]:
    """Return the commands of an answer, which has the declared form."""
    assert answer.status_code == 200, answer.text
    Guidance.model_validate_json(answer.content)
    return {one["type"]: one for one in answer.json()["commands"]}


async def test_it_says_what_is_refused_until_which_day(api: Client, stream: UUID) -> None:
    """A session of 23 May cannot be delivered on the 20th, can be from the 23rd on, and a command is answered alike."""
    path = f"/v1/sessions/{stream}/commands"
    before = commands(await api.read(f"{path}?as_of=2026-05-20"))["DeliverSession"]
    assert before["status"] == "refused"
    assert [(rule["id"], rule["kind"], rule["changes_on"]) for rule in before["rules"]] == [
        ("E1", "forbids", "2026-05-23")
    ]
    refused = await api.send(stream, {"type": "DeliverSession", "occurred_at": "2026-05-20T10:00:00+01:00"})
    assert refused.json()["rules"] == [
        {name: before["rules"][0][name] for name in ("id", "text", "source", "lifted_by")} | {"known": []}
    ]
    then = commands(await api.read(f"{path}?as_of={ON_THE_DAY}"))["DeliverSession"]
    assert then["status"] == "available"
    sent = await api.send(stream, {"type": "DeliverSession", "occurred_at": "2026-05-23T10:30:00+01:00"})
    assert sent.status_code == 201, sent.text


async def test_it_names_the_fields_that_decide(api: Client, stream: UUID) -> None:
    """Guidance names the fields on which an answer depends, and the version of the record."""
    answer = await api.read(f"/v1/sessions/{stream}/commands?as_of={ON_THE_DAY}")
    booking = commands(answer)["BookPlace"]
    assert (booking["status"], booking["fields"], booking["begins"]) == ("depends", ["person_id", "case_id"], False)
    assert (answer.json()["id"], answer.json()["version"]) == (str(stream), 1)
    assert commands(answer)["PlanSession"]["status"] == "refused"


async def test_it_recommends_the_next_step(api: Client, stream: UUID) -> None:
    """A planned session is first booked; that it was held can be recorded on its day, and until then says what it waits for."""
    path = f"/v1/sessions/{stream}/commands"
    planned = (await api.read(f"{path}?as_of=2026-05-20")).json()
    (journey,) = planned["journeys"]
    assert [(task["title"], task["progress"]) for task in journey["tasks"]] == [
        ("Book places", "not_started"),
        ("Record that it was held", "cannot_start"),
    ]
    assert planned["next"] == journey["tasks"][0]
    assert journey["tasks"][1]["waits_for"]
    booking = {"type": "BookPlace", "person_id": str(uuid4()), "occurred_at": "2026-05-20T10:00:00+01:00"}
    sent = await api.send(stream, booking)
    assert sent.status_code == 201, sent.text
    then = (await api.read(f"{path}?as_of={ON_THE_DAY}", role="POLICE_DECISION_MAKER")).json()["next"]
    assert (then["title"], then["commands"]) == ("Record that it was held", ["DeliverSession"])
    assert "SAFE_SCHOOLS_OFFICER" in then["roles"]


async def test_it_answers_for_one_command(api: Client, stream: UUID) -> None:
    """Asked of one command, guidance says of it what it says among all, and nothing to a role that may not send it."""
    path = f"/v1/sessions/{stream}/commands?as_of={ON_THE_DAY}"
    whole = commands(await api.read(path))
    assert commands(await api.read(f"{path}&command=BookPlace")) == {"BookPlace": whole["BookPlace"]}
    beginning = commands(await api.read("/v1/sessions/commands?command=PlanSession"))
    assert list(beginning) == ["PlanSession"]
    assert commands(await api.read("/v1/sessions/commands?command=BookPlace")) == {}
    assert commands(await api.read(f"{path}&command=BookPlace", role="POLICE_DECISION_MAKER")) == {}
    unknown = await api.read(f"{path}&command=OpenDisposalCase")
    assert (unknown.status_code, unknown.json()["errors"]) == (422, [{"field": "command", "message": "name a command"}])


async def test_it_says_what_begins_a_record(api: Client) -> None:
    """Without an id, guidance lists only the commands that begin a record."""
    answer = await api.read("/v1/sessions/commands")
    assert (answer.json()["id"], answer.json()["version"]) == (None, 0)
    (plan,) = commands(answer).values()
    assert (plan["type"], plan["begins"], plan["status"], plan["fields"]) == (
        "PlanSession",
        True,
        "depends",
        ["starts_at"],
    )
    everywhere = await api.token("SAFE_SCHOOLS_OFFICER", area="*")
    assert commands(await api.read("/v1/sessions/commands", token=everywhere)) == {}


async def test_each_role_learns_of_what_it_may_send(api: Client, stream: UUID) -> None:
    """The police read a session and command nothing in it; an auditor gives a reason, and does not either."""
    path = f"/v1/sessions/{stream}/commands"
    assert "DeliverSession" in commands(await api.read(path))
    assert commands(await api.read(path, role="POLICE_DECISION_MAKER")) == {}
    assert commands(await api.read(path, role="AUDITOR", reason="AUDIT")) == {}
    assert (await api.read(path, role="AUDITOR")).status_code == 403
    assert (await api.read(path, role="ANALYST")).status_code == 403
    assert (await api.read("/v1/sessions/commands", role="ANALYST")).status_code == 403


async def test_who_may_not_read_a_record_learns_nothing_of_it(api: Client, stream: UUID) -> None:
    """Guidance on a record of another area gets 404, with a declared conflict 403, and without a token 401."""
    path = f"/v1/sessions/{stream}/commands"
    elsewhere = await api.read(path, token=await api.token("SAFE_SCHOOLS_OFFICER", area="WILTSHIRE"))
    unknown = await api.read(f"/v1/sessions/{uuid4()}/commands")
    assert (elsewhere.status_code, elsewhere.json()["type"]) == (404, "/problems/unknown")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown")
    conflicted = await api.token("SAFE_SCHOOLS_OFFICER", conflicts=str(stream))
    assert (await api.read(path, token=conflicted)).status_code == 403
    assert (await api.http.get(path)).status_code == 401
    assert (await api.http.get("/v1/sessions/commands")).status_code == 401


async def test_who_may_not_read_a_record_asks_no_later_day(api: Client, stream: UUID) -> None:
    """Who may send commands to a record and not read it asks for today: day after day the answers would tell a birthday."""
    path, token = f"/v1/sessions/{stream}/commands", await api.token("INTERNET_SAFETY_OFFICER", sub=uuid4())
    answered = commands(await api.read(path, token=token))
    assert "BookPlace" in answered
    assert not any(rule["changes_on"] for one in answered.values() for rule in one["rules"])
    later = (datetime.now(UTC) + timedelta(days=2)).date()
    assert (await api.read(f"{path}?as_of={later}", token=token)).status_code == 403
    assert (await api.read(f"{path}?as_of={later}")).status_code == 200


@pytest.mark.parametrize("question", ["as_of=yesterday", "known_at=2026-05-20", "as_of=0001-01-01", "as_of=9999-12-31"])
@pytest.mark.parametrize("part", ["", "/{id}"])
async def test_a_malformed_question_is_malformed(api: Client, stream: UUID, part: str, question: str) -> None:
    """An impossible time, and a parameter that is not there, are named; the id of a record must be one."""
    answer = await api.read(f"/v1/sessions{part.format(id=stream)}/commands?{question}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_a_day_without_policy_or_record_is_named(api: Client, stream: UUID) -> None:
    """A day before the record or the first policy, and an id that is no UUID, get a problem that says so."""
    assert (await api.read(f"/v1/sessions/{stream}/commands?as_of=2026-05-01")).status_code == 404
    early = await api.read("/v1/sessions/commands?as_of=1950-06-01")
    assert (early.status_code, early.json()["type"]) == (422, "/problems/malformed")
    assert (await api.read("/v1/sessions/Leo/commands")).status_code == 422


async def test_each_question_stands_in_the_access_log(api: Client, stream: UUID, settings: Settings) -> None:
    """Guidance is logged as a read of the state, and a refusal is logged too."""
    await api.read(f"/v1/sessions/{stream}/commands", reason="CASE_REVIEW")
    await api.read(f"/v1/sessions/{stream}/commands", role="ANALYST")
    connection = await asyncpg.connect(settings.database("education", role_name(RoleKind.VERIFY)))
    try:
        lines = await connection.fetch(
            "select * from access_log where target = $1 order by sequence", f"education/{stream}/commands"
        )
    finally:
        await connection.close()
    assert [(line["action"], line["role"], line["outcome"], line["reason"]) for line in lines] == [
        ("READ_STATE", "SAFE_SCHOOLS_OFFICER", "GIVEN", "CASE_REVIEW"),
        ("READ_STATE", "ANALYST", "FORBIDDEN", None),
    ]
