"""The kernel's events of waits: what earlier releases recorded stays readable, and a closure is recorded."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from services.disposal.service import service as disposal
from services.system.registry import deciding_services
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact, type_in
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.domain.sealing import Sealed
from shared.domain.waiting import (
    DECIDER,
    CloseWaiting,
    Wait,
    WaitingBegan,
    WaitingClosed,
    decide,
    is_wait,
    waiting_events,
    waiting_service,
)
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import Accepted, CommandHandler, NoChange, Result
from shared.privacy.keyring import MemoryKeyring

GOLDEN: Sequence[str] = json.loads((Path(__file__).parent / "golden" / "waiting.json").read_text(encoding="utf-8"))
"""The bytes of a wait that began, changed, ended, began again and was closed."""
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
ACTOR = Actor(id=UUID(int=7), role="SUPERVISOR", organisation="TEST", labels={"area": "DORSET"})
CLOSE = CloseWaiting(home=UUID(int=1), wait=WAIT, reason="INC_1234")
WITH_WORDS = CLOSE.model_copy(update={"why": Sealed("It belongs to another child.")})


async def send(commands: Sequence[Command]) -> tuple[list[Result], list[Fact]]:
    """Send commands to one wait, with fixed ids; the results, and the facts with their bytes."""
    handler = CommandHandler(waiting_service(disposal), MemoryEventStore(), MemoryKeyring(), b"digest")
    results = [
        await handler.handle(CommandRequest(command, UUID(int=9), UUID(int=100 + n), ACTOR, NOON, UUID(int=100 + n)))
        for n, command in enumerate(commands)
    ]
    return results, await handler.open((await handler.event_store.load(f"disposal/{UUID(int=9)}")).records)


def test_waits_that_an_earlier_release_recorded_are_read_and_fold() -> None:
    """Given the golden bytes of each event, then they are read, and the wait is closed in the end."""
    book = waiting_events("disposal")
    assert {type_in(body.encode()) for body in GOLDEN} == set(book.by_type)
    history = [book.read(body.encode()) for body in GOLDEN]
    states = [DECIDER.fold(history[:n]) for n in range(1, 6)]
    assert [(one.open, one.closed) for one in states if one] == [
        *((True, False), (True, False), (False, False)),
        *((True, False), (False, True)),
    ]
    with pytest.raises(BrokenHistory):
        DECIDER.fold(history[1:2])


async def test_a_closure_records_what_waited_and_who_closed_it_once() -> None:
    """Given a reaction that waits, when it is closed twice, then its wait and closure are recorded once, as they were before."""
    results, facts = await send([CLOSE, CLOSE])
    assert [type(one) for one in results] == [Accepted, NoChange]
    recorded = [json.loads(fact.body or b"")["data"] for fact in facts]
    assert recorded == [json.loads(body)["data"] for body in GOLDEN[3:]]


@pytest.mark.parametrize(("stored", "recorded"), [(1, 1), (2, 1), (3, 2), (5, 0)])
def test_a_wait_of_an_earlier_release_is_closed(stored: int, recorded: int) -> None:
    """Given a stored wait that is open, has ended or is closed, when it is closed, then what is lacking is recorded."""
    book = waiting_events("disposal")
    state = DECIDER.fold(book.read(body.encode()) for body in GOLDEN[:stored])
    events = decide(CLOSE, state, None)  # type: ignore[arg-type]
    assert [type(event) for event in events] == [WaitingBegan, WaitingClosed][2 - recorded :]


async def test_the_words_of_a_closure_are_sealed() -> None:
    """Given a closure with words of its own, when its bytes are looked at, then the words are not in them."""
    _, facts = await send([WITH_WORDS])
    body = facts[-1].body or b""
    assert b"INC_1234" in body
    assert b"another child" not in body
    assert facts[-1].event.why.value == "It belongs to another child."  # type: ignore[attr-defined]


def test_no_event_of_a_service_has_the_name_of_one_of_a_wait() -> None:
    """Given every event of every service, when its type is looked at, then none passes for an event of a wait."""
    for service in deciding_services():
        assert not [name for name in service.events.by_type if is_wait(name)]
        assert all(is_wait(name) and not service.is_own(name) for name in waiting_events(service.name).by_type)


def test_each_reaction_says_what_waits() -> None:
    """Given the reactions of every service, then each says what waits if its command is refused."""
    assert {reaction.waits_as != "" for one in deciding_services() for reaction in one.reactions} == {True}
