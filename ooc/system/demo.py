"""What `make run` shows: the system started, one child's case played, and what the system says of it."""

import asyncio
import os
from typing import Final

from ooc.cases.reading import NotFound, fetch_projected_case, require_found, timeline_of
from ooc.evidence.verify_command import show_verification
from ooc.progress import Progress, report_failure
from ooc.scenarios import STORIES, run_scenario_files
from ooc.system.alarms import tell_alarms
from ooc.system.running import address_rows, console_url, running_system
from ooc.tables import OUT, complain, measure, standings, table, timeline
from services.system.addresses import find_addresses
from services.system.lags import SOURCES, Statuses
from tools.client.http import Client
from tools.client.idle import statuses, wait_until_idle
from tools.client.tokens import officer_id
from tools.local.local_system import Addresses, Interrupted
from tools.scenario.naming import Names
from tools.scenario.parser import read_scenario

STORY: Final = STORIES / "01-shoplifting-ycc.yaml"
RUN: Final = "demonstration"
"""The run of the story, always the same, so that its case is found again after a restart."""

QUARTER: Final = {"from": "2025-10-01", "to": "2025-12-31"}
"""The quarter in which the story's caution is completed."""


class Broken(Exception):
    """Verification found a break; its lines have been printed."""


async def demonstrate(*, once: bool) -> int:
    """Start, play, show, verify; then stay up, or with `once` stop. The exit code: 0 if everything went well."""
    code: int | None = None
    # The story's days are over; its messages are shown as they would have been sent, and go to nobody.
    os.environ.setdefault("OOC_MESSAGES_OF_THE_PAST", "true")
    try:
        async with running_system(Progress()) as addresses:
            client = Client(find_addresses((), {}, addresses.var))
            try:
                OUT.print(f"Open the console in a browser: {console_url(addresses)}", style="bold")
                code = await report_failure(_show_all(client, addresses))
            finally:
                client.end()
            if not once:
                OUT.print("\nThe system stays up. Ctrl-C stops it.", style="bold")
                await tell_alarms(client)
    except Interrupted:
        pass
    if code is None:
        complain("Stopped before the demonstration had ended.")
        return 130
    # Ctrl-C is how a system that stays up is meant to end.
    return code if once else 0


async def _show_all(client: Client, addresses: Addresses) -> None:
    await asyncio.to_thread(_play_and_show, client)
    OUT.print()
    if not await show_verification():
        raise Broken("The verification found a break: see above.")
    OUT.print()
    OUT.print(table("Addresses", "what", "to open", rows=address_rows(addresses)))


def _play_and_show(client: Client) -> None:
    wait_until_idle(client)
    answers = statuses(client)
    if all(int(answers[service]["position"]) == 0 for service in SOURCES):
        OUT.print(f"The system is empty: playing {STORY.name}", style="bold")
        run_scenario_files([STORY], client, run=RUN, quiet=True)
        wait_until_idle(client)
    else:
        OUT.print("The system holds cases already: nothing is played.")
    answers = statuses(client)
    OUT.print()
    _show_case(client, answers)
    for name in ("kpi6", "fte"):
        OUT.print()
        reply = client.get("reporting", f"/v1/measures/{name}", role="ANALYST", params=QUARTER)
        OUT.print(measure(name, require_found(reply, f"measure {name}", "ANALYST")))


def _show_case(client: Client, answers: Statuses) -> None:
    scenario = read_scenario(STORY)
    names = Names(
        scenario.id, RUN, {}, lambda who: officer_id(who.role, who.number), lambda _stream, _event: officer_id("", 0)
    )
    case = names.id("case")
    try:
        answer = fetch_projected_case(client, case, "SUPERVISOR", answers)
    except NotFound as error:
        OUT.print(f"The demonstration's case is not in this system ({error}).")
        return
    OUT.print(standings(f"Case file {case}", answer))
    OUT.print(timeline("What happened", list(timeline_of(client, case, "AUDITOR", answers))))
