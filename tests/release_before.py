"""The deciding services as the release before had them: disposal recorded the first version of `GravityScored`."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from services.disposal import events
from services.disposal.domain import commands
from services.disposal.service import service as today
from services.system.registry import deciding_services

FIRST_VERSION: Final = "ooc.disposal.GravityScored.v1"


class GravityScored(events.GravityScored):
    """The score of an offence before it had a line and factors: its bytes have no such members."""

    version: ClassVar[int] = 1

    line: Annotated[None, Field(exclude=True)] = None
    factors: Annotated[None, Field(exclude=True)] = None


class ScoreGravity(commands.ScoreGravity):
    """Score the offence, without a line."""

    records: ClassVar[Any] = GravityScored


_EVENTS: Final = replace(
    today.events,
    events=tuple(GravityScored if cls is events.GravityScored else cls for cls in today.events.events),
    upcasters={},
)
_DISPOSAL: Final = replace(
    today,
    commands=tuple(ScoreGravity if cls is commands.ScoreGravity else cls for cls in today.commands),
    read_model=replace(today.read_model, events=_EVENTS),
)

SERVICES: Final = tuple(_DISPOSAL if service.name == "disposal" else service for service in deciding_services())
