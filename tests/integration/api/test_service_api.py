"""What a service's API answers: receipts, refusals, and who may read; on a real database with real tokens."""

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from services.education.service import service as education
from shared.api.queries import closed_facts, restricted_people
from shared.domain.data_rights import PlaceHold, data_rights_ids, data_rights_service
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.observing.latency import BOUNDS, flush, observe
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client

PLAN = {
    "type": "PlanSession",
    "occurred_at": "2026-05-08T09:00:00+01:00",
    "kind": "WORKSHOP",
    "topic": "RETAIL",
    "starts_at": "2026-05-23T10:00:00+01:00",
    "hours": 3,
    "place": "The old court house in Dorchester",
}


@pytest.fixture
def stream() -> UUID:
    return uuid4()


async def test_an_accepted_command_answers_with_a_receipt(api: Client, stream: UUID) -> None:
    """The receipt names position, version, hash and events, and gives the position token."""
    answer = await api.send(stream, PLAN)
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert receipt["version"] == 1
    assert receipt["stream"] == f"education/{stream}"
    assert receipt["position_token"] == f"education:{receipt['position']}"
    assert len(receipt["hash"]) == 64
    assert [event["type"] for event in receipt["events"]] == ["ooc.education.SessionPlanned.v1"]


async def test_a_command_without_a_key_is_malformed(api: Client, stream: UUID) -> None:
    """The Idempotency-Key is required, and the answer says what to send."""
    token = await api.token("SAFE_SCHOOLS_OFFICER")
    answer = await api.http.post(
        f"/v1/sessions/{stream}/commands", json=PLAN, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_refusal_names_the_rules_and_is_logged(api: Client, stream: UUID, settings: Settings) -> None:
    """A refused command is problem+json with each rule's text and source, and stands in the access log."""
    await api.send(stream, PLAN)
    answer = await api.send(stream, {"type": "DeliverSession", "occurred_at": "2026-05-20T10:00:00+01:00"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert [rule["id"] for rule in problem["rules"]] == ["E1"]
    assert problem["rules"][0]["text"]
    assert problem["rules"][0]["source"]
    assert problem["needs_rationale"] is False
    rows = await _log(settings, stream)
    assert [(row["action"], row["outcome"], row["rules"]) for row in rows] == [("DeliverSession", "REFUSED", ["E1"])]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "blue"}, "colour"),
        ({"topic": "VANDALISM"}, "topic"),
        ({"starts_at": "2026-02-30T10:00:00+00:00"}, "starts_at"),
        ({"starts_at": "2026-05-23T10:00:00"}, "starts_at"),
        ({"hours": "three"}, "hours"),
        ({"hours": 1.234}, "hours"),
        ({"hours": -1}, "hours"),
        ({"place": ""}, "place"),
        ({"place": None}, "place"),
        ({"kind": None}, "kind"),
        ({"type": "PlanParty"}, "body"),
        ({"occurred_at": 1748000000}, "occurred_at"),
        ({"actor": {"role": "SUPERVISOR"}}, "actor"),
        ({"expected_version": "1"}, "expected_version"),
        ({"rationale": ["R1"]}, "rationale"),
    ],
)
async def test_malformed_input_names_the_field(api: Client, stream: UUID, change: dict[str, Any], field: str) -> None:
    """Each malformed field is named with what to do, its value is not repeated, and nothing is recorded."""
    answer = await api.send(stream, {**PLAN, **change})
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.read(f"/v1/sessions/{stream}")).status_code == 404


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '"x"', b"\xff\xfe", '{"type":"PlanSession","type":"BookPlace"}', "[" * 5000]
)
async def test_a_body_that_is_no_command_is_malformed(api: Client, stream: UUID, body: str | bytes) -> None:
    """A body of any bytes that are no command gets 422 with a sentence."""
    answer = await api.send(stream, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_a_field_given_twice_is_malformed(api: Client, stream: UUID) -> None:
    """Of two values for one field none is chosen silently."""
    text = f'{{"type":"BookPlace","person_id":"{uuid4()}","person_id":"{uuid4()}"}}'
    answer = await api.send(stream, text)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "person_id", "message": "this field is given twice: give it once"}]


async def test_a_huge_body_is_malformed(api: Client, stream: UUID) -> None:
    """A body beyond the limit is not read to its end."""
    answer = await api.send(stream, {**PLAN, "place": "x" * 300_000})
    assert answer.status_code == 422
    assert "larger than" in answer.json()["errors"][0]["message"]


