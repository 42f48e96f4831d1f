"""Commands whose events are only on a branch of the log that was given up (table `fork`)."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.servers.database import Connection

_BRANCHES: Final = "select evidence, settled_at from fork order by settled_at"
# The actor comes before all that a person has written, and a quotation mark in a text is escaped: the first match is theirs.
_SENT_SINCE: Final = """
    select e.stream, e.type, substring(convert_from(e.body, 'UTF8') from '"actor":{"id":"([^"]*)"') as actor
    from event as e where e.recorded_at > $1 and e.type = any($2) order by e.position
"""
_KNOWN: Final = "select distinct stream from event where stream = any($1) and recorded_at <= $2"


@dataclass(frozen=True, slots=True)
class LostCommand:
    """A command of a lost branch. `body` is that of its first event."""

    command_id: UUID
    stream: str
    types: tuple[str, ...]
    positions: tuple[int, int]
    actor: str
    recorded_at: str
    body: bytes


def lost_commands(evidence: bytes) -> list[LostCommand]:
    commands: dict[str, list[tuple[dict[str, Any], bytes, dict[str, Any]]]] = {}
    for event in json.loads(evidence)["events"]:
        body = base64.b64decode(event["body"])
        envelope = json.loads(body)
        commands.setdefault(envelope["command_id"], []).append((event, body, envelope))
    return [
        LostCommand(
            UUID(command_id),
            events[0][0]["stream"],
            tuple(event["type"] for event, *_ in events),
            (events[0][0]["position"], events[-1][0]["position"]),
            events[0][2]["actor"]["id"],
            events[0][0]["recorded_at"],
            events[0][1],
        )
        for command_id, events in commands.items()
    ]


async def unsent_commands(connection: Connection) -> list[tuple[LostCommand, datetime]]:
    """Return the lost commands that were not sent again, each with the time of the loss.

    One was sent again if its sender has since had the same type of event recorded: in its stream, or in any if the log has
    no such stream, since a person begins a new one.
    """
    unsent: list[tuple[LostCommand, datetime]] = []
    for evidence, settled_at in await connection.fetch(_BRANCHES):
        lost = lost_commands(evidence)
        known = {
            row["stream"] for row in await connection.fetch(_KNOWN, [command.stream for command in lost], settled_at)
        }
        sent = await connection.fetch(_SENT_SINCE, settled_at, [command.types[0] for command in lost]) if lost else []
        unsent += [(command, settled_at) for command in _unmatched(lost, known, sent)]
    return unsent


def _unmatched(lost: Iterable[LostCommand], known: set[str], sent: list[Any]) -> Iterable[LostCommand]:
    for command in lost:
        for n, (stream, type_, actor) in enumerate(sent):
            if (type_, actor) == (command.types[0], command.actor) and (
                stream == command.stream or command.stream not in known
            ):
                del sent[n]
                break
        else:
            yield command
