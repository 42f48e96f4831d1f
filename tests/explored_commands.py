"""Finds by experiment what commands record: plays stories, and tries every command from the states that they reach.

From each state that was reached, every command is tried in many variants. Corrections are left out: they tell the same
history better.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from shared.domain.dates import local_day
from shared.domain.decisions import EventAt
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest, Decision, as_recorded, execute
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command, Correction, Event
from shared.domain.rules import Context
from shared.domain.service import Service
from tests.command_variants import Seen, moments, seen_in, variants
from tools.reference.moves import BEGINNING, PLAYED_AT
from tools.scenario.in_memory import AREA, Memory

WITNESSES: Final = 5
"""How many histories of different kinds are followed from each state."""

STREAM: Final = derived_uuid("reference", "stream")


def explore(service: Service[Any], played: Memory) -> Mapping[type[Command], set[type[Event]]]:
    """Try every command of a service from the states that the stories reach; return the events that each was seen to make."""
    return _Exploration(service, [history for name, history in played.histories if name == service.name]).run()


class _Exploration:
    """The exploration of one service: a queue of histories to continue, a few of each kind for each state."""

    def __init__(self, service: Service[Any], histories: Sequence[Sequence[Fact]]) -> None:
        self.service = service
        self.recorded_values = seen_in(fact.event for history in histories for fact in history)
        self.made: dict[type[Command], set[type[Event]]] = {}
        self._kinds: dict[tuple[str, bool], set[frozenset[str]]] = {}
        self._waiting: deque[tuple[Fact, ...]] = deque([()])
        for history in histories:
            self._retell(list(takewhile(lambda fact: not isinstance(fact.event, Correction), history)))

    def run(self) -> Mapping[type[Command], set[type[Event]]]:
        while self._waiting:
            history = self._waiting.popleft()
            state, here = self.service.decider.fold(history), seen_in(fact.event for fact in history)
            for command in self.service.commands:
                self._try(command, history, state, here)
        return self.made

    def _retell(self, history: Sequence[Fact]) -> None:
        """Queue the longest history of a story in each state."""
        state: Any = None
        for n, fact in enumerate(history):
            after = self.service.decider.evolve(state, fact)
            before, now = self._state(state), self._state(after)
            if before != now:
                self._follow(tuple(history[:n]), before, from_scenario=True)
            state = after
        self._follow(tuple(history), self._state(state), from_scenario=True)

    def _follow(self, history: tuple[Fact, ...], state: str, *, from_scenario: bool = False) -> None:
        kind = frozenset(_kind(fact.event) for fact in history)
        similar = self._kinds.setdefault((state, from_scenario), set())
        if history and kind not in similar and len(similar) < WITNESSES:
            similar.add(kind)
            self._waiting.append(history)

    def _state(self, state: Any) -> str:
        if state is None:
            return BEGINNING
        return str(self.service.read_model.view(state)["state"])

    def _try(self, command_class: type[Command], history: tuple[Fact, ...], state: Any, here: Seen) -> None:
        if command_class.opens is bool(history):
            return
        officer, decider = _officer(self.service, command_class), self.service.decider
        seen: set[tuple[str, ...]] = set()
        for at in moments(history, here):
            policy = self.service.policy.on(local_day(at))
            began_at = history[0].occurred_at if history else None
            context = Context(
                STREAM, officer, at, PLAYED_AT, policy, self.service.policy.on, self.service.prints, began_at
            )
            for command in variants(command_class, at, here, self.recorded_values, decider.rules, pairs=False):
                answer = decider.evaluate_and_decide(command, state, context)
                if isinstance(answer, tuple):
                    events = [made.event if isinstance(made, EventAt) else made for made in answer[0]]
                    self.made.setdefault(command_class, set()).update(map(type, events))
                    kinds = tuple(map(_kind, events))
                    if kinds not in seen:
                        seen.add(kinds)
                        self._follow_facts(history, self._execute(command, officer, history), state)

    def _follow_facts(self, history: tuple[Fact, ...], facts: Sequence[Fact], state: Any) -> None:
        for n, fact in enumerate(facts, start=1):
            state = self.service.decider.evolve(state, fact)
            self._follow((*history, *facts[:n]), self._state(state))

    def _execute(self, command: Command, officer: Actor, history: Sequence[Fact]) -> list[Fact]:
        """Return the facts that the command makes; none if one of them is a correction."""
        command_id = derived_uuid("reference", len(history), repr(command))
        outcome = execute(
            self.service, CommandRequest(command, STREAM, command_id, officer, PLAYED_AT, command_id), history
        )
        if not isinstance(outcome, Decision) or any(isinstance(fact.event, Correction) for fact in outcome.facts):
            return []
        return [as_recorded(fact, fact.version, PLAYED_AT) for fact in outcome.facts]


def _kind(event: Event) -> str:
    """Return the name of an event, with the codes of what it decided: it tells events apart here."""
    codes = (str(getattr(event, name, "")) for name in ("disposal", "decision", "outcome"))
    return "/".join((type(event).__name__, *codes))


def _officer(service: Service[Any], command: type[Command]) -> Actor:
    roles = sorted(service.roles_for(command), key=lambda role: (role != "SUPERVISOR", role == "SYSTEM", role))
    return Actor(id=derived_uuid("officer", roles[0], 1), role=roles[0], organisation="REFERENCE", labels=AREA)
