"""`ooc rebuild`: reporting's tables computed anew from the event stores, while the system runs.

Done to the system itself: it reads each event store by the role of verification, and writes reporting's tables as their owner.
"""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Final

import asyncpg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.console.addresses import VAR, NoSystem, written
from services.console.keys import OWNER
from services.console.tables import ERR, OUT, AsJson, complain
from services.console.verification import require_answers, stores
from services.registry import DECIDING
from services.reporting.database import DATABASE
from services.reporting.rebuild import CannotRebuild, Rebuild, Rebuilt, Step
from shared.database import as_role, database_dsn
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.settings import NoPassword, Settings

CANCELLED: Final = 130


def rebuild(
    *,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="How many processes fold and copy; by default one for each core.")
    ] = os.cpu_count() or 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare with the live tables, and do not swap.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compute reporting's tables anew from the event stores, beside the live ones, and swap them. Ctrl-C changes nothing."""
    try:
        rebuilt = asyncio.run(_rebuilt(processes, swap=not dry_run))
    except KeyboardInterrupt:
        complain("Cancelled: the tables are as they were.")
        raise typer.Exit(CANCELLED) from None
    except (CannotRebuild, NoSystem, NoPassword, OSError, asyncpg.PostgresError) as error:
        complain(f"The tables are as they were: {error}")
        raise typer.Exit(1) from None
    if as_json:
        OUT.print_json(
            data={
                "swapped": rebuilt.swapped,
                "positions": dict(rebuilt.positions),
                "differences": rebuilt.differences.view(),
            }
        )
    else:
        _show(rebuilt)
    if dry_run and rebuilt.differences.any:
        raise typer.Exit(1)


async def _rebuilt(processes: int, *, swap: bool) -> Rebuilt:
    """Rebuild, and show on standard error how far it is and how long it takes yet."""
    settings = stores()
    await require_answers(settings)
    noted = written(VAR)
    owner = as_role(noted["postgres"], OWNER) if noted is not None else Settings().owner_database_url
    role = role_name(RoleKind.VERIFY)
    sources = {entry.name: settings.database(entry.name, role) for entry in DECIDING}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR) as progress:
        bar = progress.add_task("beginning", total=None)

        def show(step: Step) -> None:
            progress.update(bar, description=step.doing, completed=step.done, total=step.of or None)

        return await Rebuild(sources, database_dsn(owner, DATABASE[0]), processes, show).run(swap=swap)


def _show(rebuilt: Rebuilt) -> None:
    found = rebuilt.differences
    positions = ", ".join(f"{service} {position:,}" for service, position in sorted(rebuilt.positions.items()))
    OUT.print(f"Rebuilt up to {positions}.", markup=False, soft_wrap=True)
    if not found.any:
        OUT.print("The live tables held the same rows.")
    for count, what in (
        (found.facts_missing, "events were missing from them"),
        (found.facts_surplus, "events of theirs are in no event store"),
        (found.facts_other, "events differed"),
        (found.streams, "records differed from what their events make"),
        (found.duties, "records had other duties than their events make"),
    ):
        if count:
            complain(f"{count:,} {what}.")
    for stream in found.examples:
        complain(f"  {stream}")
    OUT.print("The tables are swapped." if rebuilt.swapped else "Nothing is swapped.")
