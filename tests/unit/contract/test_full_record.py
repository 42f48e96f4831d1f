"""A record, and a case, grow to a size that an API can still read, and come to their end from there."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from services.education.service import service as education
from services.referral.service import service
from shared.api.request import parse_command
from shared.domain import execution
from shared.domain.decisions import Refused
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.permissions import SYSTEM
from shared.event_store.memory import MemoryEventStore
from shared.handling import command_handler
from shared.handling.command_handler import Accepted, CommandHandler, Forbidden, Result
from shared.privacy.keyring import MemoryKeyring
from tests.policy_books import with_entry
from tests.received_referral import received_referral

NOON: Final = datetime(2026, 5, 4, 12, tzinfo=UTC)
MARCH: Final = date(2026, 3, 1)
STREAM: Final = uuid4()


def linked(needs: list[str]) -> dict[str, Any]:
    details = {"name": "Robin Roe", "date_of_birth": "2011-03-14", "needs": needs}
    ids = {"person_id": str(uuid4()), "role": "WITNESS", "category": "WITNESS"}
    return {"type": "LinkPerson", **ids, "details": details, "rationale": {"N2": "Another one."}}


async def test_a_full_record_takes_short_commands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a record of more bytes than one may have, then no person adds a long text, nor with twice as many a short one, nor a reaction with three times."""
    handler = CommandHandler(service, MemoryEventStore(), MemoryKeyring(), b"digest")

    async def send(body: dict[str, Any], role: str = "SAFE_SCHOOLS_OFFICER") -> Result:
        actor = Actor(id=uuid4(), role=role, organisation="POLICE", labels={"area": "DORSET"})
        command = parse_command(service, json.dumps(body).encode(), NOON)
        return await handler.handle(CommandRequest(command, STREAM, uuid4(), actor, NOON, uuid4()))

    long = linked(["x y " * 4_000] * 12)
    assert isinstance(await send(received_referral(uuid4(), "2026-03-02T10:00:00+00:00")), Accepted)
    assert isinstance(await send(long), Accepted)
    assert command_handler.FULL_BYTES > 1_000_000
    monkeypatch.setattr(command_handler, "FULL_BYTES", 200_000)
    refused = await send(linked(["x y " * 4_000] * 12))
    assert isinstance(refused, Forbidden)
    assert refused.why.startswith("this record holds as much as one may")
    assert not refused.hidden
    assert isinstance(await send(linked(["braille"])), Accepted)
    monkeypatch.setattr(command_handler, "FULL_BYTES", 100_000)
    assert isinstance(await send(linked(["braille"])), Forbidden)
    assert not isinstance(await send(linked(["x y " * 4_000] * 12), SYSTEM), Forbidden)
    monkeypatch.setattr(command_handler, "FULL_BYTES", 50_000)
    assert isinstance(await send(linked(["braille"]), SYSTEM), Forbidden)


async def test_a_record_of_many_small_events_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a record of so many short commands that a fold of it takes long, then it is full, though its bytes are few."""
    event_store = MemoryEventStore()
    handler = CommandHandler(service, event_store, MemoryKeyring(), b"digest")
    actor = Actor(id=uuid4(), role="SAFE_SCHOOLS_OFFICER", organisation="POLICE", labels={"area": "DORSET"})
    monkeypatch.setattr(command_handler, "FULL_BYTES", 40_000)

    async def send(body: dict[str, Any]) -> Result:
        command = parse_command(service, json.dumps(body).encode(), NOON)
        return await handler.handle(CommandRequest(command, STREAM, uuid4(), actor, NOON, uuid4()))

    await send(received_referral(uuid4(), "2026-03-02T10:00:00+00:00"))
    answers = [await send(linked(["braille"])) for _ in range(30)]
    assert isinstance(answers[0], Accepted)
    assert isinstance(answers[-1], Forbidden)
    assert sum(len(record.body) for record in (await event_store.load(f"referral/{STREAM}")).records) < 80_000


async def test_a_case_takes_so_many_records_and_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a case with half as many referrals, or bytes in others, as one may have, then a school begins no further one there, and an officer does."""
    event_store = MemoryEventStore()
    handler = CommandHandler(service, event_store, MemoryKeyring(), b"digest")

    async def refer(case: UUID, role: str = "SCHOOL") -> Result:
        actor = Actor(id=uuid4(), role=role, organisation="WESSEX_TRUST", labels={"area": "DORSET"})
        command = parse_command(
            service, json.dumps(received_referral(case, "2026-03-02T10:00:00+00:00")).encode(), NOON
        )
        return await handler.handle(CommandRequest(command, uuid4(), uuid4(), actor, NOON, uuid4()))

    many, large = uuid4(), uuid4()
    assert command_handler.FULL_RECORDS >= 50
    monkeypatch.setattr(command_handler, "FULL_RECORDS", 6)
    assert [type(await refer(many)) for _ in range(4)] == [Accepted, Accepted, Accepted, Forbidden]
    officers = [type(await refer(many, "SAFE_SCHOOLS_OFFICER")) for _ in range(4)]
    assert officers == [Accepted, Accepted, Accepted, Forbidden]
    assert isinstance(await refer(large), Accepted)
    _, size = await event_store.size_of_home(large, {})
    monkeypatch.setattr(command_handler, "FULL_BYTES", size)
    assert isinstance(await refer(large), Forbidden)
    assert isinstance(await refer(large, "SAFE_SCHOOLS_OFFICER"), Accepted)
    monkeypatch.setattr(command_handler, "FULL_BYTES", 500)
    assert isinstance(await refer(large, "SAFE_SCHOOLS_OFFICER"), Forbidden)
    assert isinstance(await refer(uuid4()), Accepted)


