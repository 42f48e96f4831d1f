"""What led to what in a case: its events as a tree, each under the event that it follows from by a reaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.console.officers.moments import all_events
from services.console.rendering import render
from services.console.routing import console_of, read_uuid
from services.console.sessions import Session


@dataclass(slots=True)
class Cause:
    """An event, and those that follow from it."""

    event: Mapping[str, Any]
    effects: list[Cause] = field(default_factory=list)


async def causes_page(request: Request, session: Session) -> Response:
    """Show the events of a case as a tree of causes, in the order of their recording."""
    id_ = str(read_uuid(request, "case"))
    events = await all_events(console_of(request).apis, session, id_, {})
    return render(request, "causes.html", session, id=id_, roots=tree_of(events), total=len(events))


def tree_of(events: Iterable[Mapping[str, Any]]) -> Sequence[Cause]:
    """Put each event under the one that it follows from; those that follow from none that is shown are the roots."""
    causes = {event["event_id"]: Cause(event) for event in events}
    roots: list[Cause] = []
    for cause in causes.values():
        source = causes.get(cause.event["causation_id"] or "")
        (roots if source is None or source is cause else source.effects).append(cause)
    return roots
