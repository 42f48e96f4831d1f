"""What a record holds is not learned by asking its rules (design.md, Noninterference)."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from services.trade.vocabulary import Role
from shared.domain.decisions import Refused
from shared.domain.envelope import Fact
from shared.domain.permissions import AccessFacts, Permission
from shared.domain.sealing import to_json
from shared.domain.service import Service
from shared.handling.command_handler import DryRun
from tests.command_variants import seen_in
from tests.played_stories import played_stories
from tests.unit.guidance.played_histories import SERVICES, written_commands
from tools.reference.moves import PLAYED_AT
from tools.scenario.backend import Request, Response
from tools.scenario.story import Officer, Result

MOST: Final = 12
"""The most records of a service that are tried."""


def closed_to(service: Service[Any]) -> dict[str, Permission]:
    """Return the roles that send commands and read some records alone, with what opens them."""
    return {
        role: permission
        for role, permission in service.permissions.items()
        if permission.where and not permission.acts_on_unread and role in service.commanding_roles
    }


def marks_in(service: Service[Any], history: Sequence[Fact]) -> frozenset[str]:
    """Return the marks of a record, by which it is opened."""
    return AccessFacts.of_history(service.events, history).marks


def bodies(
    service: Service[Any], history: Sequence[Fact], role: str, days: Sequence[int] = (0, 400)
) -> Iterator[dict[str, Any]]:
    """Yield the commands that a role may send to a record, of these days from now on."""
    here = seen_in(fact.event for fact in history)
    for command in service.commands:
        if role in service.roles_for(command) and not command.opens:
            for written in written_commands(service, here, command, PLAYED_AT, 1):
                fields = to_json(written, lambda sealed: sealed.value)
                for day in days:
                    yield fields | {"occurred_at": (PLAYED_AT + timedelta(days=day)).isoformat()}


@pytest.mark.parametrize("service", [one for one in SERVICES if closed_to(one)], ids=lambda service: service.name)
def test_rules_are_asked_only_of_a_record_that_is_read(service: Service[Any]) -> None:
    """Given a record that a role may not read, when it tries any command of any day, then it is forbidden, whatever is in it."""
    played = played_stories()
    for role, permission in closed_to(service).items():
        unread = [
            history
            for name, history in played.histories
            if name == service.name and not marks_in(service, history) & set(permission.where)
        ]
        assert unread
        for history in unread[:MOST]:
            for body in bodies(service, history, role):
                asked = Request(service.name, history[0].stream_id, Officer(role, 9), body, str(uuid4()))
                answer = played.dry_run(asked)
                assert isinstance(answer, Response), body
                assert (answer.word, answer.rules) == (Result.FORBIDDEN, ()), (body, answer)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_the_future_alone_is_said(service: Service[Any]) -> None:
    """Given a command of a day to come, then it is refused for that alone: no other rule says what that day changes."""
    played = played_stories()
    histories = [history for name, history in played.histories if name == service.name]
    for history in histories[:MOST]:
        for body in bodies(service, history, Role.SUPERVISOR, days=(400,)):
            asked = Request(service.name, history[0].stream_id, Officer(Role.SUPERVISOR, 9), body, str(uuid4()))
            answer = played.dry_run(asked)
            if isinstance(answer, DryRun):
                assert isinstance(answer.outcome, Refused), body
                assert answer.outcome.ids == ("T1",), body
