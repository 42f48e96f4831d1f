"""What a witness has seen of each log, in SQLite, and its own key."""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import EMPTY_ROOT, BadProof, check_consistency
from shared.privacy.signed_note import COSIGNATURE, BadNote, Signer, VerifierKey

_TABLE = """
    create table if not exists seen (origin text primary key, size integer not null, root blob not null, note text) strict
"""
_WITH_NOTES = "alter table seen add column note text"
_COSIGNED = """
    create table if not exists cosigned (
        origin text, size integer, root blob not null, primary key (origin, size)
    ) strict, without rowid
"""


class Unfit(Exception):
    """A checkpoint that does not extend what the witness has seen of its log (422)."""


class OutOfStep(Exception):
    """A request that starts from another size than the witness has seen (409)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness has seen {size} entries")
        self.size = size


class MemoryLost(Exception):
    """A witness with a key that has no memory of what it has cosigned. The message says what to do."""


class WitnessState:
    """The last checkpoint seen of each log. Safe for several processes: each step is one transaction.

    `witness_key` begins it with the key; a state that is gone or broken since raises `MemoryLost`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "seen.sqlite"
        try:
            with closing(self._connect()) as connection:
                connection.execute("select size from seen").fetchall()
                connection.execute(_COSIGNED)
                with suppress(sqlite3.OperationalError):  # a state of before has no notes yet
                    connection.execute(_WITH_NOTES)
                (found,) = connection.execute("pragma quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            raise MemoryLost(
                f"{self._file} does not hold what this witness has seen ({found}), and without it a rewritten log would be"
                " cosigned: restore it from a copy, or give the witness another folder, and so another key"
            )

    def advance(
        self, checkpoint: Checkpoint, note: str, old: int, path: Sequence[bytes], cosign: Callable[[], str]
    ) -> str:
        """Check that a checkpoint extends the last one seen, keep it as its log signed it, and return its cosignature.

        Raises `OutOfStep` or `Unfit`.
        """
        with closing(self._connect()) as connection:
            connection.execute("begin immediate")
            row = connection.execute("select size, root from seen where origin = ?", (checkpoint.origin,)).fetchone()
            size, root = row or (0, EMPTY_ROOT)
            if old != size:
                raise OutOfStep(size)
            if checkpoint.size < size:
                raise Unfit(f"the checkpoint has {checkpoint.size} entries, and {size} were seen")
            try:
                check_consistency(size, root, checkpoint.size, checkpoint.root, path)
            except BadProof as error:
                raise Unfit(str(error)) from error
            if size == checkpoint.size and root != checkpoint.root:
                raise Unfit(f"another root of {size} entries was seen")
            line = cosign()
            connection.executemany(
                "insert or ignore into cosigned values (?, ?, ?)",
                [(checkpoint.origin, size, root), (checkpoint.origin, checkpoint.size, checkpoint.root)],
            )
            connection.execute(
                "insert into seen (origin, size, root, note) values (?, ?, ?, ?)"
                " on conflict (origin) do update set size = excluded.size, root = excluded.root, note = excluded.note",
                (checkpoint.origin, checkpoint.size, checkpoint.root, note),
            )
            connection.execute("commit")
            return line

    def go_back(self, origin: str, common: tuple[int, bytes], void: Sequence[tuple[int, bytes]]) -> None:
        """Forget checkpoints of a branch that was given up: what was seen is then the last one cosigned before the branches part.

        Raises `BadNote` if none is known, or if the statement has another root of its size.
        """
        with closing(self._connect()) as connection:
            connection.execute("begin immediate")
            seen = connection.execute("select size, root from seen where origin = ?", (origin,)).fetchone()
            if seen in void:
                last = connection.execute(
                    "select size, root from cosigned where origin = ? and size <= ? order by size desc limit 1",
                    (origin, common[0]),
                ).fetchone()
                if last is None:
                    raise BadNote(f"this witness remembers nothing of the first {common[0]} entries")
                if last[0] == common[0] and last != common:
                    raise BadNote(f"this witness has cosigned another root of {common[0]} entries")
                connection.execute("delete from cosigned where origin = ? and size > ?", (origin, last[0]))
                connection.execute("update seen set size = ?, root = ?, note = null where origin = ?", (*last, origin))
            connection.execute("commit")

    def notes(self) -> Mapping[str, str]:
        """Read the last checkpoint seen of each log, as the log signed it."""
        with closing(self._connect()) as connection:
            return dict(connection.execute("select origin, note from seen where note is not null order by origin"))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=10, isolation_level=None)
        connection.execute("pragma synchronous = full")
        return connection


def witness_key(folder: Path, name: str) -> Signer:
    """Read the witness's private key from its folder; the first call makes it, readable by its owner alone, and its memory."""
    file = folder / "key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(folder / "seen.sqlite", isolation_level=None)) as connection:
            connection.execute(_TABLE)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(os.urandom(32))
    return Signer(name, Ed25519PrivateKey.from_private_bytes(file.read_bytes()), COSIGNATURE)


def read_log_keys(file: Path) -> Mapping[str, list[VerifierKey]]:
    """Read the public keys of the logs, one a line, by the log's name. Raises `BadNote` or OSError."""
    keys: dict[str, list[VerifierKey]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key = VerifierKey.parse(line)
            keys.setdefault(key.name, []).append(key)
    if not keys:
        raise BadNote(f"{file} holds no key: write the lines that `ooc evidence keys` prints into it")
    return keys
