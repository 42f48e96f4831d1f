"""A person of two roles is answered as in one of them, and reads what either of them reads."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from services.system.registry import deciding_services
from services.trade.vocabulary import Role
from shared.api.authorisation import NotAllowed, command_denial
from shared.api.commands import in_narrowest_role
from shared.api.problems import Malformed
from shared.api.queries import reading
from shared.domain.decisions import Refused
from shared.domain.execution import CommandRequest
from shared.domain.permissions import EVERYTHING
from shared.domain.service import Service
from shared.handling.command_handler import DryRun, Forbidden
from tests.scenarios.rehearsal import AFTERWARDS
from tools.scenario.backend import Request, Response
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

STORIES: Final = sorted(Path(__file__).parent.glob("*.yaml"))
EACH_DAY: Final = {"01-shoplifting-ycc", "32-who-may-what", "142-one-officer-of-two-roles"}
PAIRS: Final = list(combinations(sorted({*Role} - {Role.SYSTEM}), 2))


class InEachRole(Memory):
    """A backend that first asks of every command what it would answer to the same person in each role, and in each two."""

    asked = 0

    def send(self, request: Request) -> Response:
        try:
            asked = self._parse(self._services[request.service], request)
        except (NotAllowed, Malformed):
            return super().send(request)
        self._ask_in_two_roles(self._services[request.service], asked)
        return super().send(request)

    def _ask_in_two_roles(self, running: Any, asked: CommandRequest) -> None:
        service, kind = running.service, type(asked.command)
        may = service.roles_for(kind) - {Role.SYSTEM}
        alone = {role: self._run(running.handler.dry_run(_in(asked, role))) for role in may}

        async def answer(one: CommandRequest) -> Any:
            return alone[one.actor.role]

        for pair in PAIRS:
            if may.isdisjoint(pair):
                assert command_denial(service, pair, kind)
                continue
            actor, answered = self._run(in_narrowest_role(service, _in(asked, *pair), answer))
            breadth = {role: sum(role in service.roles_for(command) for command in service.commands) for role in pair}
            narrowest = sorted(may.intersection(pair), key=lambda role: (breadth[role], role))
            role = next((role for role in narrowest if not _is_refused(alone[role])), narrowest[0])
            assert (actor.roles, answered) == ((role,), alone[role])
            if isinstance(answered, DryRun) and isinstance(answered.outcome, tuple):
                assert {fact.actor.role for fact in answered.outcome} <= {role}
            self.asked += 1

    def read_in_two_roles(self) -> None:
        """Assert that of each record two roles read what either of them may, and no more."""
        for running in self._services.values():
            service, store = running.service, running.memory
            streams = dict.fromkeys(event.stream for event in store._records)
            for stream in streams:
                records = self._run(store.load(stream)).records
                someone = records[0]
                actor = service.events.read(someone.body).actor.model_copy(update={"labels": self.area})
                at: Any = SimpleNamespace(handler=running.handler)
                for part in sorted(EVERYTHING):
                    may = {
                        role: self._run(reading(at, service, actor.with_roles([role]), records, part))[1] is None
                        and part in service.permission(actor.with_roles([role])).parts
                        for role in Role
                    }
                    for pair in PAIRS:
                        both, denial = self._run(reading(at, service, actor.with_roles(pair), records, part))
                        readers = [role for role in pair if may[role]]
                        assert denial is None or not readers
                        if readers:
                            assert [*both.roles] == readers
                            _check_union(service, both, readers)


def _check_union(service: Service[Any], both: Any, readers: list[Role]) -> None:
    seen = service.permission(both)
    alone = [service.permission(both.with_roles([role])) for role in readers]
    members = {*service.read_model.view.__annotations__, "details", "state", "no such member"}
    assert seen.parts == frozenset[str]().union(*(one.parts for one in alone))
    assert seen.classes("AUDIT") == frozenset[Any]().union(*(one.classes("AUDIT") for one in alone))
    assert all(seen.shows(member) == any(one.shows(member) for one in alone) for member in members)


def _in(asked: CommandRequest, *roles: str) -> CommandRequest:
    return replace(asked, actor=asked.actor.with_roles(roles))


def _is_refused(answer: Any) -> bool:
    return isinstance(answer.outcome if isinstance(answer, DryRun) else answer, (Refused, Forbidden))


@pytest.mark.parametrize(
    "file",
    [pytest.param(one, id=one.stem, marks=() if one.stem in EACH_DAY else pytest.mark.nightly) for one in STORIES],
)
def test_two_roles_of_a_person_are_answered_as_the_narrowest_that_may(file: Path) -> None:
    """Given a story, when a person of any two roles sends its commands and reads its records, then they may do what either role may, in the narrowest."""
    system = InEachRole(deciding_services(), clock=lambda: AFTERWARDS)
    Run(read_scenario(file), system).play()
    system.read_in_two_roles()
    assert system.asked
