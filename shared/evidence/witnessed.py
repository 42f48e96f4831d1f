"""Compare a log with the last checkpoint that its witness has seen.

A log restored from an older backup, or cut, agrees with itself, its tree and its topic if all were set back together. The
witness was not: it has a later checkpoint, signed by the log itself. Such a log accepts nothing (alarm
`log_behind_witness`): its next entries would take the numbers of those that are gone. What the witness says counts only
under a signature of the log, so that nobody else can stop it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.home_evidence import public_keys
from shared.evidence.log import Log, origin_of, read_tiles
from shared.evidence.merkle import IncompleteTile, Span, append_leaves, frontier, hash_leaf, root_hash, tiles_of
from shared.evidence.witness_client import WitnessClient, WitnessRefuses, WitnessSilent
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.privacy.signed_note import BadNote, VerifierKey
from shared.servers.database import Connection, Pool
from shared.servers.settings import Settings

ALARM: Final = "log_behind_witness"

ALARMIST: Final = "signer"
"""The consumer of the alarms about logs: an API that finds one at its start raises it for the signer, which clears it."""

_SIZE: Final = "select coalesce(max(size), 0) from signed_checkpoint where log = $1"
_log = structlog.get_logger("signer")


class LogBehindWitness(Exception):
    """A log that lacks entries that its witness has seen. The message names them."""


def witness_of(settings: Settings) -> WitnessClient | None:
    """Return the witness that the settings name; None: there is none. Raises `BadNote` for a malformed key."""
    if settings.witness_url is None:
        return None
    return WitnessClient(settings.witness_url, VerifierKey.parse(settings.witness_key or ""))


def witness_key_of(settings: Settings) -> VerifierKey | None:
    """Return the key of the witness that the settings name; None: there is none. Raises `BadNote` for a malformed key."""
    return VerifierKey.parse(settings.witness_key) if settings.witness_key else None


async def seen_by_witness(settings: Settings) -> Mapping[str, str] | None:
    """Ask the witness what it has seen of each log, as notes by the log's name; None: there is none, or it does not tell.

    Raises `WitnessSilent`.
    """
    witness = witness_of(settings)
    if witness is None:
        return None
    try:
        return await witness.seen()
    finally:
        await witness.close()


def seen_checkpoint(notes: Mapping[str, str], origin: str, keys: Sequence[str]) -> Checkpoint | None:
    """Return the last checkpoint of a log that a witness has seen, if any, signed by one of the log's keys. Raises `WitnessRefuses`."""
    note = notes.get(origin)
    if note is None:
        return None
    try:
        seen = open_checkpoint(note, [VerifierKey.parse(key) for key in keys])
    except BadNote as error:
        raise WitnessRefuses(
            f"the witness shows a checkpoint of {origin} that the log has not signed: {error}"
        ) from error
    if seen.origin != origin:
        raise WitnessRefuses(f"the witness shows a checkpoint of {seen.origin} for {origin}")
    return seen


async def require_extension(
    connection: Connection, log: Log, origin: str, notes: Mapping[str, str], size: int | None = None
) -> None:
    """Compare a log, whose tree has `size` entries (by default as signed last), with what its witness has seen.

    Raises `LogBehindWitness` or `WitnessRefuses`.
    """
    seen = seen_checkpoint(notes, origin, await public_keys(connection))
    if seen is None:
        return
    root = await _root_at(
        connection, log, seen.size, await connection.fetchval(_SIZE, log.name) if size is None else size
    )
    if root is None:
        raise LogBehindWitness(
            f"the witness has seen {seen.size} entries of {origin}, which holds fewer: it was cut or restored from an older backup"
        )
    if root != seen.root:
        raise LogBehindWitness(
            f"the witness has seen other entries among the first {seen.size} of {origin}: it was rewritten"
        )


async def _root_at(connection: Connection, log: Log, wanted: int, size: int) -> bytes | None:
    """Compute the root of the first `wanted` entries, of which the tree has `size`; None if there are not so many."""
    tiles = await read_tiles(connection, log, {*frontier(size), *tiles_of([Span(0, min(wanted, size))])})
    try:
        if wanted > size:
            entries = await log.read(connection, size, wanted - size)
            if [number for number, _ in entries] != list(range(size + 1, wanted + 1)):
                return None
            append_leaves(tiles, size, (hash_leaf(entry) for _, entry in entries))
        return root_hash(tiles, wanted)
    except (KeyError, IncompleteTile):
        return None


async def note_comparison(connection: Connection, log: Log, origin: str, notes: Mapping[str, str]) -> bool:
    """Compare a log with what its witness has seen, and raise or clear the alarm. Returns whether it extends that."""
    try:
        await require_extension(connection, log, origin, notes)
    except LogBehindWitness as error:
        _log.critical(ALARM, log=origin, why=str(error))
        await raise_alarm(connection, ALARMIST, ALARM, origin, str(error))
        return False
    await clear_alarm(connection, ALARMIST, ALARM, origin)
    return True


async def compare_at_start(pool: Pool, service: str, logs: Sequence[Log], settings: Settings) -> None:
    """Compare a service's logs with what the witness has seen, before the service records anything.

    Without a witness, or an answer of it, nothing is compared: the signer asks until it answers.
    """
    try:
        notes = await seen_by_witness(settings)
        if notes is None:
            return
        for log in logs:
            async with pool.acquire() as connection:
                await note_comparison(connection, log, origin_of(settings.log_origin, service, log), notes)
    except (WitnessSilent, WitnessRefuses) as error:
        _log.warning("not_compared_with_witness", service=service, why=str(error))
