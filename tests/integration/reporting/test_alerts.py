"""Alerts on a person stand on every case that names the person, for those who read referrals as a whole, from real tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.disposal.domain.commands import OpenDisposalCase
from services.reporting.queries.cases import case
from services.reporting.queries.visibility import Reader
from services.trade.vocabulary import Role
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, project, reader
from tools.scenario.backend import Request
from tools.scenario.story import Officer, Result

ALERTS = "95"
RENEWED_AT = datetime(2026, 6, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def scenarios() -> RecordedScenarios:
    """Play a referral with alerts on a girl, and open a disposal case of hers with another case's id."""
    scenarios = play(ALERTS)
    linked = named(scenarios, "PersonLinked").event
    body: dict[str, Any] = {
        "type": OpenDisposalCase.__name__,
        "occurred_at": "2026-06-10T09:00:00+01:00",
        "case_id": str(uuid4()),
        "person_id": str(linked.person_id),  # type: ignore[attr-defined]
        "details": {"name": "Ivy Stone", "date_of_birth": "2011-01-20"},
        "crime_number": "55260061001",
        "offence": {
            "code": "04601",
            "title": "Theft from a shop",
            "date": "2026-06-09",
            "trial_mode": "EITHER_WAY",
            "recordable": True,
            "category": "THEFT",
        },
        "reported_at": "2026-06-09T12:00:00+01:00",
    }
    send(scenarios, "disposal", uuid4(), body)
    return scenarios


def send(scenarios: RecordedScenarios, service: str, stream: UUID, body: dict[str, Any]) -> None:
    """Send a command as a case manager; it is accepted."""
    answer = scenarios.memory.send(Request(service, stream, Officer("YJS_CASE_MANAGER"), body, str(uuid4())))
    assert answer.word is Result.ACCEPTED, answer


def named(scenarios: RecordedScenarios, name: str) -> Fact:
    """Return the first fact of a name."""
    return next(fact for fact in scenarios.facts if fact.name == name)


def cases_of(scenarios: RecordedScenarios) -> tuple[UUID, UUID]:
    """Return the case in which the alerts were raised, and the other one."""
    return named(scenarios, "ReferralReceived").envelope.home, named(scenarios, "DisposalCaseOpened").envelope.home


def of_role(role: Role, area: str = "DORSET", **other: Any) -> Reader:
    """Return a reader in a role."""
    actor = Actor(id=uuid4(), role=role, organisation="DORSET_POLICE", labels={"area": area})
    return replace(Reader(actor, (area,), frozenset()), **other)


async def kinds(pool: asyncpg.Pool[asyncpg.Record], who: Reader, case_id: UUID, **times: Any) -> set[str]:
    """Return the kinds of the alerts that a reader is shown on a case."""
    answer = await case(pool, who, case_id, **times)
    assert isinstance(answer, dict)
    return {alert["kind"] for alert in answer["alerts"]}


async def test_an_open_alert_stands_on_every_case_of_the_person(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given an ended and an open alert, when either case of the girl is read, then the open one stands there, with whose it is and where."""
    await project(pool, scenarios.facts, 500)
    raised, girl = named(scenarios, "AlertRaised"), named(scenarios, "PersonLinked").event.person_id  # type: ignore[attr-defined]
    for case_id in cases_of(scenarios):
        answer = await case(pool, reader(), case_id)
        assert isinstance(answer, dict)
        (alert,) = answer["alerts"]
        assert (alert["kind"], alert["review_on"]) == ("COMMUNICATION_NEED", "2026-09-01")
        assert (alert["person_id"], alert["referral_id"]) == (str(girl), str(raised.stream_id))


async def test_a_case_leads_to_the_other_cases_of_its_child(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given two cases of one child, when either is read, then it names the other to who may read that whole, and to nobody else, and to none whom a conflict bars."""
    await project(pool, scenarios.facts, 500)
    first, second = cases_of(scenarios)

    async def others(who: Reader, case_id: UUID, **times: Any) -> list[str]:
        answer = await case(pool, who, case_id, **times)
        assert isinstance(answer, dict)
        return [other["case_id"] for other in answer["other_cases"]]

    assert await others(reader(), first) == [str(second)]
    assert await others(reader(), second) == [str(first)]
    assert await others(reader(), first, known_at=datetime.now(UTC)) == []
    assert await others(of_role(Role.POLICE_DECISION_MAKER), first) == [str(second)]
    assert await others(of_role(Role.POLICE_DECISION_MAKER, barred=frozenset({second})), first) == []
    assert await others(of_role(Role.SCHOOL), first) == []


async def test_alerts_are_those_of_both_times(pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios) -> None:
    """Given alerts raised and ended, when a case is read as of then or as known then, then those stand there that held."""
    await project(pool, scenarios.facts, 500)
    own, _ = cases_of(scenarios)
    both = {"SELF_HARM", "COMMUNICATION_NEED"}
    raised = [fact for fact in scenarios.facts if fact.name == "AlertRaised"]
    ended = named(scenarios, "AlertEnded")
    assert ended.recorded_at is not None
    assert await kinds(pool, reader(), own, as_of=RENEWED_AT) == both
    assert await kinds(pool, reader(), own, known_at=ended.recorded_at - timedelta(microseconds=1)) == both
    assert await kinds(pool, reader(), own, as_of=raised[0].occurred_at - timedelta(minutes=1)) == set()


async def test_alerts_are_shown_to_those_who_read_referrals_as_a_whole(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given an alert, when roles read the girl's other case, then a victim worker and an officer with a conflict see none."""
    await project(pool, scenarios.facts, 500)
    own, other = cases_of(scenarios)
    need = {"COMMUNICATION_NEED"}
    for role in (Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER, Role.AUDITOR):
        assert await kinds(pool, of_role(role), other) == need, role
    assert await kinds(pool, of_role(Role.VICTIM_WORKER), other) == set()
    assert await kinds(pool, of_role(Role.SUPERVISOR, barred=frozenset({own})), other) == set()


@pytest.mark.parametrize("service", ["panel", "education"])
async def test_a_case_shows_no_alert_on_a_child_of_another_case_of_the_same_sitting_or_session(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, service: str
) -> None:
    """Given a sitting, or a session, of the girl and of somebody else, when the other's case is read, then no alert on her stands there."""
    shared, other_case, girl = uuid4(), uuid4(), str(named(scenarios, "PersonLinked").event.person_id)  # type: ignore[attr-defined]
    at, _, hers = {"occurred_at": "2026-06-11T09:00:00+01:00"}, *cases_of(scenarios)
    if service == "panel":
        plan: dict[str, Any] = {
            "type": "PlanSitting",
            "starts_at": "2026-06-20T09:00:00+01:00",
            "place": "Hall",
            "chair": str(uuid4()),
        }
        add = {"type": "AddToAgenda"}
    else:
        plan = {
            "type": "PlanSession",
            "starts_at": "2026-06-20T09:00:00+01:00",
            "topic": "WEAPONS",
            "kind": "ONE_TO_ONE",
            "place": "Hall",
            "hours": 1,
        }
        add = {"type": "BookPlace"}
    send(scenarios, service, shared, at | plan)
    for case_id, person in ((hers, girl), (other_case, str(uuid4()))):
        of_service = {"disposal_id": str(uuid4())} if service == "panel" else {}
        send(scenarios, service, shared, at | add | of_service | {"case_id": str(case_id), "person_id": person})
    await project(pool, scenarios.facts, 500)
    assert await kinds(pool, reader(), hers) == {"COMMUNICATION_NEED"}
    assert await kinds(pool, of_role(Role.YJS_CASE_MANAGER), other_case) == set()
