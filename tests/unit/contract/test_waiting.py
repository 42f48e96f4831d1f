"""The kernel's events of waits: their bytes, what decides them, and who learns of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from services.disposal.service import service as disposal
from services.system.registry import DECIDING, deciding_services
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact, type_in
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.domain.sealing import Sealed
from shared.domain.waiting import (
    DECIDER,
    CloseWaiting,
    EndWaiting,
    RecordWaiting,
    Wait,
    is_wait,
    waiting_events,
    waiting_service,
)
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import Accepted, CommandHandler, NoChange, Result
from shared.privacy.keyring import MemoryKeyring

GOLDEN = Path(__file__).parent / "golden" / "waiting.json"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
WAIT = Wait(
    kind="REACTION",
    consumer="disposal-reactor",
    name="attendance-of-condition",
    source=f"education/{UUID(int=1)}",
    version=3,
    targets=(f"disposal/{UUID(int=2)}",),
    rules=("S1",),
    reason="The condition is not active.",
    sentence="the attendance of 4 May 2026 has not reached the condition: the condition is not active.",
    since=NOON,
)
LATER = WAIT.model_copy(update={"reason": "The case has ended.", "rules": ("S1",)})
ACTOR = Actor(id=UUID(int=7), role="SUPERVISOR", organisation="TEST", labels={"area": "DORSET"})
RECORD = RecordWaiting(home=UUID(int=1), wait=WAIT)
CHANGE = RecordWaiting(home=UUID(int=1), wait=LATER)
CLOSE = CloseWaiting(reason="INC_1234", why=Sealed("It belongs to another child."))


async def send(commands: Sequence[Command]) -> tuple[list[Result], list[Fact]]:
    """Send commands to one wait, with fixed ids; the results, and the facts with their bytes."""
    handler = CommandHandler(waiting_service(disposal), MemoryEventStore(), MemoryKeyring(), b"digest")
    results = [
        await handler.handle(CommandRequest(command, UUID(int=9), UUID(int=100 + n), ACTOR, NOON, UUID(int=100 + n)))
        for n, command in enumerate(commands)
    ]
    return results, await handler.open((await handler.event_store.load(f"disposal/{UUID(int=9)}")).records)


async def test_the_bytes_of_a_wait_are_what_they_were() -> None:
    """Given the golden bytes of each event, when the same commands are sent, then the same bytes are written and read."""
    _, facts = await send([RECORD, CHANGE, EndWaiting(), RECORD, CloseWaiting(reason="INC_1234")])
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert [(fact.body or b"").decode() for fact in facts] == golden
    book = waiting_events("disposal")
    assert {type_in(body.encode()) for body in golden} == set(book.by_type)
    assert [book.read(body.encode()).event for body in golden] == [fact.event for fact in facts]


async def test_nothing_is_recorded_twice_and_what_is_closed_stays_closed() -> None:
    """Given a wait that begins, ends, begins and is closed, when each is asked again, then nothing is recorded."""
    sequence = [RECORD, RECORD, EndWaiting(), EndWaiting(), RECORD, CLOSE, CLOSE, RECORD, EndWaiting()]
    results, facts = await send(sequence)
    assert [isinstance(one, Accepted) for one in results] == [True, False, True, False, True, True, False, False, False]
    assert all(isinstance(one, (Accepted, NoChange)) for one in results)
    state = DECIDER.state_at(facts)
    assert state is not None
    assert (state.open, state.closed) == (False, True)
    with pytest.raises(BrokenHistory):
        DECIDER.fold(facts[1:2])


async def test_the_words_of_a_closure_are_sealed() -> None:
    """Given a closure with words of its own, when its bytes are looked at, then the words are not in them."""
    _, facts = await send([RECORD, CLOSE])
    body = facts[-1].body or b""
    assert b"INC_1234" in body
    assert b"another child" not in body
    assert facts[-1].event.why.value == "It belongs to another child."  # type: ignore[attr-defined]


def test_no_event_of_a_service_has_the_name_of_one_of_a_wait() -> None:
    """Given every event of every service, when its type is looked at, then none passes for an event of a wait."""
    for service in deciding_services():
        assert not [name for name in service.events.by_type if is_wait(name)]
        assert all(is_wait(name) and not service.is_own(name) for name in waiting_events(service.name).by_type)


def test_each_service_follows_those_that_react_to_it() -> None:
    """Given the reactions of every service, when followers are compared, then each learns what waits where it is followed."""
    services = deciding_services()
    for one in services:
        following = {other.name for other in services if any(r.service == one.name for r in other.reactions)}
        assert set(one.followers) == following
    assert {reaction.waits_as != "" for one in services for reaction in one.reactions} == {True}
    assert len(services) == len(DECIDING)
