"""`ooc rebuild`: reporting's tables computed anew from the event stores, while the system runs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Final

import asyncpg
import typer

from ooc.tables import OUT, AsJson, complain
from services.addresses import NoSystem
from shared.settings import NoPassword

if TYPE_CHECKING:
    from services.reporting.rebuild import Rebuilt

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
    from ooc.restore.rebuild import rebuild_tables  # noqa: PLC0415  it brings the services' declarations
    from services.reporting.rebuild import CannotRebuild  # noqa: PLC0415  as above

    try:
        rebuilt = asyncio.run(rebuild_tables(processes, swap=not dry_run))
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
