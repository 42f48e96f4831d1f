"""What a backup consists of, and the log of all backups: a Merkle tree of their manifests, signed and witnessed.

The log makes a backup that was left out, changed or exchanged visible: its checkpoint is signed by the key of the system's
checkpoints, and the witness cosigns it like theirs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ooc.backup.sealed import BadBackup, SealedFile, begin_whole, sha256_of
from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.merkle import RightEdge, TileId, append_leaves, consistency_spans, hash_leaf, proof, root_hash
from shared.evidence.witness_client import WitnessClient
from shared.privacy.signed_note import BadNote, SignedNote, Signer, VerifierKey, write_note

MANIFEST: Final = "manifest.json"
NOTE: Final = "manifest.note"
LOG: Final = "manifests"
"""The file that lists the SHA-256 of each manifest, as `sha256sum` does: in the folder, and in each backup up to it."""

_ENTRY: Final = re.compile(rf"[0-9a-f]{{64}}  \S+/{re.escape(MANIFEST)}")


@dataclass(frozen=True, slots=True)
class LogSize:
    """A log of the system when a backup began: its name, the entries of its last checkpoint, and their root in base64."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A base backup: when it was made, where it begins and ends in the write-ahead log, and each of its files."""

    release: str
    began_at: str
    ended_at: str
    timeline: int
    start: str
    """The position in the write-ahead log from which it is recovered, as PostgreSQL writes it."""
    end: str
    """The position from which on it is consistent."""
    logs: tuple[LogSize, ...]
    epochs: tuple[str, ...]
    """The epochs of key-encryption keys that wrap the data keys: their keys are kept elsewhere."""
    files: tuple[SealedFile, ...]
    system: str = ""
    """The identifier of the PostgreSQL cluster, which a cluster that is made anew does not have; empty: it was not noted."""

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def parse(cls, content: bytes, place: Path) -> Manifest:
        """Read a manifest, which stood at a place. Raises `BadBackup`."""
        try:
            read: dict[str, Any] = json.loads(content.decode())
            if datetime.fromisoformat(read["ended_at"]).utcoffset() is None:
                raise ValueError("it does not say when it ended")
            logs = tuple(LogSize(**log) for log in read.pop("logs"))
            files = tuple(SealedFile(**file) for file in read.pop("files"))
            return cls(**read | {"logs": logs, "files": files, "epochs": tuple(read["epochs"])})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadBackup(f"{place} cannot be read as a manifest: {error}") from error

    def digest_of(self, name: str) -> str:
        """Return the SHA-256 of a file. Raises `BadBackup` if it has none of this name."""
        for file in self.files:
            if file.name == name:
                return file.sha256
        raise BadBackup(f"the backup has no {name}")

    @property
    def ended(self) -> datetime:
        return datetime.fromisoformat(self.ended_at)


def origin_of_backups(authority: str) -> str:
    return f"{authority}/backups"


async def enter(
    folder: Path, name: str, manifest: Manifest, signers: Sequence[Signer], witness: WitnessClient | None
) -> None:
    """Write the manifest of a backup, and enter it in the log: signed, and cosigned by the witness if there is one.

    Raises `WitnessRefuses` or `WitnessSilent`; the backup then stands, signed, and the next one has it cosigned.
    """
    place = folder / name
    write_whole(place / MANIFEST, manifest.text)
    entries = _entries(folder)
    before = len(entries)
    entries.append((hashlib.sha256(manifest.text.encode()).hexdigest(), f"{name}/{MANIFEST}"))
    tiles: dict[TileId, bytes] = {}
    size, _ = append_leaves(tiles, 0, (hash_leaf(bytes.fromhex(digest)) for digest, _ in entries))
    checkpoint = Checkpoint(signers[0].name, size, root_hash(tiles, size))
    lines = [signer.sign(checkpoint.text) for signer in signers]
    write_whole(place / NOTE, write_note(checkpoint.text, lines))
    for listed in (place / LOG, folder / LOG):
        write_whole(listed, "".join(f"{digest}  {where}\n" for digest, where in entries))
    if witness is None:
        return

    async def prove(seen: int) -> Sequence[bytes]:
        return proof(tiles, consistency_spans(seen, size))

    async def cosigned() -> int:
        return 0

    line = await witness.cosign(checkpoint, lines, before, prove, cosigned)
    write_whole(place / NOTE, write_note(checkpoint.text, [*lines, line]))


def write_whole(path: Path, text: str) -> None:
    with begin_whole(path) as file:
        file.write(text.encode())


def _entries(folder: Path) -> list[tuple[str, str]]:
    # Each backup has the list as it was then: the last one's replaces a list that was lost.
    log = max([folder / LOG] if (folder / LOG).exists() else folder.glob(f"*/{LOG}"), default=None)
    lines = [] if log is None else log.read_text(encoding="utf-8").splitlines()
    if odd := [line for line in lines if not _ENTRY.fullmatch(line)]:
        raise BadBackup(f"{log} has a line that names no manifest: {odd[0]!r}")
    return [(line[:64], line[66:]) for line in lines]


