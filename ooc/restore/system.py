"""The whole system from a backup: recovered apart, completed from the topics, with nobody forgotten come back, then put in place.

No process reaches the databases before all of it is done: the folder of PostgreSQL stands under its name only then.
"""

import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ooc.backup.base_backup import program_of
from ooc.backup.expiry import name_of, require_log, segment_of
from ooc.backup.manifest import Manifest, backups_in, origin_of_backups, removed_backups, require_whole, root_of
from ooc.backup.sealed import BadBackup
from ooc.databases import fetch
from ooc.restore.forgotten import Forgotten, forget_again
from ooc.restore.later import take_later
from ooc.restore.loss import roots_of
from ooc.restore.recovery import before_last_drop, recovered, unpack, unpack_log
from ooc.restore.restore import CannotRestore, restore_events
from services.console.database import DATABASE
from services.notifications import database as notifications
from services.system.lags import REPORTING
from services.system.registry import DECIDING, SERVICES, databases_without_events, deciding_services
from shared.domain.sealing import key_ids_in
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.home_evidence import public_keys
from shared.evidence.log import ACCESS, EVENTS, Log, origin_of
from shared.evidence.verification.checkpoints import read_signed
from shared.evidence.witness_client import WitnessRefuses
from shared.evidence.witnessed import seen_checkpoint
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.runtime.provision import KEYRING_DATABASE, ProvisionFailed, every_database
from shared.runtime.provision import databases as provision_all
from shared.servers.database import Connection, as_role, connected, database_dsn, without_password
from shared.servers.kafka import Kafka
from tools.local.child_process import run

