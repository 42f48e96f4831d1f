"""`ooc restore` and `ooc rebuild`: lost events from their topic, and reporting's tables anew from the event stores."""

import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from ooc.backup.commands import signing_keys, stores_or_settings
from ooc.backup.manifest import origin_of_backups
from ooc.backup.sealed import BadBackup
from ooc.databases import result_of
from ooc.evidence.verification import owner_database_url, require_answers, stores
from ooc.options import AsJson, fail
from ooc.restore.from_backup import rehearse_here, restore_database_here, restore_here, show_forgotten, show_restored
from ooc.restore.loss import loss_of_service, lost_backups, state_loss_of_service
from ooc.restore.restore import CannotRestore, Statement, fork_of_service, restore_service
from ooc.restore.system import Restored
from ooc.tables import ERR, OUT, complain, progress_bar, say
from services.console.plain_text import moment
from services.reporting.database import DATABASE
from services.reporting.rebuild import CannotRebuild, Rebuild, RebuildStep, Rebuilt
from services.system.addresses import VAR
from services.system.registry import DECIDING, SERVICES, databases_without_events, deciding_services
from shared.domain.envelope import UnknownEvent
from shared.event_store.lost_commands import lost_commands
from shared.evidence.fork import Fork
from shared.evidence.log import ACCESS, LOGS
from shared.evidence.witness_client import WitnessSilent
from shared.evidence.witnessed import witness_key_of
from shared.messaging.linking import link_again
from shared.privacy.signed_note import BadNote, InvalidSigningKey, VerifierKey, write_note
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import every_database, service_database
from shared.servers.database import Pool, create_pool, database_dsn
from shared.servers.settings import Settings
from tools.local.errors import CannotStart

T = TypeVar("T")

CANCELLED: Final = 130
BACKUPS: Final = "backups"
MOMENTS: Final = [f"%Y-%m-%dT%H:%M:%S{end}" for end in ("", "Z", ".%f", ".%fZ")]

Backups = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of all backups.")]
IdentityFile = Annotated[Path, typer.Option("--identity", "-i", help="The file of the private key of backups.")]
Unwitnessed = Annotated[bool, typer.Option("--unwitnessed", help="Take a backup that the witness has not cosigned.")]

app = typer.Typer(add_completion=False)
restore = typer.Typer(
    help="Restore the system from a backup, or an event store from its topic, and rehearse it.", no_args_is_help=True
)
app.add_typer(restore, name="restore")


@restore.command()
def drill(folder: Backups, identity: IdentityFile, *, as_json: AsJson = False) -> None:
    """Restore the last backup beside the running system, compare it with topics and signed checkpoints, and remove it."""
    _show(_result_of(rehearse_here(folder, identity)), as_json=as_json)


def _show(restored: Restored, *, as_json: bool) -> None:
    """Say what was restored; exit code 1 if anything that was signed is lost."""
    if as_json:
        OUT.print_json(data=restored.view(), default=str)
    else:
        show_restored(restored)
    if not restored.whole:
        raise typer.Exit(1)


@restore.command("event-store")
def event_store(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose event store lacks events.")],
    keys: Annotated[
        Path | None, typer.Option("--keys", help="The public keys of the logs, if the database was lost with its own.")
    ] = None,
    fork: Annotated[
        Path | None,
        typer.Option("--fork", help="The statement of a fork, signed by operator and witness: its lost branch goes."),
    ] = None,
) -> None:
    """Record again what the topic of a service holds and its event store lacks; refused unless the signed roots agree."""
    _require_store(name)
    statement = None
    if fork is not None:
        statement = Statement(fork.read_text(encoding="utf-8"), witness_key_of(Settings()))
    before, after = _result_of(restore_service(name, _read_keys(keys), statement))
    missing = f"positions {before + 1} to {after} are restored, with the signed root"
    say(f"{name}: {missing if after > before else 'nothing is missing'}.")