async def test_without_a_valid_token_nothing_is_said(api: Client, stream: UUID) -> None:
    """No token, a malformed one, and one that was altered: 401 with the way to sign in."""
    token = await api.token("SAFE_SCHOOLS_OFFICER")
    head, _, signature = token.rpartition(".")
    for bad in ("", "Bearer", "Basic abc", "Bearer abc", f"Bearer {head}.{signature[::-1]}"):
        answer = await api.http.get(f"/v1/sessions/{stream}", headers={"Authorization": bad})
        assert answer.status_code == 401, (bad, answer.text)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for malformed in (f"{stream}?colour=red", f"{stream}/duties?as_of=soon", f"{stream}/history?x=1", "no-id"):
        assert (await api.http.get(f"/v1/sessions/{malformed}")).status_code == 401, malformed


async def test_the_shape_is_judged_before_the_role_and_the_role_before_the_rules(api: Client, stream: UUID) -> None:
    """Order: 401, 422 for the shape, 403 for the role, and only then anything about the stream.

    A role that may send nothing here is told so before its body is read.
    """
    assert (await api.send(stream, {**PLAN, "colour": 1}, role="YJS_CASE_MANAGER")).status_code == 422
    assert (await api.send(stream, {**PLAN, "colour": 1}, role="ANALYST")).status_code == 403
    assert (await api.send(stream, PLAN, role="ANALYST")).status_code == 403
    assert (await api.send(stream, {"type": "DeliverSession"}, role="ANALYST")).status_code == 403
    assert (await api.send(stream, {"type": "DeliverSession"})).status_code == 404


async def test_nobody_may_act_as_the_system(api: Client, stream: UUID) -> None:
    """A token with the role SYSTEM is refused, for commands and reads."""
    assert (await api.send(stream, PLAN, role="SYSTEM")).status_code == 403
    await api.send(stream, PLAN)
    assert (await api.read(f"/v1/sessions/{stream}", role="SYSTEM")).status_code == 403


async def test_who_acts_in_every_area_or_has_a_conflict_begins_nothing(api: Client, stream: UUID) -> None:
    """Who acts in every area begins in none: what is begun belongs to one. Nor does who has declared a conflict with it."""
    involved = await api.token("SAFE_SCHOOLS_OFFICER", conflicts=str(stream))
    for token in (involved, await api.token("SAFE_SCHOOLS_OFFICER", area="*")):
        assert (await api.send(stream, PLAN, token=token)).status_code == 403
        assert (await api.read(f"/v1/sessions/{stream}")).status_code == 404


async def test_every_read_is_in_the_log_before_it_is_given(api: Client, stream: UUID, settings: Settings) -> None:
    """Given and forbidden reads stand in the log with actor, action, target and reason; an auditor must give one."""
    await api.send(stream, PLAN)
    assert (await api.read(f"/v1/sessions/{stream}", role="AUDITOR")).status_code == 403
    assert (await api.read(f"/v1/sessions/{stream}", role="AUDITOR", reason="because I like")).status_code == 422
    assert (await api.read(f"/v1/sessions/{stream}/history", role="AUDITOR", reason="CASE_REVIEW")).status_code == 200
    assert (await api.read(f"/v1/sessions/{stream}", role="ANALYST")).status_code == 403
    rows = await _log(settings, stream)
    assert [(row["role"], row["action"], row["outcome"], row["reason"]) for row in rows] == [
        ("AUDITOR", "READ_STATE", "FORBIDDEN", None),
        ("AUDITOR", "READ_HISTORY", "GIVEN", "CASE_REVIEW"),
        ("ANALYST", "READ_STATE", "FORBIDDEN", None),
    ]


