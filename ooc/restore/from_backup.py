"""Restoring on this machine: where the topics, the witness and the keys are, and what is said of the result."""

import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ooc.backup.base_backup import SECRETS
from ooc.backup.commands import signing_keys, stores_or_settings
from ooc.backup.manifest import origin_of_backups, require_signed
from ooc.backup.sealed import opened, read_identity, unpack_files
from ooc.backup.upkeep import note_upkeep
from ooc.evidence.verification import owner_database_url, stores
from ooc.restore.forgotten import Forgotten
from ooc.restore.system import Order, Restored, choose, restore_database, restore_system
from ooc.system.running import witness_process, witness_settings
from ooc.tables import OUT, complain, say, table
from services.console.plain_text import moment
from services.system.addresses import VAR
from shared.evidence.witness_client import WitnessSilent
from shared.evidence.witnessed import seen_by_witness, witness_key_of
from shared.servers.database import database_dsn, writable_host
from shared.servers.kafka import VERIFIER, Kafka
from shared.servers.settings import Settings
from tools.local import kafka as local_kafka
from tools.local.local_system import Addresses
from tools.local.ports import HOST, Ports
from tools.local.supervisor import Supervisor


async def restore_here(
    folder: Path,
    identity: Path,
    to: datetime | None,
    into: Path,
    secrets: Path | None,
    *,
    topics_lost: bool,
    unwitnessed: bool,
) -> Restored:
    """Restore everything into a data folder of PostgreSQL. Raises `BadBackup`, `CannotRestore` and what connecting raises."""
    opens = read_identity(identity)
    if secrets is not None:
        _unpack_secrets(folder, choose(folder, to)[0], opens, secrets, unwitnessed=unwitnessed)
    async with _servers(topics_lost=topics_lost) as settings:
        kafka = None if topics_lost else settings.kafka_as(VERIFIER)
        order = await _order(settings, folder, opens, to, kafka, unwitnessed=unwitnessed)
        return await restore_system(order, into)


async def _order(
    settings: Settings, folder: Path, identity: Any, to: datetime | None, kafka: Kafka | None, *, unwitnessed: bool
) -> Order:
    """Order a restore by the keys of the system and by what its witness has seen."""
    witness = None if unwitnessed else witness_key_of(settings)
    keys, seen = signing_keys(settings), await _ask_witness(settings)
    return Order(folder, identity, to, kafka, settings.log_origin, keys, witness, seen)


def _unpack_secrets(folder: Path, name: str, identity: Any, into: Path, *, unwitnessed: bool) -> None:
    """Put the secrets of a backup that was signed in a folder. Raises `BadBackup`."""
    settings = stores_or_settings()
    keys = [signer.key for signer in signing_keys(settings).signers(origin_of_backups(settings.log_origin))]
    witness = None if unwitnessed else witness_key_of(settings)
    digest = require_signed(folder, name, keys, witness).digest_of(SECRETS)
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=into.parent) as checked:
        with (
            opened(folder / name / SECRETS, identity, digest) as reader,
            tarfile.open(fileobj=reader, mode="r|") as tar,
        ):
            unpack_files(tar, Path(checked))
        shutil.copytree(checked, into, dirs_exist_ok=True)


async def rehearse_here(folder: Path, identity: Path) -> Restored:
    """Restore the last backup beside the running system, from its topics, and remove it. Raises as `restore_here` does."""
    settings = stores()
    with _scratch() as scratch:
        kafka = settings.kafka_as(VERIFIER)
        order = await _order(settings, folder, read_identity(identity), None, kafka, unwitnessed=False)
        restored = await restore_system(order, scratch / "data")
    if restored.whole:
        await note_upkeep(owner_database_url(), "drill")
    return restored


async def restore_database_here(
    name: str, folder: Path, identity: Path, to: datetime | None, *, unwitnessed: bool
) -> tuple[datetime | None, Forgotten]:
    """Make a database of the running system anew, as it was at a moment. Raises as `restore_here` does."""
    settings = stores()
    with _scratch() as scratch:
        order = await _order(settings, folder, read_identity(identity), to, None, unwitnessed=unwitnessed)
        owner = await writable_host(database_dsn(owner_database_url(), "postgres"))
        return await restore_database(order, name, owner, scratch)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder that goes with the body, in which PostgreSQL may have one as another user."""
    with tempfile.TemporaryDirectory(prefix="ooc-restore-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)
        yield Path(scratch)


@asynccontextmanager
async def _servers(*, topics_lost: bool) -> AsyncIterator[Settings]:
    """Yield where topics and witness are; those of a local system, which has stopped, run while the body does."""
    settings = stores_or_settings()
    if os.environ.get("OOC_KAFKA") or not (VAR / ("witness" if topics_lost else "kafka")).exists():
        yield settings
        return
    ports, var = Ports.from_environment(), VAR.absolute()
    addresses = Addresses(var, ports, settings.database_url, f"{HOST}:{ports.kafka}", settings.issuer)
    witness = witness_settings(addresses, os.environ)
    processes = [witness_process(addresses, os.environ)] if witness else []
    here: dict[str, Any] = {}
    if not topics_lost:
        processes.insert(0, local_kafka.process(var / "kafka", ports.kafka, ports.kafka_controller, closed=True))
        here = {"kafka": addresses.kafka, "kafka_passwords": local_kafka.passwords_in(var / "kafka")}
    named = {name.removeprefix("OOC_").lower(): value for name, value in witness.items()}
    async with Supervisor(var, processes):
        yield settings.model_copy(update=here | named)


async def _ask_witness(settings: Settings) -> Mapping[str, str]:
    """Ask the witness what it has seen of each log; nothing if none is set or it does not answer, which is said."""
    try:
        return await seen_by_witness(settings) or {}
    except WitnessSilent as error:
        complain(f"{error}: what it has seen is compared when the system starts.")
        return {}


def show_restored(restored: Restored) -> None:
    """Say what was restored, what is lost, and how long it took."""
    rows = [(log.origin, log.entries, log.from_topic, log.lost, f"{log.root[:16]}…") for log in restored.logs]
    OUT.print(table(f"Restored from {restored.backup}", "log", "entries", "from the topic", "lost", "root", rows=rows))
    last = "none" if restored.last_transaction is None else moment(restored.last_transaction)
    lost = sum(log.lost for log in restored.logs)
    say(f"Recovery point: the last transaction is of {last}; {lost} signed entries are lost.")
    say(f"Recovery time: {restored.seconds:.1f} s.")
    show_forgotten(restored.forgotten)
    if restored.keys_lost:
        complain(f"{restored.keys_lost} keys of events from the topics are lost: docs/how-to/runbook/key_missing.md")
    for problem in restored.problems:
        complain(problem)
    for log in restored.logs:
        if log.lost:
            complain(
                f"{log.origin} lacks {log.lost} entries that were signed: docs/how-to/runbook/log_behind_witness.md"
            )


def show_forgotten(forgotten: Forgotten) -> None:
    OUT.print(f"Forgotten people: {len(forgotten.again)} had a key again, which is destroyed.")
    for person in forgotten.undecided:
        complain(f"The person {person} is not forgotten by every service: `ooc forget-again`")