def backups_in(folder: Path) -> Mapping[str, Manifest]:
    """Read the manifest of each backup in a folder, by its name, oldest first. Raises `BadBackup`."""
    return {file.parent.name: Manifest.parse(file.read_bytes(), file) for file in sorted(folder.glob(f"*/{MANIFEST}"))}


def require_one_system(folder: Path, *systems: str) -> None:
    """Check that the backups in a folder are of one PostgreSQL cluster, and of this one. Raises `BadBackup`.

    Segments of two have the same names, so the log of the second is not kept, and none of its backups can be restored.
    """
    found = {backup.system: name for name, backup in backups_in(folder).items() if backup.system}
    if len(found.keys() | set(systems)) > 1:
        raise BadBackup(
            f"{folder} holds backups of another PostgreSQL cluster, such as {min(found.values())}: keep it, restore from it, or"
            " begin a new folder (docs/how-to/back-up.md)"
        )


def removed_backups(folder: Path, seen: Mapping[str, str], keys: Sequence[VerifierKey]) -> list[str]:
    """Say in words whether a folder lists fewer backups than its witness has seen, or lacks the last one.

    `seen` are the witness's checkpoints, as notes by log.
    """
    try:
        last = open_checkpoint(seen[keys[0].name], keys) if keys[0].name in seen else None
    except BadNote as error:
        return [f"what the witness shows of the backups is not signed: {error}"]
    entries, size = _entries(folder), 0 if last is None else last.size
    if size > len(entries):
        return [f"the witness has seen {size} backups, {folder} lists {len(entries)}: the last were removed"]
    if last is not None and _root(entries[:size]) != last.root:
        return [f"{folder} does not list the {size} backups that the witness has seen: some were removed"]
    for digest, place in {*entries[-1:], *entries[:size][-1:]}:
        if not (folder / place).is_file() or sha256_of(folder / place) != digest:
            return [f"the backup that {folder} lists as its last, {Path(place).parent}, is not there: it was removed"]
    return []


def _root(entries: Sequence[tuple[str, str]]) -> bytes:
    edge = RightEdge()
    for digest, _ in entries:
        edge.append(hash_leaf(bytes.fromhex(digest)))
    return edge.root


def require_whole(folder: Path, name: str, keys: Sequence[VerifierKey], witness: VerifierKey | None) -> Manifest:
    """Check signature, place in the log, cosignature, and each file of a backup. Raises `BadBackup`."""
    manifest = require_signed(folder, name, keys, witness)
    for file in manifest.files:
        path = folder / name / file.name
        if not path.is_file() or path.stat().st_size != file.size or sha256_of(path) != file.sha256:
            raise BadBackup(f"{path} is not the file that was signed: take another backup")
    return manifest


def require_signed(folder: Path, name: str, keys: Sequence[VerifierKey], witness: VerifierKey | None) -> Manifest:
    """Check signature, place in the log and cosignature of a manifest. Raises `BadBackup`.

    The witness's cosignature may be under a later backup, since the log goes on. Manifest and list are read once each: who has
    the folder may give out something else the second time.
    """
    size, entry, _ = _checkpoint(folder, name, keys)
    manifest = (folder / name / MANIFEST).read_bytes()
    if entry != (hashlib.sha256(manifest).hexdigest(), f"{name}/{MANIFEST}"):
        raise BadBackup(f"the manifest of {name} is not the one that was signed")
    if witness is not None:
        later = (_checkpoint(folder, other, keys) for other in backups_in(folder) if other >= name)
        if not any(note.signers_among([witness]) for other, _, note in later if other >= size):
            raise BadBackup(
                f"the witness {witness.name} has not cosigned the backup {name}: if it was silent then, say --unwitnessed"
            )
    return Manifest.parse(manifest, folder / name / MANIFEST)


def _checkpoint(folder: Path, name: str, keys: Sequence[VerifierKey]) -> tuple[int, tuple[str, str], SignedNote]:
    """Return the number of the log's entries with a backup, the last one, and the note that signs them. Raises `BadBackup`."""
    try:
        note = (folder / name / NOTE).read_text(encoding="utf-8")
        checkpoint = open_checkpoint(note, keys)
    except (OSError, BadNote) as error:
        raise BadBackup(f"the manifest of {name} is not signed by a key of the system: {error}") from error
    entries = _entries(folder)[: checkpoint.size]
    if not entries or (len(entries), _root(entries)) != (checkpoint.size, checkpoint.root):
        raise BadBackup(f"{folder / LOG} does not list the backups that were signed with {name}")
    return checkpoint.size, entries[-1], SignedNote.parse(note)


def root_of(log: LogSize) -> bytes:
    return base64.b64decode(log.root)