async def test_a_record_takes_no_more_duties_than_its_readers_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a record with as many duties as one may have, then a command that adds one is refused, and another is not."""
    handler = CommandHandler(service, MemoryEventStore(), MemoryKeyring(), b"digest")
    actor = Actor(id=uuid4(), role="SAFE_SCHOOLS_OFFICER", organisation="POLICE", labels={"area": "DORSET"})

    async def send(body: dict[str, Any]) -> Result:
        command = parse_command(service, json.dumps(body).encode(), NOON)
        return await handler.handle(CommandRequest(command, STREAM, uuid4(), actor, NOON, uuid4()))

    await send(received_referral(uuid4(), "2026-03-02T10:00:00+00:00"))
    assert execution.MOST_DUTIES >= 1_000
    monkeypatch.setattr(execution, "MOST_DUTIES", 1)
    assert isinstance(await send({"type": "AcknowledgeReferral"}), Accepted)
    assert isinstance(await send(linked(["braille"])), Accepted)
    assert isinstance(
        await send({"type": "RaiseSafeguardingConcern", "concern": "A bruise.", "dsl_informed": True}), Forbidden
    )


async def test_another_area_fills_no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a case in which another area began as many referrals as one may have, and as many bytes, then its own area goes on there."""
    handler = CommandHandler(service, MemoryEventStore(), MemoryKeyring(), b"digest")
    monkeypatch.setattr(command_handler, "FULL_RECORDS", 4)
    case = uuid4()

    async def refer(area: str) -> Result:
        school = Actor(id=uuid4(), role="SCHOOL", organisation="WESSEX_TRUST", labels={"area": area})
        body = json.dumps(received_referral(case, "2026-03-02T10:00:00+00:00")).encode()
        command = parse_command(service, body, NOON)
        return await handler.handle(CommandRequest(command, uuid4(), uuid4(), school, NOON, uuid4()))

    answers = [await refer(area) for area in ("POOLE", "POOLE", "POOLE", "DORSET", "DORSET", "DORSET")]
    assert [isinstance(answer, Accepted) for answer in answers] == [True, True, False, True, True, False]


async def test_a_case_takes_places_in_so_many_sessions() -> None:
    """Given as many sessions as a case may have places in, then a further one takes no place for it (E9), booked or by correction."""
    model = replace(education.read_model, policy=with_entry(education.policy, "sessions_of_a_case", MARCH, 2))
    handler = CommandHandler(replace(education, read_model=model), MemoryEventStore(), MemoryKeyring(), b"digest")
    officer = Actor(id=uuid4(), role="SAFE_SCHOOLS_OFFICER", organisation="POLICE", labels={"area": "DORSET"})
    case, sessions = uuid4(), [uuid4() for _ in range(3)]

    async def send(session: UUID, body: dict[str, Any]) -> Result:
        command = parse_command(education, json.dumps(body).encode(), NOON)
        return await handler.handle(CommandRequest(command, session, uuid4(), officer, NOON, uuid4()))

    async def book(session: UUID, **serves: str) -> Result:
        return await send(session, {"type": "BookPlace", "person_id": str(uuid4()), **serves})

    plan = {"kind": "WORKSHOP", "topic": "RETAIL", "starts_at": "2026-06-04T09:00:00Z", "hours": "2", "place": "Poole"}
    for session in sessions:
        assert isinstance(await send(session, {"type": "PlanSession", **plan}), Accepted)
    for session in (*sessions[:2], sessions[0]):
        assert isinstance(await book(session, case_id=str(case)), Accepted)
    refused = await book(sessions[2], case_id=str(case))
    assert isinstance(refused, Refused)
    assert refused.ids == ("E9",)
    booked = await book(sessions[2])
    assert isinstance(booked, Accepted)
    corrected = {"corrects": str(booked.receipt.events[0].event_id), "field": "case_id", "why": "Left out."}
    refused = await send(sessions[2], {"type": "CorrectRecord", "value": str(case), **corrected})
    assert isinstance(refused, Refused)
    assert refused.ids == ("E9",)
    assert isinstance(await send(sessions[2], {"type": "CorrectRecord", "value": str(uuid4()), **corrected}), Accepted)
