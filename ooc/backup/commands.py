"""`ooc backup`: the whole system into a folder, encrypted, and whether what lies there is whole."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import pyrage
import typer

from ooc.backup.base_backup import system_of, take_base
from ooc.backup.expiry import expire, require_log
from ooc.backup.follow import receiving
from ooc.backup.manifest import (
    Manifest,
    backups_in,
    enter,
    origin_of_backups,
    removed_backups,
    require_one_system,
    require_whole,
)
from ooc.backup.sealed import BadBackup, parse_recipient
from ooc.backup.upkeep import note_upkeep
from ooc.databases import result_of
from ooc.evidence.verification import owner_database_url, stores
from ooc.options import AsJson, fail
from ooc.tables import OUT, complain, say
from services.console.settings import ConsoleSettings
from services.notifications.settings import NotificationsSettings
from services.system.addresses import VAR, NoSystem
from shared.evidence.witness_client import WitnessRefuses, WitnessSilent
from shared.evidence.witnessed import seen_by_witness, witness_key_of, witness_of
from shared.privacy.signed_note import InvalidSigningKey, Signer, SigningKeys
from shared.servers.settings import Settings
from tools.local.secret_files import write_private
from tools.local.supervisor import until_signalled

T = TypeVar("T")

app = typer.Typer(add_completion=False)
backup = typer.Typer(
    help="Back up everything, encrypted, signed and witnessed: identity, make, follow, check.", no_args_is_help=True
)
app.add_typer(backup, name="backup")

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", envvar="OOC_BACKUP_FOLDER", help="The folder of all backups.")
]
Recipient = Annotated[
    str | None, typer.Option("--recipient", help="The age recipient to encrypt it to; default: OOC_BACKUP_RECIPIENT.")
]

FILES: Final = {
    "gravity_matrices": "OOC_GRAVITY_MATRICES",
    "practitioners": "OOC_PRACTITIONERS",
    "tables": "OOC_TABLES",
    "partnership": "OOC_PARTNERSHIP",
}
"""Files of the partnership's own, by the variable that names them."""


@backup.command()
def identity(
    file: Annotated[Path, typer.Option("--out", "-o", help="The file of the private key, which opens every backup.")],
) -> None:
    """Make the key pair of backups: print the public key, and write the private one, to be kept apart from them."""
    made = pyrage.x25519.Identity.generate()
    if file.exists():
        fail(f"{file} is there already: choose another file.")
    write_private(file, f"{made}\n")
    print(made.to_public())


@backup.command()
def keys() -> None:
    """Print the public key of the log of backups, for the witness's list of logs."""
    for signer in _result_of(_signers(Settings())):
        print(signer.key)


@backup.command()
def make(folder: Folder, recipient: Recipient = None) -> None:
    """Make a base backup now. Exit code 1 if it is not made, or the witness does not cosign it."""
    if not _result_of(_make(folder, recipient)):
        raise typer.Exit(1)


@backup.command()
def follow(
    folder: Folder,
    recipient: Recipient = None,
    *,
    every: Annotated[float, typer.Option("--every", min=0.01, help="Hours between two base backups.")] = 24.0,
) -> None:
    """Receive the write-ahead log until Ctrl-C, and make a base backup now and then: so nothing is lost with the servers."""
    _result_of(_follow(folder, recipient, every * 3600))


@backup.command()
def check(folder: Folder, *, as_json: AsJson = False) -> None:
    """Check signature, witness and every file of each backup, and that no segment of the log is missing; changes nothing."""
    listed = _result_of(_check(folder))
    if as_json:
        OUT.print_json(data={name: asdict(manifest) for name, manifest in listed.items()})
        return
    if not listed:
        fail(f"{folder} holds no backup.")
    for name, manifest in listed.items():
        size = sum(file.size for file in manifest.files)
        say(
            f"{name}: whole, {size:,} bytes, from {manifest.start} to {manifest.end} on timeline {manifest.timeline},"
            f" {len(manifest.logs)} logs, signed{' and witnessed' if stores_or_settings().witness_key else ''}."
        )


def _result_of(work: Coroutine[Any, Any, T]) -> T:
    """Run some work; if it cannot be done, say why and end with exit code 1."""
    return result_of(work, "There is no backup", BadBackup, InvalidSigningKey)


