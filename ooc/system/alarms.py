"""Alarms as an operator hears of them: the meaning, the command that shows more, and the page of the runbook."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ooc.tables import complain
from services.system.registry import FOLLOWERS
from shared.domain.declared import read_beside
from tools.client.http import Client, NoAnswer

LOOK_SECONDS: Final = 10.0
"""Seconds between two looks for new alarms while `ooc up` runs: each look asks every API for its status."""


COMMANDS: Final[Mapping[str, str]] = read_beside(__file__)
"""The command that shows more of an alarm, by its name."""

HELD: Final = frozenset({"ooc quarantine list", "ooc gaps list"})
"""The commands that ask an API with a token; a follower takes none."""

DETAILS: Final = "ooc alarms list"
"""The command that shows what is known of any alarm."""


def alarm_line(service: str, alarm: Mapping[str, Any]) -> str:
    """Return an alarm in a sentence, with the command that shows more and the page that says what to do."""
    command = COMMANDS.get(alarm["name"], DETAILS)
    if service in FOLLOWERS and command in HELD:
        command = "ooc messages held"
    return (
        f"ALARM {alarm['name']} of {service} ({alarm['consumer']}, {alarm['place']}): {alarm['meaning']}"
        f" More: `{command}`. What to do: {alarm['runbook']}"
    )


def standing_alarms(client: Client) -> Iterator[str]:
    for service in client.addresses.watched:
        try:
            status = client.open(service, "/status").body or {}
        except NoAnswer:
            continue
        for alarm in status.get("alarms") or ():
            yield alarm_line(service, alarm)


async def tell_alarms(client: Client) -> None:
    """Print each alarm when it is raised and when it is cleared, until cancelled. Its own errors do not end it."""
    standing: frozenset[str] = frozenset()
    while True:
        # A terminal that is gone, its file on a full disk, an answer of another version: the system outlives it.
        with contextlib.suppress(Exception):
            now = frozenset(await asyncio.to_thread(lambda: list(standing_alarms(client))))
            before, standing = standing, now
            tell_news(before, now)
        await asyncio.sleep(LOOK_SECONDS)


def tell_news(before: frozenset[str], now: frozenset[str]) -> None:
    """Print each alarm that is new since the last look, and each that was cleared."""
    for line in sorted(now - before):
        complain(line)
    for line in sorted(before - now):
        complain(f"Cleared: {line.partition(': ')[0]}")
