"""The rebuild of reporting's tables on this machine: from the event stores of the running system.

It reads each event store by the role of verification, and writes reporting's tables as their owner.
"""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ooc.evidence.verification import owner_database_url, require_answers, stores
from ooc.tables import ERR
from services.registry import DECIDING
from services.reporting.database import DATABASE
from services.reporting.rebuild import Rebuild, Rebuilt, Step
from shared.database import database_dsn
from shared.runtime.privileges import RoleKind, role_name


async def rebuild_tables(processes: int, *, swap: bool) -> Rebuilt:
    """Rebuild, and show on standard error how far it is and how long it takes yet.

    Raises `CannotRebuild`, `NoSystem`, `NoPassword`, `OSError`, and what PostgreSQL answers.
    """
    settings = stores()
    await require_answers(settings)
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

        return await Rebuild(sources, database_dsn(owner_database_url(), DATABASE[0]), processes, show).run(swap=swap)