KEYRING: Final = "keyring"
CONSOLE: Final = DATABASE[0]
NOTIFICATIONS: Final = notifications.DATABASE[0]
_LAST_TRANSACTION: Final = "select pg_last_xact_replay_timestamp()"
_OWNER: Final = """
    select rolname from pg_database join pg_roles as r on r.oid = datdba where datname = any($1::text[]) order by datname <> $2 limit 1
"""
"""Of the keyring, or, where that was dropped, of another database."""
_STANDS: Final = "select from pg_database where datname = $1"
_LATEST: Final = "select body from event order by position desc limit $1"
_WITHOUT_KEY: Final = """
    select count(*) from unnest($1::text[]) as s where s not in (select subject from data_key union select subject from tombstone)
"""
_TOPICS_LOST: Final = (
    "truncate fact, stream, duty, high_water_mark, position_record",
    "delete from checkpoint where consumer = 'reporting'",
    "delete from seen where consumer = 'reporting'",
    "delete from quarantine where consumer = 'reporting'",
)
_MESSAGES_ANEW: Final = (
    "truncate position_record",
    "delete from checkpoint",
    "delete from seen",
    "delete from quarantine",
)
"""What the consumers of notifications forget with the topics; what they planned, sent and kept of events stays."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be restored: from which folder of backups, opened by which identity, to which moment; None: the last one.

    `kafka` is None if the topics are lost too. `seen` are the checkpoints that the witness has seen, as signed notes by log.
    """

    folder: Path
    identity: Any
    to: datetime | None
    kafka: Kafka | None
    authority: str
    keys: SigningKeys
    witness: VerifierKey | None
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestoredLog:
    """A log after the restore: its entries, those that came from the topic, and those that the backup and every copy lack."""

    origin: str
    entries: int
    from_topic: int
    lost: int
    root: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: from which backup, up to which transaction, each log, who was forgotten again, and how long it took."""

    backup: str
    last_transaction: datetime | None
    logs: tuple[RestoredLog, ...]
    forgotten: Forgotten
    keys_lost: int
    """Keys of events from the topics that the backup's keyring lacks: what they seal is lost."""
    problems: tuple[str, ...]
    """Which backups are missing, and why what the topic of a service holds beyond its event store was not recorded."""
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether nothing signed is lost, and nobody forgotten in part."""
        return not (self.problems or self.keys_lost or self.forgotten.undecided or any(log.lost for log in self.logs))

    def view(self) -> dict[str, Any]:
        return asdict(self)


def choose(folder: Path, to: datetime | None) -> tuple[str, Manifest]:
    """Choose the last backup that was complete at a moment, by what it says itself: no signature has the name of a folder.

    Raises `BadBackup`.
    """
    fitting = [(name, backup) for name, backup in backups_in(folder).items() if to is None or backup.ended <= to]
    if not fitting:
        raise BadBackup(f"{folder} has no backup that was complete {'at all' if to is None else f'at {to}'}")
    return max(fitting, key=lambda pair: pair[1].ended)


async def restore_system(order: Order, data: Path) -> Restored:
    """Restore everything into a folder of PostgreSQL that does not stand yet. Raises `BadBackup` and `CannotRestore`."""
    began = time.monotonic()
    if data.exists():
        raise BadBackup(f"{data} stands: move it away, and keep it until the restored system has been verified")
    name, manifest, keys = _checked(order)
    making, wal, later = (data.with_name(f"{data.name}.{part}") for part in ("restoring", "wal", "later"))
    for left in (making, wal, later):
        shutil.rmtree(left, ignore_errors=True)
    try:
        unpack(order.folder / name, manifest, making, order.identity)
        end = _unpack_log(order, wal, manifest, keys)
        async with recovered(making, wal, end, order.to) as server, _connected(server) as databases:
            last = await databases[KEYRING].fetchval(_LAST_TRANSACTION)
            if order.to is not None:
                unpack(order.folder / name, manifest, later, order.identity)
                async with recovered(later, wal, end) as newest, _connected(newest) as of_the_end:
                    await take_later(databases, of_the_end, KEYRING, [entry.name for entry in DECIDING])
                    await _remove_webhooks_again(server, newest)
                # One that was ended after the moment would open again.
                await fetch(database_dsn(server, CONSOLE), "truncate session, link")
            if order.kafka is None:
                for statement in _MESSAGES_ANEW:
                    await fetch(database_dsn(server, NOTIFICATIONS), statement)
            came, problems = await _complete(order, databases)
            problems = (*removed_backups(order.folder, order.seen, keys), *problems)
            stores = {entry.name: databases[entry.name] for entry in DECIDING}
            forgotten = await forget_again(stores, databases[KEYRING])
            keys_lost = await _count_lost_keys(databases, came)
            logs = await _compare(order, manifest, databases, came)
        making.rename(data)
    finally:
        for left in (making, wal, later):
            shutil.rmtree(left, ignore_errors=True)
    return Restored(name, last, logs, forgotten, keys_lost, problems, time.monotonic() - began)


async def restore_database(order: Order, name: str, owner: str, scratch: Path) -> tuple[datetime | None, Forgotten]:
    """Make one database of a cluster that stands anew, as it was at a moment, and forget again who was forgotten since.

    Without a moment it is as it was when the last database was dropped. The backup is recovered in `scratch`, and the
    database moved from there. Returns its last transaction. Raises `BadBackup`, also if the database stands, or was gone
    at that moment; and `CannotStart` with what PostgreSQL's own programs say.
    """
    if await fetch(owner, _STANDS, name):
        raise BadBackup(f"{name} stands: rename it, and drop it when the restored one has been verified")
    backup, manifest, keys = _checked(order)
    making, wal, dump = (scratch / part for part in ("data", "wal", "dump"))
    unpack(order.folder / backup, manifest, making, order.identity)
    end = _unpack_log(order, wal, manifest, keys)
    async with recovered(making, wal, end, order.to or before_last_drop(wal)) as server:
        if not await fetch(server, _STANDS, name):
            raise BadBackup(f"{name} was gone by then: name a moment at which it was there (--to)")
        ((last,),) = await fetch(server, _LAST_TRANSACTION)
        argv = [program_of("pg_dump"), "-Fc", "-f", str(dump), "-d", database_dsn(server, name)]
        await run(argv, otherwise=f"{name} cannot be read from the backup:")
    place, password = without_password(owner)
    argv = [program_of("pg_restore"), "--create", "--exit-on-error", "-d", place, str(dump)]
    await run(argv, otherwise=f"{name} is made in part: drop it, and begin anew.", env=password)
    async with _open(owner) as databases:
        return last, await forget_again({entry.name: databases[entry.name] for entry in DECIDING}, databases[KEYRING])


def _checked(order: Order) -> tuple[str, Manifest, list[VerifierKey]]:
    """Check the backup of an order, and the log after it; returns its name and manifest, and whose signatures count."""
    name, _ = choose(order.folder, order.to)
    keys = [signer.key for signer in order.keys.signers(origin_of_backups(order.authority))]
    manifest = require_whole(order.folder, name, keys, order.witness)
    require_log(order.folder, manifest)
    return name, manifest, keys


def _unpack_log(order: Order, wal: Path, manifest: Manifest, keys: Sequence[VerifierKey]) -> str:
    return unpack_log(order.folder, wal, order.identity, keys, name_of(segment_of(manifest.start)))


@asynccontextmanager
async def _connected(server: str) -> AsyncIterator[Mapping[str, Connection]]:
    """Bring every database to this release, whichever made the backup, and connect as the superuser. Raises `BadBackup`."""
    owner = await _owner(server)
    try:
        wanted = every_database((entry.name for entry in DECIDING), databases_without_events())
        await provision_all(as_role(server, owner), wanted)
    except ProvisionFailed as error:
        raise BadBackup(str(error)) from error
    async with _open(server) as databases:
        yield databases


@asynccontextmanager
async def _open(server: str) -> AsyncIterator[Mapping[str, Connection]]:
    async with AsyncExitStack() as closing:
        databases: dict[str, Connection] = {}
        for name in (*(entry.name for entry in SERVICES), KEYRING):
            databases[name] = await closing.enter_async_context(connected(database_dsn(server, f"ooc_{name}")))
        yield databases


async def _owner(server: str) -> str:
    """Return whose the databases are: what is added to them is theirs too."""
    names = [f"ooc_{name}" for name in (*(entry.name for entry in SERVICES), KEYRING)]
    ((owner,),) = await fetch(server, _OWNER, names, KEYRING_DATABASE[0])
    return str(owner)


async def _remove_webhooks_again(server: str, newest: str) -> None:
    """Remove the webhooks that were removed after the moment: who has left would get events again."""
    kept = [row["id"] for row in await fetch(database_dsn(newest, NOTIFICATIONS), "select id from webhook")]
    removed = "delete from webhook where not id = any($1::uuid[])"
    await fetch(database_dsn(server, NOTIFICATIONS), removed, kept)


async def _complete(order: Order, databases: Mapping[str, Connection]) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """Bring back what the topics hold and the event stores lack; returns how many events, by service, and what forbade it.

    If the topics are lost too, every consumer begins anew instead.
    """
    if order.kafka is None:
        for entry in DECIDING:
            await databases[entry.name].execute("delete from checkpoint")
        async with databases[REPORTING].transaction():
            for statement in _TOPICS_LOST:
                await databases[REPORTING].execute(statement)
        return {}, ()
    came, problems = dict[str, int](), list[str]()
    for service in deciding_services():
        try:
            before, after = await restore_events(service, databases[service.name], order.kafka)
        except CannotRestore as error:
            problems.append(f"{service.name}: {error}")  # the service then refuses by itself, until it is settled
        else:
            came[service.name] = after - before
    return came, tuple(problems)


async def _count_lost_keys(databases: Mapping[str, Connection], came: Mapping[str, int]) -> int:
    """Count the keys that events from the topics name, and the keyring neither has nor has destroyed."""
    named: set[str] = set()
    for service, count in came.items():
        for row in await databases[service].fetch(_LATEST, count):
            named |= {subject for subject, _ in key_ids_in(row["body"])}
    return int(await databases[KEYRING].fetchval(_WITHOUT_KEY, sorted(named)))


async def _compare(
    order: Order, manifest: Manifest, databases: Mapping[str, Connection], came: Mapping[str, int]
) -> tuple[RestoredLog, ...]:
    """Compare each log with the manifest, and with the last checkpoint that the witness or the topic has.

    Raises `BadBackup`, or `CannotRestore` for a log with a gap.
    """
    signed = {log.origin: Checkpoint(log.origin, log.size, root_of(log)) for log in manifest.logs}
    logs: list[RestoredLog] = []
    for entry in SERVICES:
        database = databases[entry.name]
        for log in (EVENTS, ACCESS) if entry.decides else (ACCESS,):
            origin = origin_of(order.authority, entry.name, log)
            known = [signed[origin]] if origin in signed else []
            keys = await public_keys(database)
            try:
                seen = seen_checkpoint(order.seen, origin, keys)
            except WitnessRefuses as error:
                raise BadBackup(str(error)) from error
            known += [
                checkpoint
                for checkpoint in (await _last_published(order, entry.name, log, keys), seen)
                if checkpoint is not None
            ]
            roots = await roots_of(database, log, {checkpoint.size for checkpoint in known})
            for checkpoint in known:
                if roots.get(checkpoint.size, checkpoint.root) != checkpoint.root:
                    raise BadBackup(f"the log {origin} has another root at {checkpoint.size} entries than was signed")
            size, root = max(roots.items())
            lost = max([0, *(checkpoint.size - size for checkpoint in known)])
            logs.append(RestoredLog(origin, size, came.get(entry.name, 0) if log is EVENTS else 0, lost, root.hex()))
    return tuple(logs)


async def _last_published(order: Order, service: str, log: Log, keys: Sequence[str]) -> Checkpoint | None:
    if order.kafka is None:
        return None
    known = [VerifierKey.parse(key) for key in keys]
    signed = await read_signed(order.kafka, f"ooc.{service}.checkpoints", log, known)
    return signed[-1][0] if signed else None