def stores_or_settings() -> Settings:
    """Return where the system is or was, as far as it is known."""
    try:
        return stores()
    except NoSystem:
        return Settings()


def signing_keys(settings: Settings) -> SigningKeys:
    """Read the signing secrets of the settings, or of the local system. Raises `InvalidSigningKey`."""
    own = VAR / "keys" / "signing"
    return (
        SigningKeys.from_file(own) if settings.signing_key_file is None and own.exists() else SigningKeys.of(settings)
    )


async def _signers(settings: Settings) -> list[Signer]:
    return signing_keys(settings).signers(origin_of_backups(settings.log_origin))


async def _make(folder: Path, recipient: str | None) -> bool:
    """Make a base backup and show it; returns whether the witness, if there is one, has cosigned it."""
    settings = stores()
    signers = await _signers(settings)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    to = _recipient(settings, recipient)
    manifest = await take_base(folder / name, owner_database_url(), to, _secrets(settings))
    witness = witness_of(settings)
    cosigned = True
    try:
        await enter(folder, name, manifest, signers, witness)
    except (WitnessRefuses, WitnessSilent) as error:
        complain(f"{folder / name} is signed, and not cosigned: {error}")
        cosigned = False
    finally:
        if witness is not None:
            await witness.close()
    await note_upkeep(owner_database_url(), "backup")
    say(
        f"{folder / name}: {sum(file.size for file in manifest.files):,} bytes, complete at"
        f" {manifest.ended:%Y-%m-%d %H:%M:%S} UTC, position {manifest.end};"
        f" {sum(log.size for log in manifest.logs):,} entries of {len(manifest.logs)} logs are signed in it."
    )
    # What the witness has cosigned lists those that expire: until then they show that nobody removed them.
    for expired in expire(folder, manifest.ended - timedelta(days=settings.epoch_kept_days)) if cosigned else ():
        say(f"{folder / expired} has expired, and is removed with its log.")
    return cosigned


def _recipient(settings: Settings, recipient: str | None) -> Any:
    text = recipient or settings.backup_recipient
    if text is None:
        raise BadBackup(
            "there is no recipient to encrypt to: set OOC_BACKUP_RECIPIENT, as `ooc backup identity` prints it"
        )
    return parse_recipient(text)


def _secrets(settings: Settings) -> dict[str, Path]:
    """Return what else the machines hold: never the key-encryption keys, or a backup would open what was forgotten."""
    named = {
        "signing": settings.signing_key_file or VAR / "keys" / "signing",
        "console": ConsoleSettings().console_key_file or VAR / "keys" / "console",
        "webhooks": NotificationsSettings().webhook_key_file or VAR / "keys" / "webhooks",
        "kafka_passwords": settings.kafka_passwords,
        "database_passwords": settings.database_passwords,
    } | {name: Path(os.environ[variable]) for name, variable in FILES.items() if os.environ.get(variable)}
    return {name: path for name, path in named.items() if path is not None}


async def _follow(folder: Path, recipient: str | None, seconds: float) -> None:
    to = _recipient(stores(), recipient)
    heartbeat = stores().heartbeat
    require_one_system(folder, await system_of(owner_database_url()))  # before its log is received
    spool, signers = VAR / "receiving", await _signers(stores())
    async with until_signalled(), receiving(folder, spool, owner_database_url(), to, signers, heartbeat) as received:
        OUT.print("The write-ahead log is received. Ctrl-C ends it.")
        while True:
            await _make(folder, recipient)
            done, _ = await asyncio.wait([received], timeout=seconds)
            if done:
                await received


async def _check(folder: Path) -> dict[str, Manifest]:
    settings = stores_or_settings()
    keys_ = [signer.key for signer in await _signers(settings)]
    witness = witness_key_of(settings)
    try:
        seen = await seen_by_witness(settings)
        if seen is not None and (removed := removed_backups(folder, seen, keys_)):
            raise BadBackup(removed[0])
    except WitnessSilent as error:
        complain(f"{error}: whether backups were removed is not known.")
    require_one_system(folder)
    whole = {name: require_whole(folder, name, keys_, witness) for name in backups_in(folder)}
    for last in sorted(whole.values(), key=lambda backup: backup.ended)[-1:]:
        require_log(folder, last)
    return whole