@restore.command("fork")
def fork_command(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose event store went another way.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where its statement is written.")] = Path("fork.note"),
    keys: Annotated[Path | None, typer.Option("--keys", help="The public keys of the logs.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Name where an event store, its topic and their checkpoints part, and write the statement that gives one branch up."""
    _require_store(name)
    fork = _result_of(fork_of_service(name, _read_keys(keys)))
    if fork is None:
        say("null" if as_json else f"{name}: event store, topic and checkpoints agree.")
        return
    signed = _write_statement(fork, output)
    if as_json:
        whole = map(asdict, lost_commands(fork.evidence))
        lost = [{name: value for name, value in command.items() if name != "body"} for command in whole]
        OUT.print_json(data=fork.view() | {"lost": lost}, default=str)
        raise typer.Exit(1)
    _show_fork(name, fork)
    say(signed)
    raise typer.Exit(1)


@restore.command("loss")
def loss_command(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose log lacks entries; or `backups`.")],
    log: Annotated[str, typer.Option("--log", help="Which log: access or events.")] = ACCESS.name,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the statement is written.")] = Path("loss.note"),
    cosigned: Annotated[
        Path | None, typer.Option("--cosigned", help="The statement, cosigned by the witness: it is kept with the log.")
    ] = None,
) -> None:
    """Name the signed entries of a log that no copy holds, and write the statement that gives them up. Changes nothing.

    With --cosigned the statement is kept in the database, where verification finds it.
    """
    if name not in {*(entry.name for entry in SERVICES), BACKUPS} or log not in LOGS:
        fail(
            f"Choose a service ({', '.join(entry.name for entry in SERVICES)}, {BACKUPS}) and a log (access, events).",
            2,
        )
    settings = stores_or_settings()
    if cosigned is not None:
        if name == BACKUPS:
            fail("Keep the statement beside the backups: the witness goes on from it.", 2)
        witness = witness_key_of(settings)
        evidence = cosigned.with_suffix(".json").read_bytes()
        _result_of(state_loss_of_service(name, log, cosigned.read_text(encoding="utf-8"), evidence, witness))
        say(f"{name}: the statement is kept. Start the service.")
        return
    loss = _result_of(_named_loss(name, log, settings))
    if loss is None:
        say(f"{name}: nothing that was signed is missing.")
        return
    complain(
        f"{loss.origin}: proven up to entry {loss.common[0]}; {len(loss.void)} checkpoints, up to {loss.void[-1][0]} entries,"
        " are of entries that are lost."
    )
    say(_write_statement(loss, output))
    raise typer.Exit(1)


async def _named_loss(name: str, log: str, settings: Settings) -> Fork | None:
    if name != BACKUPS:
        return await loss_of_service(name, log, settings)
    signers = signing_keys(settings).signers(origin_of_backups(settings.log_origin))
    return await lost_backups(settings, [signer.key for signer in signers])


def _write_statement(fork: Fork, output: Path) -> str:
    """Write a statement, signed if the key is there, and its evidence; returns what to print about it."""
    try:
        signers = signing_keys(stores_or_settings()).signers(fork.origin)
        unsigned = ""
    except InvalidSigningKey:
        signers, unsigned = [], ", and not signed: set OOC_SIGNING_KEY_FILE and run this again"
    output.write_text(write_note(fork.text, [signer.sign(fork.text) for signer in signers]), encoding="utf-8")
    output.with_suffix(".json").write_bytes(fork.evidence)
    return f"The statement is in {output}{unsigned}; what is lost is in {output.with_suffix('.json')}. Nothing has changed."


def _show_fork(name: str, fork: Fork) -> None:
    common, kept = fork.common[0], fork.kept[0]
    complain(f"{name}: the branches agree up to position {common}; the topic's goes on to {kept}, and is kept.")
    for size, root in fork.void:
        complain(f"  the checkpoint of {size} entries, root {root.hex()[:16]}…, is of the other branch")
    for lost in lost_commands(fork.evidence):
        first, last = lost.positions
        complain(
            f"  lost at {first if first == last else f'{first} to {last}'}: {', '.join(lost.types)} in {lost.stream}, by the"
            f" officer {lost.actor} at {lost.recorded_at}, receipt {lost.command_id}: it must be sent again, with another key"
        )


@restore.command("system")
def system(
    folder: Backups,
    identity: IdentityFile,
    to: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            help="A moment in UTC, such as 2026-11-29T04:00:00.5; default: the last transaction.",
            formats=MOMENTS,
        ),
    ] = None,
    into: Annotated[Path, typer.Option("--into", help="The data folder of PostgreSQL, which must not stand yet.")] = VAR
    / "postgres"
    / "data",
    secrets: Annotated[
        Path | None, typer.Option("--secrets", help="Where signing keys and passwords of the backup are written.")
    ] = None,
    *,
    topics_lost: Annotated[
        bool, typer.Option("--topics-lost", help="Kafka is lost too: every consumer begins anew.")
    ] = False,
    unwitnessed: Unwitnessed = False,
    as_json: AsJson = False,
) -> None:
    """Restore everything from a backup: roots compared, the topics' tail recorded, nobody forgotten come back, loss and time printed."""
    moment_ = None if to is None else to.replace(tzinfo=UTC)
    restored = restore_here(folder, identity, moment_, into, secrets, topics_lost=topics_lost, unwitnessed=unwitnessed)
    _show(_result_of(restored), as_json=as_json)


@restore.command("database")
def database(
    name: Annotated[str, typer.Argument(metavar="DATABASE", help="The database that is gone, such as ooc_keyring.")],
    folder: Backups,
    identity: IdentityFile,
    to: Annotated[
        datetime | None,
        typer.Option("--to", help="A moment in UTC; default: when the last database was dropped.", formats=MOMENTS),
    ] = None,
    *,
    unwitnessed: Unwitnessed = False,
) -> None:
    """Restore one database that is gone, while the others stand, as it was at a moment; nobody forgotten comes back."""
    names = sorted(known for known, _ in every_database((entry.name for entry in DECIDING), databases_without_events()))
    if name not in names:
        fail(f"{name} is no database of the system: choose one of {', '.join(names)}.", 2)
    moment_ = None if to is None else to.replace(tzinfo=UTC)
    last, forgotten = _result_of(restore_database_here(name, folder, identity, moment_, unwitnessed=unwitnessed))
    say(f"{name}: its last transaction is of {'none' if last is None else moment(last)}.")
    show_forgotten(forgotten)
    if forgotten.undecided:
        raise typer.Exit(1)


def _require_store(name: str) -> None:
    names = [entry.name for entry in DECIDING]
    if name not in names:
        fail(f"{name} has no event store: choose one of {', '.join(names)}.", 2)


def _read_keys(keys: Path | None) -> list[VerifierKey]:
    return [] if keys is None else [VerifierKey.parse(line) for line in keys.read_text(encoding="utf-8").split()]


def _result_of(work: Coroutine[Any, Any, T]) -> T:
    """Run some work; if it cannot be done, say why and end with exit code 1."""
    unable = (CannotRestore, BadBackup, BadNote, WitnessSilent, CannotStart, InvalidSigningKey)
    return result_of(work, "Nothing is restored", *unable)


@app.command()
def rebuild(
    *,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="How many processes fold and copy; by default one for each core.")
    ] = os.cpu_count() or 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare with the live tables, and do not swap.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give each service what it lacks of others' marks and events; then compute reporting's tables anew, beside the live ones, and swap them. Ctrl-C leaves them."""
    try:
        work = _rebuild_tables(processes, swap=not dry_run)
        rebuilt = result_of(work, "The tables are as they were", CannotRebuild, UnknownEvent)
    except KeyboardInterrupt:
        fail("Cancelled: the tables are as they were.", CANCELLED)
    if as_json:
        OUT.print_json(
            data={
                "swapped": rebuilt.swapped,
                "positions": dict(rebuilt.positions),
                "differences": rebuilt.differences.view(),
            }
        )
    else:
        _show_rebuilt(rebuilt)
    if dry_run and rebuilt.differences.any:
        raise typer.Exit(1)


async def _rebuild_tables(processes: int, *, swap: bool) -> Rebuilt:
    """Read each event store by the role of verification, and write reporting's tables as their owner; show how far it is.

    Raises `CannotRebuild`, `UnknownEvent`, `NoSystem`, `NoPassword`, `OSError`, and what PostgreSQL answers.
    """
    settings = stores()
    await require_answers(settings)
    sources = {entry.name: settings.database(entry.name, role_name(RoleKind.VERIFY)) for entry in DECIDING}
    with progress_bar(ERR) as progress:
        bar = progress.add_task("beginning", total=None)
        doing = ""

        def show(step: RebuildStep) -> None:
            nonlocal doing
            progress.update(bar, description=step.doing, completed=step.done, total=step.of or None)
            if progress.disable and step.doing != doing:
                doing = step.doing
                ERR.print(doing, markup=False)

        if swap:
            show(RebuildStep("storing marks and copies that services lack"))
            await _link_services_again(settings)
        return await Rebuild(sources, database_dsn(owner_database_url(), DATABASE[0]), processes, show).run(swap=swap)


async def _link_services_again(settings: Settings) -> None:
    """Store in each service, as the owner, what it keeps of others' records and lacks."""
    async with AsyncExitStack() as closing:

        async def opened(dsn: str) -> Pool:
            return await closing.enter_async_context(await create_pool(dsn, max_size=1, statement_seconds=600))

        services = deciding_services()
        stores = {
            service.name: await opened(settings.database(service.name, role_name(RoleKind.VERIFY)))
            for service in services
        }
        for service in services:
            owned = await opened(database_dsn(owner_database_url(), service_database(service.name)[0]))
            await link_again(owned, service, stores)


def _show_rebuilt(rebuilt: Rebuilt) -> None:
    differences = rebuilt.differences
    positions = ", ".join(f"{service} {position:,}" for service, position in sorted(rebuilt.positions.items()))
    say(f"Rebuilt up to {positions}.")
    if not differences.any:
        OUT.print("The live tables held the same rows.")
    for count, what in (
        (differences.facts_missing, "events were missing from them"),
        (differences.facts_surplus, "events of theirs are in no event store"),
        (differences.facts_other, "events differed"),
        (differences.streams, "records differed from what their events make"),
        (differences.duties, "records had other duties than their events make"),
    ):
        if count:
            complain(f"{count:,} {what}.")
    for stream in differences.examples:
        complain(f"  {stream}")
    OUT.print("The tables are swapped." if rebuilt.swapped else "Nothing is swapped.")
