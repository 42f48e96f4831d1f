"""Entries of a log that no copy holds: the statement by which operator and witness give them up, so that the log goes on.

It is the statement of a fork (`shared.evidence.fork`) whose kept branch ends where the two part. The next entries take the numbers
of the lost ones; verification reports the gap.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from ooc.restore.restore import CannotRestore, opened, read_topic
from services.system.registry import deciding_services
from shared.event_store.anchors import Anchors
from shared.evidence.checkpoint import open_checkpoint
from shared.evidence.fork import Fork, Root, read_statement, require_signed_by, void_roots
from shared.evidence.home_evidence import verifier_keys
from shared.evidence.log import EVENTS, LOGS, Log, origin_of
from shared.evidence.merkle import EMPTY_ROOT, RightEdge, hash_leaf
from shared.evidence.verification.checkpoints import read_signed
from shared.evidence.verification.problems import Problems
from shared.evidence.verification.topic import read_position_record
from shared.evidence.witnessed import seen_by_witness
from shared.privacy.signed_note import BadNote, SignedNote, VerifierKey
from shared.servers.database import Connection
from shared.servers.settings import Settings

PAGE: Final = 20_000
_SIGNED: Final = "select note from signed_checkpoint where log = $1"
_LINE: Final = "select hash from access_log where sequence = $1"


def name_loss(
    origin: str, signed: Mapping[Root, str], roots: Mapping[int, bytes], anchor: Anchors | None = None
) -> Fork | None:
    """Name what a log has lost: each signed checkpoint that is not of its tree, whose `roots` are given by size; None: nothing.

    The log is proven up to the last checkpoint before the first of those.
    """
    void = sorted(root for root in signed if roots.get(root[0]) != root[1])
    if not void:
        return None
    common = max((root for root in signed if root < void[0] and roots.get(root[0]) == root[1]), default=(0, EMPTY_ROOT))
    evidence: dict[str, Any] = {"events": [], "checkpoints": [signed[root] for root in void]}
    if anchor is not None:
        evidence["anchor"] = {"number": anchor.access_sequence, "hash": anchor.access_hash.hex()}
    return Fork(origin, common, common, json.dumps(evidence, sort_keys=True, indent=1).encode(), tuple(void))


async def loss_of(connection: Connection, log: Log, origin: str, notes: Iterable[str], anchors: Anchors) -> Fork | None:
    """Compare a log with every checkpoint of it that is known; None: it holds all that was signed. Raises `CannotRestore`."""
    keys = await verifier_keys(connection)
    void = await void_roots(connection, keys, Problems())
    own = {note for (note,) in await connection.fetch(_SIGNED, log.name)}
    signed: dict[Root, str] = {}
    for note in {*notes, *own}:
        if note.partition("\n")[0] == origin:
            try:
                checkpoint = open_checkpoint(note, keys)
            except BadNote as error:
                raise CannotRestore(f"a checkpoint of {origin}: {error}") from error
            if (root := (checkpoint.size, checkpoint.root)) not in void:
                signed[root] = note if note in own else signed.get(root, note)
    roots = await roots_of(connection, log, {size for size, _ in signed})
    loss = name_loss(origin, signed, roots, await _lost_line(connection, anchors))
    if loss is not None and any(signed[root] in own for root in loss.void):
        raise CannotRestore(f"{origin} differs from what its own database has signed: see log_rewritten in the runbook")
    return loss


async def _lost_line(connection: Connection, anchors: Anchors) -> Anchors | None:
    """Return the line of an access log that its topic vouches for, if it is lost."""
    if not anchors.access_sequence:
        return None
    return None if await connection.fetchval(_LINE, anchors.access_sequence) == anchors.access_hash else anchors


async def roots_of(connection: Connection, log: Log, sizes: Collection[int] = ()) -> dict[int, bytes]:
    """Compute the root of a log at some sizes, and last at its own. Raises `CannotRestore`."""
    edge, roots = RightEdge(), dict[int, bytes]()
    while page := await log.read(connection, edge.size, PAGE):
        for number, entry in page:
            if number != edge.size + 1:
                raise CannotRestore(f"the log lacks entry {edge.size + 1} before its end: see event_store_gap")
            edge.append(hash_leaf(entry))
            if number in sizes:
                roots[number] = edge.root
    return roots | {edge.size: edge.root}


async def state_loss(connection: Connection, log: Log, note: str, evidence: bytes, witness: VerifierKey | None) -> None:
    """Keep a statement that operator and witness have signed. Raises `CannotRestore` if it is not signed, or not of this log."""
    try:
        keys = await verifier_keys(connection)
        require_signed_by(SignedNote.parse(note), keys, witness)
        stated = read_statement(SignedNote.parse(note).text, evidence)
    except BadNote as error:
        raise CannotRestore(str(error)) from error
    if not stated.origin.endswith(f"/{log.name}"):
        raise CannotRestore(f"the statement is of {stated.origin}: choose that log by --log")
    roots = await roots_of(connection, log, {size for size, _ in stated.void})
    if any(roots.get(size) == root for size, root in stated.void):
        raise CannotRestore("the log holds what the statement gives up: it was restored since, and needs no statement")
    await connection.execute("insert into fork (note, evidence) values ($1, $2) on conflict do nothing", note, evidence)


# --- on this machine ------------------------------------------------------------------------------


async def loss_of_service(name: str, log: str, settings: Settings) -> Fork | None:
    """Name what a log of a service lacks of what its topic and its witness have seen. Raises `CannotRestore`."""
    service = next((service for service in deciding_services() if service.name == name), None)
    async with opened(name) as (connection, kafka):
        problems, anchors = Problems(), Anchors()
        if service is not None and LOGS[log] is EVENTS:
            head = await connection.fetchval("select position from head")
            if (await read_topic(service, connection, kafka, head, problems)).after:
                raise CannotRestore(f"the topic holds what the event store lacks: `ooc restore event-store {name}`")
        elif service is not None:
            anchors = (await read_position_record(service, connection, kafka, problems)).anchors
        if problems.lines:
            raise CannotRestore("\n".join(problems.lines))
        keys = await verifier_keys(connection)
        notes = [note for _, note in await read_signed(kafka, f"ooc.{name}.checkpoints", LOGS[log], keys)]
        return await loss_of(
            connection,
            LOGS[log],
            origin_of(settings.log_origin, name, LOGS[log]),
            [*notes, *await seen_notes(settings)],
            anchors,
        )


async def state_loss_of_service(name: str, log: str, note: str, evidence: bytes, witness: VerifierKey | None) -> None:
    """Keep the statement of a loss in a service's database. Raises `CannotRestore`."""
    async with opened(name) as (connection, _):
        await state_loss(connection, LOGS[log], note, evidence, witness)


async def seen_notes(settings: Settings) -> Sequence[str]:
    """Ask the witness for the last checkpoint that it has seen of each log; none if there is no witness. Raises `WitnessSilent`."""
    return list((await seen_by_witness(settings) or {}).values())


def loss_of_backups(origin: str, notes: Sequence[str], keys: Sequence[VerifierKey]) -> Fork | None:
    """Name the list of backups that the witness has seen as lost whole; None if it has seen none. Raises `BadNote`."""
    own = [(open_checkpoint(note, keys), note) for note in notes if note.partition("\n")[0] == origin]
    return name_loss(origin, {(seen.size, seen.root): note for seen, note in own}, {})


async def lost_backups(settings: Settings, keys: Sequence[VerifierKey]) -> Fork | None:
    """Ask the witness which backups it has seen listed. Raises `BadNote` and `WitnessSilent`."""
    return loss_of_backups(keys[0].name, await seen_notes(settings), keys)