async def test_the_access_log_cannot_be_changed(settings: Settings) -> None:
    """Neither the application's role nor the owner can change a line of the access log."""
    for role in (role_name(RoleKind.API, "education"), "postgres"):
        connection = await asyncpg.connect(settings.database("education", role))
        try:
            for statement in (
                "update access_log set outcome = 'GIVEN'",
                "delete from access_log",
                "truncate access_log",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_the_state_is_cut_by_both_times(api: Client, stream: UUID) -> None:
    """`as_of` selects events by occurrence, `known_at` by recording; before the first event there is no state."""
    await api.send(stream, PLAN)
    path = f"/v1/sessions/{stream}"
    assert (await api.read(f"{path}?as_of=2026-05-08")).status_code == 200
    assert (await api.read(f"{path}?as_of=2026-05-08T09:00:00+01:00")).status_code == 200
    assert (await api.read(f"{path}?as_of=2026-05-07")).status_code == 404
    assert (await api.read(f"{path}?known_at=2026-05-09")).status_code == 404
    assert (await api.read(f"{path}?as_of=yesterday")).status_code == 422
    assert (await api.read(f"{path}?asof=2026-05-08")).status_code == 422


async def test_history_and_duties_are_cut_as_the_state_is(api: Client, stream: UUID) -> None:
    """Given a place that was booked later, when state, history and duties are asked as of before, then they know of no place, and the state says the version and position of the planning."""
    planned = (await api.send(stream, {**PLAN, "occurred_at": "2026-05-08T09:00:00+01:00"})).json()
    booked = {"type": "BookPlace", "person_id": str(uuid4()), "occurred_at": "2026-05-09T09:00:00+01:00"}
    after = (await api.send(stream, booked)).json()
    path = f"/v1/sessions/{stream}"
    for query, receipt, lines in (
        ("", after, ["SessionPlanned", "PlaceBooked"]),
        ("?as_of=2026-05-08", planned, ["SessionPlanned"]),
        ("?as_of=2026-05-09T08:59:59%2B01:00", planned, ["SessionPlanned"]),
    ):
        state = (await api.read(path + query)).json()
        assert (state["version"], state["position"]) == (receipt["version"], receipt["position"])
        assert len(state["register"]) == len(lines) - 1
        events = (await api.read(f"{path}/history{query}")).json()["events"]
        assert [event["type"] for event in events] == lines
        assert events[0]["sentence"].startswith("Session planned: ")
        assert {"field": "place", "note": "a place is recorded"} in events[0]["notes"]
    for part in ("", "/history", "/duties"):
        early = await api.read(f"{path}{part}?as_of=2026-05-07")
        assert early.status_code == (200 if part == "/duties" else 404), early.text


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59Z", "9999-12-31", "0001-01-01T00:00:00Z"]
)
@pytest.mark.parametrize(
    "question", ["?as_of=", "?known_at=", "/duties?as_of=", "/duties?known_at=", "/history?as_of="]
)
async def test_a_time_beyond_every_calendar_is_malformed(api: Client, stream: UUID, question: str, moment: str) -> None:
    """A year that zones or calendars cannot hold is answered with a sentence."""
    await api.send(stream, PLAN)
    answer = await api.read(f"/v1/sessions/{stream}{question}{moment}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_a_fact_before_any_policy_is_malformed(api: Client, stream: UUID) -> None:
    """Given a time on which no policy was in force, the officer is told to check the year, and nothing is recorded."""
    early = {"occurred_at": "1950-06-01T10:00:00Z", "starts_at": "1950-06-02T10:00:00Z"}
    answer = await api.send(stream, {**PLAN, **early})
    assert answer.status_code == 422, answer.text
    assert (await api.read(f"/v1/sessions/{stream}")).status_code == 404


async def test_an_unknown_type_is_not_repeated(api: Client, stream: UUID) -> None:
    """The answer to an unknown command type does not repeat it, because it could be a name."""
    answer = await api.send(stream, {**PLAN, "type": "Leo Hartnell"})
    assert answer.status_code == 422
    assert "Hartnell" not in answer.text
    assert "PlanSession" in answer.text


async def test_status_and_health_need_no_token(api: Client) -> None:
    """The status and health of a service need no token, because they hold no personal data."""
    assert (await api.http.get("/health/live")).status_code == 200
    assert (await api.http.get("/health/ready")).status_code == 200
    status = (await api.http.get("/status")).json()
    assert status["service"] == "education"
    assert status["position"] > 0
    # No relay runs here, which is an alarm after a minute.
    alarms = [alarm["name"] for alarm in status["alarms"] if alarm["name"] != "relay_stuck"]
    assert (status["parked"], status["quarantined"], alarms) == (0, 0, [])


def families_of(text: str) -> list[Metric]:
    """Read metrics as prometheus_client does, strictly."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


async def test_metrics_need_no_token_and_add_up(education_app: FastAPI, api: Client) -> None:
    """Given appended commands, when metrics are read, then their histogram is OpenMetrics, cumulative, and grows by them."""

    async def appends() -> tuple[list[float], float, float]:
        await flush(education_app.state.deps.database)
        answer = await api.http.get("/metrics")
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        (family,) = (family for family in families_of(answer.text) if family.name == "ooc_latency_seconds")
        assert family.type == "histogram"
        samples = [it for it in family.samples if (it.labels["service"], it.labels["step"]) == ("education", "append")]
        buckets = {it.labels["le"]: it.value for it in samples if "le" in it.labels}
        assert list(buckets) == [*map(str, BOUNDS[:-1]), "+Inf"]
        count, total = (it.value for it in samples if "le" not in it.labels)
        return list(buckets.values()), count, total

    observe("append", 0.0004)  # else there is none yet where this test is the first
    _, before, seconds = await appends()
    for _ in range(3):
        assert (await api.send(uuid4(), PLAN)).status_code == 201
    observe("append", 0.07, 2)
    observe("append", 3600.0)
    buckets, count, later = await appends()
    assert count == before + 6
    assert later > seconds + 3600.14
    assert buckets == sorted(buckets)
    assert buckets[-1] == count > buckets[-2]
    assert buckets[BOUNDS.index(0.1)] >= buckets[BOUNDS.index(0.05)] + 2


async def test_metrics_say_what_stands_and_what_waits(education_app: FastAPI, api: Client) -> None:
    """Given events that no relay publishes, and an alarm, when metrics are read, then they say so, and count the answers."""
    assert (await api.send(uuid4(), PLAN)).status_code == 201
    pool = education_app.state.deps.database
    await raise_alarm(pool, "tests", "gap", "ooc.x.events/3", "a version is missing")
    families = {
        family.name: {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
        for family in families_of((await api.http.get("/metrics")).text)
    }
    await clear_alarm(pool, "tests", "gap", "ooc.x.events/3")
    position = families["ooc_position"]["education",]
    assert (
        position == (await api.http.get("/status")).json()["position"] > families["ooc_relayed_position"]["education",]
    )
    assert families["ooc_unrelayed_age_seconds"]["education",] > 0
    assert families["ooc_parked_reactions"]["education",] == 0
    assert abs(families["ooc_clock_offset_seconds"]["education",]) < 5
    alarm = ("tests", "gap", "ooc.x.events/3", "docs/how-to/runbook/gap.md", "education")
    assert families["ooc_alarm"][alarm] == 1
    assert families["ooc_requests"]["POST", "/v1/sessions/{id}/commands", "201"] >= 1
    before = families["ooc_requests"].get(("", "", "404"), 0)
    assert (await api.http.get(f"/v1/{uuid4()}")).status_code == 404
    (after,) = re.findall(
        r'ooc_requests_total\{method="",route="",status="404"\} (\S+)', (await api.http.get("/metrics")).text
    )
    assert float(after) == before + 1


async def test_a_latency_below_zero_is_none(education_app: FastAPI) -> None:
    """Given clocks that differ, so that an event seems to come before it was recorded, then it counts as no time."""
    pool = education_app.state.deps.database
    observe("below zero", -5.0)
    await flush(pool)
    row = await pool.fetchrow("select at_most, events, seconds from latency where step = 'below zero'")
    assert tuple(row) == (BOUNDS[0], 1, 0.0)


async def test_the_policy_of_a_day_is_answered(api: Client) -> None:
    """Given values with their days, when the policy of a day is asked for, then it has what was in force, and the holidays."""
    answer = await api.read("/v1/policy?as_of=2026-03-02")
    assert answer.status_code == 200
    body = answer.json()
    terms, in_force = education.policy.terms, education.policy.on(date(2026, 3, 2))
    assert body["edition"] == in_force.edition
    assert {line["name"]: line["value"] for line in body["values"]} == in_force.values
    assert {line["source"] for line in body["values"]} <= {term.source for term in terms.values()}
    assert "2026-12-25" in body["bank_holidays"]
    assert (await api.read("/v1/policy?as_of=1901-01-01")).json()["values"] == []
    assert (await api.read("/v1/policy?day=2026-03-02")).status_code == 422


async def _log(settings: Settings, stream: UUID) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(settings.database("education", role_name(RoleKind.VERIFY)))
    try:
        return await connection.fetch(
            "select * from access_log where target = $1 order by sequence", f"education/{stream}"
        )
    finally:
        await connection.close()


async def test_a_store_behind_its_topic_accepts_no_command(api: Client, stream: UUID, settings: Settings) -> None:
    """While the event store is behind its topic, a new command gets 503 and a repeated one its receipt."""
    stored = await api.send(stream, PLAN, key="before")
    owner = await asyncpg.connect(str(settings.admin_database_url).rpartition("/")[0] + "/ooc_education")
    alarm = "'relay', 'topic_ahead_of_event_store', 'education'"
    await owner.execute(f"insert into alarm (consumer, name, place, detail) values ({alarm}, 'its topic is ahead')")
    try:
        refused = await api.send(uuid4(), PLAN)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/store-behind-topic")
        assert "its topic is ahead" in refused.json()["detail"]
        assert "docs/how-to/runbook/topic_ahead_of_event_store.md" in refused.json()["detail"]
        assert (await api.send(stream, PLAN, key="before")).json() == stored.json()
        status = (await api.http.get("/status")).json()
        alarms = [(alarm["name"], alarm["consumer"], alarm["place"]) for alarm in status["alarms"]]
        assert ("topic_ahead_of_event_store", "relay", "education") in alarms
    finally:
        await owner.execute(f"delete from alarm where (consumer, name, place) = ({alarm})")
        await owner.close()
    assert (await api.send(uuid4(), PLAN)).status_code == 201


async def test_a_timeline_that_was_not_compared_accepts_and_answers_nothing(api: Client, settings: Settings) -> None:
    """Until the relay has compared a promoted store with its topic, a new command and a repeated one get 503, and reads go on."""
    opened, key = uuid4(), str(uuid4())
    stored = await api.send(opened, PLAN, key=key)
    owner = await asyncpg.connect(str(settings.admin_database_url).rpartition("/")[0] + "/ooc_education")
    compared = await owner.fetchval("select timeline from compared_timeline")
    await owner.execute("update compared_timeline set timeline = 'another'")
    try:
        for stream, sent in ((uuid4(), str(uuid4())), (opened, key)):
            refused = await api.send(stream, PLAN, key=sent)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/timeline-not-compared")
            assert "retry-after" in refused.headers
    finally:
        await owner.execute("update compared_timeline set timeline = $1", compared)
        await owner.close()
    assert (await api.send(opened, PLAN, key=key)).json() == stored.json()


@pytest.mark.parametrize("log", ["events", "access"])
async def test_a_log_behind_its_witness_accepts_no_command(
    api: Client, stream: UUID, settings: Settings, log: str
) -> None:
    """While a log is behind its witness, a new command gets 503, and a read does if it is the access log."""
    assert (await api.send(stream, PLAN)).status_code == 201
    owner = await asyncpg.connect(str(settings.admin_database_url).rpartition("/")[0] + "/ooc_education")
    alarm = f"'signer', 'log_behind_witness', 'ooc.local/education/{log}'"
    await owner.execute(f"insert into alarm (consumer, name, place, detail) values ({alarm}, 'seen 5 entries')")
    try:
        refused, read = await api.send(uuid4(), PLAN), await api.read(f"/v1/sessions/{stream}")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/log-behind-witness")
        assert "seen 5 entries" in refused.json()["detail"]
        assert "docs/how-to/runbook/log_behind_witness.md" in refused.json()["detail"]
        if log == "access":
            assert (read.status_code, read.json()["type"]) == (503, "/problems/log-behind-witness")
            assert "docs/how-to/runbook/log_behind_witness.md" in read.json()["detail"]
        else:
            assert read.status_code == 200
    finally:
        await owner.execute(f"delete from alarm where (consumer, name, place) = ({alarm})")
        await owner.close()


async def test_a_session_under_the_id_of_a_childs_data_rights_hides_none(
    api: Client, education_app: FastAPI, stream: UUID
) -> None:
    """Given a session under the id that follows from a child's, then holds and a restriction of that child are recorded, shown and heeded all the same."""
    child = uuid4()
    reserved, taken = data_rights_ids("education", child)
    statuses = [(await api.send(id_, PLAN)).status_code for id_ in (taken, reserved, stream)]
    assert statuses == [201, 404, 201]
    await api.send(stream, {"type": "BookPlace", "person_id": str(child)})
    token = await api.token("DATA_PROTECTION_OFFICER", area="*")
    headers = {"Authorization": f"Bearer {token}", "Access-Reason": "INC_1"}
    for action in ("hold?kind=LEGAL", "restrict?basis=PRINCIPLE_INFRINGED"):
        answer = await api.http.post(f"/v1/people/{child}/{action}", headers=headers)
        assert answer.status_code == 200, answer.text
    shown = (await api.http.get(f"/v1/people/{child}", headers=headers)).json()
    assert (shown["holds"], shown["restricted"], shown["forgotten"]) == (["LEGAL"], True, False)
    at = education_app.state.deps
    facts = closed_facts(education, (await at.event_store.load(f"education/{stream}")).records)
    assert await restricted_people(at, education, [child], facts) == {child}
    forgotten = await api.http.post(f"/v1/people/{child}/forget?basis=RETENTION_ENDED", headers=headers)
    assert [rule["id"] for rule in forgotten.json()["rules"]] == ["DR1", "DR2"]


async def test_whoever_knows_a_childs_id_learns_not_whether_anything_was_decided_of_their_data(
    api: Client, stream: UUID
) -> None:
    """Given a child of whose data nothing is decided, and one with a hold, when an officer begins a record under an id of their data rights, then the answers are the same."""
    children = (uuid4(), uuid4())
    await api.send(stream, PLAN)
    for child in children:
        await api.send(stream, {"type": "BookPlace", "person_id": str(child)})
    headers = {
        "Authorization": f"Bearer {await api.token('DATA_PROTECTION_OFFICER', area='*')}",
        "Access-Reason": "INC_1",
    }
    held = await api.http.post(f"/v1/people/{children[1]}/hold?kind=LEGAL", headers=headers)
    assert held.status_code == 200, held.text
    answers = [
        [(await api.send(id_, PLAN)).status_code for id_ in data_rights_ids("education", child)] for child in children
    ]
    assert answers == [[404, 201], [404, 201]]


async def test_what_an_older_release_recorded_of_data_rights_goes_on(
    api: Client, education_app: FastAPI, stream: UUID
) -> None:
    """Given a hold under the id that an older release gave it, then it is shown, and its release is recorded in the same stream."""
    child = uuid4()
    await api.send(stream, PLAN)
    await api.send(stream, {"type": "BookPlace", "person_id": str(child)})
    at = education_app.state.deps
    rights = at.handler.for_service(data_rights_service(education))
    officer = Actor(id=uuid4(), role="DATA_PROTECTION_OFFICER", organisation="TEST", labels={"area": "*"})
    begins, began_once = data_rights_ids("education", child)
    hold = PlaceHold(person_id=child, kind="LEGAL")
    await rights.handle(CommandRequest(hold, began_once, uuid4(), officer, datetime.now(UTC), uuid4()))
    headers = {
        "Authorization": f"Bearer {await api.token('DATA_PROTECTION_OFFICER', area='*')}",
        "Access-Reason": "INC_1",
    }
    shown = (await api.http.get(f"/v1/people/{child}", headers=headers)).json()
    released = (await api.http.post(f"/v1/people/{child}/release?kind=LEGAL", headers=headers)).json()
    assert (shown["holds"], released["holds"]) == (["LEGAL"], [])
    loaded = [len((await at.event_store.load(f"education/{id_}")).records) for id_ in (begins, began_once)]
    assert loaded == [0, 2]


async def test_data_rights_that_two_releases_began_at_once_stand_together(
    api: Client, education_app: FastAPI, stream: UUID
) -> None:
    """Given a hold under the id of an older release, and another under this one's, then both are shown, each forbids forgetting, and each is released."""
    child = uuid4()
    await api.send(stream, PLAN)
    await api.send(stream, {"type": "BookPlace", "person_id": str(child)})
    rights = education_app.state.deps.handler.for_service(data_rights_service(education))
    officer = Actor(id=uuid4(), role="DATA_PROTECTION_OFFICER", organisation="TEST", labels={"area": "*"})
    holds = (PlaceHold(person_id=child, kind="APPEAL"), PlaceHold(person_id=child, kind="LEGAL"))
    for id_, hold in zip(data_rights_ids("education", child), holds, strict=True):
        await rights.handle(CommandRequest(hold, id_, uuid4(), officer, datetime.now(UTC), uuid4()))
    headers = {
        "Authorization": f"Bearer {await api.token('DATA_PROTECTION_OFFICER', area='*')}",
        "Access-Reason": "INC_1",
    }
    shown = (await api.http.get(f"/v1/people/{child}", headers=headers)).json()
    left = []
    for kind in ("LEGAL", "APPEAL"):
        forgotten = await api.http.post(f"/v1/people/{child}/forget?basis=RETENTION_ENDED", headers=headers)
        assert [rule["id"] for rule in forgotten.json()["rules"]] == ["DR1", "DR2"]
        released = await api.http.post(f"/v1/people/{child}/release?kind={kind}", headers=headers)
        left.append(released.json()["holds"])
    assert (shown["holds"], left) == (["APPEAL", "LEGAL"], [["APPEAL"], []])
