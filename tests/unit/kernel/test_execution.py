"""The execution of a command on a history: what the kernel itself holds, whatever the rules of a service say."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.domain.decider import Decider
from shared.domain.decisions import EventAt, Refused
from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.messages import Actor, Command
from shared.domain.rules import RuleBook
from shared.domain.service import ReadModel, Service
from tests.unit.kernel.lamps import (
    EVENTS,
    NOON,
    STREAM,
    HangLamp,
    Lamp,
    LampHung,
    LampLit,
    LightLamp,
    PutOut,
    decider,
    evolve,
    history,
)

MINUTE = timedelta(minutes=1)


def lamps(of: Decider[Lamp]) -> Service[Lamp]:
    """Return a service whose rules are the kernel's alone."""
    return Service(
        commands=(HangLamp, LightLamp, PutOut),
        default_roles=frozenset(),
        read_model=ReadModel("lamps", EVENTS, of, view=lambda _lamp: {}),
        inherited_labels=frozenset(),
    )


def asked(command: Command, of: Decider[Lamp], at_minutes: int) -> Decision | Refused:
    """Execute a command some minutes after the lamp was hung."""
    at = NOON + at_minutes * MINUTE
    actor = Actor(id=uuid4(), role="KEEPER", organisation="HOUSE")
    request = CommandRequest(command, STREAM, uuid4(), actor, at, uuid4())
    verdict = execute(lamps(of), request, history(LampHung(room="hall")))
    assert isinstance(verdict, (Decision, Refused))
    return verdict


@pytest.mark.parametrize(("at_minutes", "refused"), [(-1, True), (0, False), (1, False)])
def test_no_command_is_accepted_before_its_stream_began(at_minutes: int, *, refused: bool) -> None:
    """Given a service without a rule of its own, when a command is dated before the first event, then T1 refuses it."""
    verdict = asked(LightLamp(), decider(), at_minutes)
    assert isinstance(verdict, Refused) is refused
    if isinstance(verdict, Refused):
        assert verdict.ids == ("T1",)


def test_no_event_is_made_before_its_stream_began() -> None:
    """Given a command whose event takes an earlier time, when that lies before the first event, then T1 refuses it too."""

    def decide(_command: Command, _lamp: Lamp | None, _context: object) -> Sequence[EventAt]:
        return (EventAt(LampLit(), NOON - MINUTE),)

    verdict = asked(LightLamp(), Decider(RuleBook("lamps"), decide, evolve), at_minutes=1)
    assert isinstance(verdict, Refused)
    assert verdict.ids == ("T1",)
