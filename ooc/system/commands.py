"""`ooc up`, `demo`, `status`, `migrate` and `topics`: what is done to the system itself."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import urlencode

import typer

from ooc.options import AsJson, Urls, client_of, fail
from ooc.progress import Progress
from ooc.system.alarms import tell_alarms
from ooc.tables import OUT, complain, say, table
from services.system.addresses import VAR, find_addresses
from tools.client.http import Client

MOST_WORKERS: Final = 4
"""How many workers a service may have on one machine: the connections of a local PostgreSQL are enough for so many."""

app = typer.Typer(add_completion=False)


@app.command()
def up(
    *,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_WORKERS, metavar="N", help="How many workers of each service share its partitions."
        ),
    ] = 1,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C."""
    _keep_up(workers)


@app.command()
def sandbox() -> None:
    """Start everything for programs that are tried: test credentials of each role, and problems on demand.

    A request with the header `Prefer: example=409` (a status, or a type of docs/reference/problems.md) gets that problem, and
    does nothing else.
    """
    from services.trade.vocabulary import Role  # noqa: PLC0415  it brings the services' words
    from tools.client.tokens import credentials  # noqa: PLC0415  only here

    os.environ["OOC_SANDBOX"] = "true"
    roles = [role for role in Role if role is not Role.SYSTEM]
    _keep_up(1, [f"{role}: {urlencode(credentials(role))}" for role in roles])


def _keep_up(workers: int, more: Sequence[str] = ()) -> None:
    """Run the system until Ctrl-C; `more` are lines below its table, to be copied."""
    from ooc.system.alerting import who_is_told  # noqa: PLC0415
    from ooc.system.running import address_rows, running_system  # noqa: PLC0415  only if it is started
    from tools.local.local_system import Interrupted  # noqa: PLC0415

    async def run() -> None:
        say(f"The data are in {VAR.absolute()} (OOC_VAR names another place).")
        async with running_system(Progress(), workers=workers) as addresses:
            OUT.print(table("The system is up. Ctrl-C stops it.", "what", "to open", rows=address_rows(addresses)))
            for line in (who_is_told(os.environ), *more):
                say(line)
            await tell_alarms(Client(find_addresses((), {}, VAR), patience=0.0))

    try:
        asyncio.run(run())
    except Interrupted:
        complain("Stopped before the system was up.")
        raise typer.Exit(130) from None
    OUT.print("Everything has stopped.")


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after showing, with exit code 0 if all went well.")
    ] = False,
) -> None:
    """Start everything, play a child's case if the system is empty, show the results, stay up."""
    from ooc.system.demo import demonstrate  # noqa: PLC0415  it brings the services' declarations

    raise typer.Exit(asyncio.run(demonstrate(once=once)))


@app.command()
def status(url: Urls = None, *, as_json: AsJson = False) -> None:
    """Show processes, lag, alarms and quarantine; exit code 0 if all is ready, caught up and without alarm."""
    from ooc.system.status import system_status  # noqa: PLC0415  it brings what starts a system

    system = system_status(client_of(url, patience=0.0), VAR, local=not url and (VAR / "system.json").exists())
    if as_json:
        processes = [
            dict(zip(("process", "pid", "state", "where", "address"), row, strict=True)) for row in system.rows
        ]
        OUT.print_json(data={"processes": processes, "reasons": system.reasons})
        raise typer.Exit(1 if system.reasons else 0)
    if system.rows:
        OUT.print(table("The system", "process", "pid", "state", "how far", "address", rows=system.rows))
    for reason in system.reasons:
        complain(reason)
    raise typer.Exit(1 if system.reasons else 0)


@app.command()
def migrate(
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Change nothing: say which schemas this release reads, and what each database has (3: not known).",
        ),
    ] = False,
) -> None:
    """Create the databases and their roles, and bring schemas and privileges up to date (OOC_ADMIN_DATABASE_URL)."""
    from ooc.evidence.verification import owner_database_url  # noqa: PLC0415  only here
    from services.system.registry import DECIDING, databases_without_events  # noqa: PLC0415  the same
    from shared.runtime.provision import ProvisionFailed, provision_databases, schema_states  # noqa: PLC0415  the same
    from shared.servers.settings import NoPassword, Settings  # noqa: PLC0415  the same

    what = [entry.name for entry in DECIDING], databases_without_events()
    try:
        if check:
            states = asyncio.run(schema_states(owner_database_url(), *what))
            for state in states:
                missing, newer = len(state.missing), len(state.newer)
                has = f"{missing} of its migrations are missing" if missing else "the database has it"
                has = state.too_old if state.is_too_old else has
                more = f", and {newer} of a newer release" if newer else ""
                say(f"{state.database}: this release reads {state.reads} and newer; {has}{more}.")
            if any(state.missing for state in states):
                raise typer.Exit(1)
            return
        asyncio.run(provision_databases(Settings(), *what))
    except (ProvisionFailed, NoPassword, OSError) as error:
        fail(str(error), 3 if check else 1)


@app.command()
def topics() -> None:
    """Create the topics that are missing, and give each service and partner its rights on them (OOC_KAFKA)."""
    from services.system.kafka_access import provision_kafka  # noqa: PLC0415  only here
    from shared.runtime.provision import ProvisionFailed  # noqa: PLC0415  the same
    from shared.servers.settings import NoPassword, Settings  # noqa: PLC0415  the same

    try:
        asyncio.run(provision_kafka(Settings()))
    except (ProvisionFailed, NoPassword) as error:
        fail(str(error))
