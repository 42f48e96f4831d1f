"""`ooc restore`: rehearse the rebuilding of an event store and its topic from each other, and restore lost events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import asyncpg
import typer

from ooc.tables import OUT, AsJson, complain
from services.addresses import NoSystem
from services.registry import DECIDING
from shared.evidence.checkpoint import VerifierKey
from shared.settings import NoPassword

if TYPE_CHECKING:
    from ooc.restore.restore import Drill

T = TypeVar("T")

restore = typer.Typer(help="Rebuild an event store from its topic, and rehearse it.", no_args_is_help=True)


@restore.command()
def drill(*, as_json: AsJson = False) -> None:
    """Rebuild the tree of each event store, and of its topic, and compare both with every signed checkpoint. Changes nothing."""
    from ooc.restore.restore import drill_every_service  # noqa: PLC0415  it brings the services' declarations

    drills = _result_of(drill_every_service())
    if as_json:
        OUT.print_json(data=[{"service": name, **found.view()} for name, found in drills.items()])
    else:
        _show(drills)
    if any(found.problems for found in drills.values()):
        raise typer.Exit(1)


def _show(drills: Mapping[str, Drill]) -> None:
    for name, found in drills.items():
        OUT.print(
            f"{name}: {found.stored} events in the event store, root {found.roots[0].hex()[:16]}…;"
            f" {found.published} in the topic, root {found.roots[1].hex()[:16]}…;"
            f" {found.checkpoints} signed checkpoints: {'DIFFERENT' if found.problems else 'equal'}",
            markup=False,
            soft_wrap=True,
        )
        for line in found.problems:
            complain(f"{name}: {line}")


@restore.command("event-store")
def event_store(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose event store lacks events.")],
    keys: Annotated[
        Path | None, typer.Option("--keys", help="The public keys of the logs, if the database was lost with its own.")
    ] = None,
) -> None:
    """Record again what the topic of a service holds and its event store lacks; refused unless the signed roots agree."""
    from ooc.restore.restore import restore_service  # noqa: PLC0415  it brings the services' declarations

    names = [entry.name for entry in DECIDING]
    if name not in names:
        complain(f"{name} has no event store: choose one of {', '.join(names)}.")
        raise typer.Exit(2)
    known = [] if keys is None else [VerifierKey.parse(line) for line in keys.read_text(encoding="utf-8").split()]
    before, after = _result_of(restore_service(name, known))
    missing = f"positions {before + 1} to {after} are restored, with the signed root"
    OUT.print(f"{name}: {missing if after > before else 'nothing is missing'}.", markup=False)


def _result_of(work: Coroutine[Any, Any, T]) -> T:
    """Run some work; where it cannot be done, say why and end with exit code 1."""
    from ooc.restore.restore import CannotRestore  # noqa: PLC0415  as above

    try:
        return asyncio.run(work)
    except (CannotRestore, NoSystem, NoPassword, OSError, asyncpg.PostgresError) as error:
        complain(f"Nothing is restored: {error}")
        raise typer.Exit(1) from None
