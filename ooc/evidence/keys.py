"""`ooc keys`: epochs of key-encryption keys. Done to the system itself, with the owner's address and the file of keys.

A new epoch is opened in the keyring, then added to the file, then the keyring retires the old one under a lock, then every
data key is wrapped again. Each step may be interrupted: `ooc keys rotate` goes on where it stopped. Events are not touched.
A data key that opens is the one that was made for its owner, since its wrapping is bound to both: `ooc keys check` opens all.
"""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer

from ooc.options import AsJson, DryRun, fail
from ooc.tables import OUT, say, show, table
from services.console.plain_text import moment
from services.system.addresses import VAR, written
from services.system.registry import DECIDING
from shared.domain.sealing import DataKey, key_ids_in
from shared.privacy.keyring import DERIVE, InvalidKeyEncryptionKeys, KeyEncryptionKeys, UnusableKey
from shared.servers.database import WRITABLE, Connection, as_role, connected, database_dsn
from shared.servers.settings import NoPassword, Settings

PAGE: Final = 500
"""How many data keys are wrapped again in one transaction."""

SHOWN: Final = 20
"""How many data keys that do not open are named; the others are counted."""

app = typer.Typer(add_completion=False)
keys = typer.Typer(help="Epochs of key-encryption keys: list, rotate, destroy.", no_args_is_help=True)
app.add_typer(keys, name="keys")

_EPOCHS: Final = """
    select e.*, (select count(*) from data_key as k where k.epoch = e.epoch) as held,
        (select count(*) from tombstone as t where t.epoch = e.epoch) as forgotten
    from key_epoch as e order by e.began_at
"""
_RETIRE: Final = """
    update key_epoch set retired_at = clock_timestamp(), destroy_by = $2 where epoch <> $1 and retired_at is null
"""
_PAGE: Final = """
    select subject, generation, epoch, wrapped from data_key
    where epoch <> $1 and (subject, generation) > ($2, $3) order by subject, generation limit $4
"""
_REWRAP: Final = """
    update data_key set epoch = $1, wrapped = n.wrapped
    from unnest($2::text[], $3::int[], $4::text[], $5::bytea[]) as n (subject, generation, epoch, wrapped)
    where data_key.subject = n.subject and data_key.generation = n.generation and data_key.epoch = n.epoch
"""

_OPEN: Final = "insert into key_epoch (epoch) values ($1) on conflict do nothing"
_REMOVE: Final = """
    delete from data_key using unnest($1::text[], $2::int[]) as n (subject, generation)
    where data_key.subject = n.subject and data_key.generation = n.generation
        and data_key.created_at < clock_timestamp() - interval '1 hour'
    returning data_key.subject
"""
"""Younger ones may be keys of events that are being recorded."""
_DESTROYED: Final = "update key_epoch set destroyed_at = clock_timestamp() where epoch = $1"

OWNER: Final = "postgres"
"""The owner of the databases of a local system."""


@keys.command("list")
def list_epochs(*, as_json: AsJson = False) -> None:
    """List the epochs: since when, how many data keys each wraps, and the day by which it is destroyed."""

    async def listed(settings: Settings, connection: Connection) -> None:
        rows = [
            (
                row["epoch"],
                moment(row["began_at"]),
                "" if row["retired_at"] is None else moment(row["retired_at"]),
                row["held"],
                row["forgotten"],
                f"destroyed {moment(row['destroyed_at'])}" if row["destroyed_at"] else str(forgets_by(settings, row)),
            )
            for row in await connection.fetch(_EPOCHS)
        ]
        columns = ("epoch", "since", "retired", "data keys", "forgotten", "destroyed by")
        shown = table("Epochs of key-encryption keys", *columns, rows=rows) if rows else "No key was made yet."
        show([dict(zip(columns, row, strict=True)) for row in rows], shown, as_json=as_json)

    _run(listed)


@keys.command()
def rotate(*, dry_run: DryRun = False) -> None:
    """Begin an epoch: add a key to the file, and wrap every data key by it. Events and processes are left alone."""

    async def rotated(settings: Settings, connection: Connection) -> None:
        path = _file(settings)
        rows = await connection.fetch(_EPOCHS)
        unfinished = _is_unfinished(KeyEncryptionKeys.from_file(path), rows)
        if dry_run:
            what = "An interrupted rotation would be finished" if unfinished else f"{path} would get a new epoch"
            key_count = sum(row["held"] for row in rows)
            say(f"{what}, and {key_count} data keys would be wrapped by it. Nothing was done.")
            return
        if not unfinished:
            await begin_epoch(connection, path)
        kek = KeyEncryptionKeys.from_file(path)
        done = await rewrap(connection, kek, timedelta(days=settings.epoch_kept_days))
        say(f"Epoch {kek.epoch} has begun; {done.wrapped} data keys are wrapped by it.")
        lost = await settle_unusable(connection, _stores(settings), done.unusable) if done.unusable else []
        for row in await connection.fetch(_EPOCHS):
            if row["retired_at"] is not None and row["destroyed_at"] is None:
                say(
                    f"Epoch {row['epoch']} is to be destroyed by {row['destroy_by']}: `ooc keys destroy {row['epoch']}`,"
                    " and every copy of the file. What was forgotten until now is then in no backup either."
                )
        if lost:
            fail(f"{len(lost)} data keys of recorded events cannot be used, and stay in their epochs: {lost[0]}")

    _run(rotated)


