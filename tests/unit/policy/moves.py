"""What changes when a value of policy changes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.messages import Command
from shared.domain.service import Service
from tests.command_spec import CommandSpec


@dataclass(frozen=True)
class Moved:
    """A value, what it becomes, and what is asked with the old value and with the new one."""

    becomes: Any
    observe: Callable[[Service[Any]], Any]


def under(story: CommandSpec, service: Service[Any]) -> Any:
    """Return the story, judged by that service's policy."""
    story.service = service
    return story


def answer(story: CommandSpec, command: Command, by: str, at: str) -> tuple[str, ...]:
    """Return the broken rules, the missing reasons, or the events."""
    result = story.answer(command, by=by, at=at)
    return result.ids if isinstance(result, (Refused, NeedsRationale)) else tuple(result)


def due(story: CommandSpec, duty: str, day: date) -> date:
    """When a duty is due, as the sheet of a day shows it."""
    return story.duties(day)[duty].due
