"""The histories that the stories tell, by service, and the commands that can be written in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any, Final

from services.disposal.matrices import SAMPLE, read_folder
from services.system.registry import deciding_services
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Command
from shared.domain.policy import PolicyBook
from shared.domain.rules import Context
from shared.domain.service import Service
from tests.command_spec import officer
from tests.command_variants import Seen, seen_in, variants
from tests.explored_commands import STREAM
from tests.played_stories import played_stories
from tests.policy_books import with_matrices

SERVICES: Final = tuple(deciding_services())


@dataclass(frozen=True)
class PlayedHistories:
    """The histories of a service that the stories told, and the values that stood in their events."""

    histories: Sequence[Sequence[Fact]]
    seen: Seen


@cache
def played_histories() -> dict[str, PlayedHistories]:
    """Sort what the stories told by service."""
    memory = played_stories()
    played = {}
    for service in SERVICES:
        histories = [history for name, history in memory.histories if name == service.name]
        seen = seen_in(fact.event for history in histories for fact in history)
        played[service.name] = PlayedHistories(histories, seen)
    return played


@cache
def _policy_of(name: str) -> PolicyBook:
    book = next(service.policy for service in SERVICES if service.name == name)
    return with_matrices(book, *read_folder(SAMPLE)) if name == "disposal" else book


def context_at(service: Service[Any], by: str, at: datetime) -> Context:
    """Return the context of a command that an officer sends at a time, in a partnership that has loaded a matrix."""
    book = _policy_of(service.name)
    return Context(STREAM, officer(by), at, at, book.on(local_day(at)), book.on, service.prints)


def written_commands(
    service: Service[Any], here: Seen, command: type[Command], at: datetime, most: int
) -> list[Command]:
    """Write a command in many ways, each with a reason for every warning; `here` are the values of its own stream."""
    seen = played_histories()[service.name].seen
    return list(islice(variants(command, at, here, seen, service.decider.rules), most))