@keys.command()
def check(*, as_json: AsJson = False) -> None:
    """Open every data key with the file of keys: one that was altered, swapped or made up is named; exit code 1 then."""

    async def checked(settings: Settings, connection: Connection) -> None:
        opened, unusable = await open_all(connection, KeyEncryptionKeys.from_file(_file(settings)))
        if as_json:
            OUT.print_json(data={"open": opened, "unusable": [str(key) for key in unusable]})
        else:
            _name(unusable)
            say(f"{opened} data keys open, {len(unusable)} do not.")
        if unusable:
            raise typer.Exit(1)

    _run(checked)


@keys.command()
def destroy(
    epoch: Annotated[str, typer.Argument(help="The retired epoch.")],
    *,
    early: Annotated[bool, typer.Option("--early", help="Before its day: older backups cannot be used then.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Destroy the key of a retired epoch in the file: no backup from before the rotation can be opened any more."""

    async def destroyed(settings: Settings, connection: Connection) -> None:
        path = _file(settings)
        row = next((row for row in await connection.fetch(_EPOCHS) if row["epoch"] == epoch), None)
        if row is None:
            fail(f"There is no epoch {epoch}: `ooc keys list` shows which there are.")
        if row["retired_at"] is None or row["held"]:
            fail(f"Epoch {epoch} is in use, and wraps {row['held']} data keys: `ooc keys rotate` first.")
        if datetime.now(UTC).date() < row["destroy_by"] and not early:
            fail(
                f"Epoch {epoch} is to be destroyed by {row['destroy_by']}; until then a restored backup of the keyring needs"
                " it. Add --early if no such backup is to be used any more."
            )
        if dry_run:
            say(f"Epoch {epoch} would be taken out of {path}. Nothing was done.")
            return
        remove_epoch(path, epoch)
        await connection.execute(_DESTROYED, epoch)
        say(
            f"Epoch {epoch} is destroyed in {path}. Destroy every copy of that file that has it; then what was forgotten"
            f" under it ({row['forgotten']} keys) is in no backup."
        )

    _run(destroyed)


async def begin_epoch(connection: Connection, path: Path) -> None:
    """Open a new epoch in the keyring, and append it to a file of keys."""
    kek = KeyEncryptionKeys.from_file(path)
    name = str(int(kek.epoch) + 1) if kek.epoch.isdigit() else datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    await connection.execute(_OPEN, name)
    add_epoch(path, name)


def add_epoch(path: Path, name: str) -> None:
    """Append an epoch to a file of keys, and the source of what is derived; in place, since containers hold the file open."""
    kek = KeyEncryptionKeys.from_file(path)
    added = [f"{name}:{_text(os.urandom(32))}"]
    if f"{DERIVE}:" not in path.read_text(encoding="ascii"):
        added.insert(0, f"{DERIVE}:{_text(kek.derivation)}")
    with path.open("a", encoding="ascii") as file:
        file.write("\n" + "\n".join(added) + "\n")
        file.flush()
        os.fsync(file.fileno())


def remove_epoch(path: Path, epoch: str) -> None:
    """Take an epoch out of a file of keys, in place."""
    kek = KeyEncryptionKeys.from_file(path)
    lines = [f"{DERIVE}:{_text(kek.derivation)}"]
    lines += [f"{name}:{_text(secret)}" for name, secret in kek.epochs.items() if name != epoch]
    with path.open("r+", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys a rotation has wrapped again, and those that it could not open."""

    wrapped: int
    unusable: Sequence[UnusableKey]


async def rewrap(connection: Connection, kek: KeyEncryptionKeys, retention: timedelta) -> Rewrapped:
    """Retire every other epoch, to be destroyed after `retention`, and wrap all data keys that open by the newest."""
    async with connection.transaction():
        # Inserts under way end first; later ones see the epoch retired.
        await connection.execute("lock table data_key in share row exclusive mode")
        await connection.execute(_OPEN, kek.epoch)
        await connection.execute(_RETIRE, kek.epoch, datetime.now(UTC).date() + retention)
    wrapped, unusable = 0, list[UnusableKey]()
    async for rows, opened in _pages(connection, kek, unusable, but=kek.epoch):
        epochs = {(row["subject"], row["generation"]): row["epoch"] for row in rows}
        columns = zip(
            *((key.subject, key.generation, epochs[key.subject, key.generation]) for key in opened), strict=True
        )
        if opened:
            await connection.execute(_REWRAP, kek.epoch, *map(list, columns), [kek.wrap(key) for key in opened])
        wrapped += len(opened)
    return Rewrapped(wrapped, unusable)


async def open_all(connection: Connection, kek: KeyEncryptionKeys) -> tuple[int, Sequence[UnusableKey]]:
    """Open every data key; return how many open, and the others."""
    unusable = list[UnusableKey]()
    return sum([len(opened) async for _, opened in _pages(connection, kek, unusable)]), unusable


async def _pages(
    connection: Connection, kek: KeyEncryptionKeys, unusable: list[UnusableKey], but: str = ""
) -> AsyncIterator[tuple[list[asyncpg.Record], list[DataKey]]]:
    """Yield the rows of every epoch but one, some at a time, with the keys that open; add the others to `unusable`."""
    after = ("", 0)
    while rows := await connection.fetch(_PAGE, but, *after, PAGE):
        after = (rows[-1]["subject"], rows[-1]["generation"])
        opened = list[DataKey]()
        for row in rows:
            try:
                opened.append(kek.unwrap(row["subject"], row["generation"], row["epoch"], row["wrapped"]))
            except UnusableKey as error:
                unusable.append(error)
        yield rows, opened


async def settle_unusable(
    connection: Connection, stores: Iterable[str], unusable: Sequence[UnusableKey]
) -> list[UnusableKey]:
    """Name the keys that do not open, remove those that no event of these stores names, and return the others."""
    named = set[tuple[str, int]]()
    for address in stores:
        async with connected(address, timeout=10) as store, store.transaction(readonly=True):
            async for row in store.cursor("select body from event", prefetch=PAGE):
                named |= key_ids_in(row["body"])
    _name(unusable)
    stray = [(key.subject, key.generation) for key in unusable if (key.subject, key.generation) not in named]
    if stray:
        removed = await connection.fetch(_REMOVE, *map(list, zip(*stray, strict=True)))
        say(f"No event names {len(stray)} of these; {len(removed)} that are older than an hour are removed.")
    return [key for key in unusable if (key.subject, key.generation) in named]


def _name(unusable: Sequence[UnusableKey]) -> None:
    for key in unusable[:SHOWN]:
        say(str(key))
    if len(unusable) > SHOWN:
        say(f"and {len(unusable) - SHOWN} more")


def forgets_by(settings: Settings, row: Any) -> date:
    """Return the day by which an epoch is destroyed; of the epoch in use: if it is rotated when its time is over."""
    if row["destroy_by"] is not None:
        day: date = row["destroy_by"]
        return day
    lasts = timedelta(days=settings.epoch_days + settings.epoch_kept_days)
    began: datetime = row["began_at"]
    return (began.astimezone(UTC) + lasts).date()


def _is_unfinished(kek: KeyEncryptionKeys, rows: list[asyncpg.Record]) -> bool:
    """Whether an earlier rotation added the newest epoch to the file and did not come to its end."""
    others = [row for row in rows if row["epoch"] != kek.epoch and row["epoch"] in kek.epochs]
    return any(row["retired_at"] is None or row["held"] for row in others)


def _stores(settings: Settings) -> list[str]:
    from shared.runtime.provision import service_database  # noqa: PLC0415  it brings a client of Kafka

    return [database_dsn(settings.owner_database_url, service_database(entry.name)[0]) for entry in DECIDING]


def _file(settings: Settings) -> Path:
    local = VAR / "keys" / "kek"
    path = settings.kek_file or (local if local.exists() else None)
    if path is None or settings.kek is not None:
        fail("Epochs need a file of keys that every process reads: put OOC_KEK into one, and name it in OOC_KEK_FILE.")
    return path


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def _run(work: Callable[[Settings, Connection], Awaitable[None]]) -> None:
    """Do some work on the keyring as its owner: that of the local system, else that of the environment."""
    from shared.runtime.provision import KEYRING_DATABASE  # noqa: PLC0415  it brings a client of Kafka

    noted = written(VAR)
    settings = Settings() if noted is None else Settings(database_url=as_role(noted["postgres"], OWNER))

    async def done() -> None:
        address = database_dsn(settings.owner_database_url, KEYRING_DATABASE[0])
        async with connected(address, timeout=10, target_session_attrs=WRITABLE) as connection:
            await work(settings, connection)

    try:
        asyncio.run(done())
    except (OSError, asyncpg.PostgresError) as error:
        fail(
            f"The keyring cannot be changed ({error}): start the system, or set OOC_ADMIN_DATABASE_URL to the owner's address."
        )
    except (InvalidKeyEncryptionKeys, UnusableKey, NoPassword) as error:
        fail(str(error))
