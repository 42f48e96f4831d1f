"""Forks of a log: the statement by which an operator and the witness give up a branch that is lost, or not in its topic.

It is a signed note (C2SP signed-note) whose second line no checkpoint has: where the branches part, what is kept, the SHA-256 of
what is lost, and each checkpoint of the lost branch, which counts no more.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from shared.evidence.verification.problems import Problems
from shared.privacy.signed_note import BadNote, SignedNote, VerifierKey
from shared.servers.database import Connection, Pool

KIND: Final = "fork v1"

Root = tuple[int, bytes]
"""The size of a tree, and its root."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Two branches of a log that agree up to `common`: `kept` is the topic's, and `void` has the checkpoints of the other."""

    origin: str
    common: Root
    kept: Root
    evidence: bytes
    """What the lost branch recorded, as JSON."""
    void: tuple[Root, ...]

    @property
    def text(self) -> str:
        lost = f"lost {_digest(self.evidence)}"
        lines = [self.origin, KIND, _line("common", self.common), _line("kept", self.kept), lost]
        return "".join(f"{line}\n" for line in [*lines, *(_line("void", root) for root in self.void)])

    def view(self) -> dict[str, Any]:
        """Return where the branches part and end for JSON, with the roots in hexadecimal."""

        def root(of: Root) -> dict[str, Any]:
            return {"size": of[0], "root": of[1].hex()}

        return {"common": root(self.common), "kept": root(self.kept), "void": [root(head) for head in self.void]}


def _line(name: str, root: Root) -> str:
    return f"{name} {root[0]} {base64.b64encode(root[1]).decode()}"


def branches_in(text: str) -> tuple[Root, list[Root]]:
    """Return the root up to which the branches of a statement agree, and those that it gives up. Raises `BadNote`."""
    try:
        origin, kind, *lines = text.splitlines()
        words = [line.split(" ") for line in lines if not line.startswith("lost ")]
        roots = [(name, (int(size), base64.b64decode(root, validate=True))) for name, size, root in words]
        [common] = [root for name, root in roots if name == "common"]
    except ValueError as error:
        raise BadNote("the text is no statement of a fork") from error
    if not origin or kind != KIND:
        raise BadNote("the text is no statement of a fork")
    return common, [root for name, root in roots if name == "void"]


def require_signed(note: str, fork: Fork, keys: Iterable[VerifierKey], witness: VerifierKey | None) -> None:
    """Check that a statement is of this fork, signed by a key of its log, and by the witness if there is one. Raises `BadNote`."""
    signed = SignedNote.parse(note)
    if signed.text != fork.text:
        raise BadNote("the statement is of another fork: name the fork again, and have it signed again")
    require_signed_by(signed, keys, witness)


def require_signed_by(signed: SignedNote, keys: Iterable[VerifierKey], witness: VerifierKey | None) -> None:
    """Check that a key of its log has signed a statement, and the witness if there is one. Raises `BadNote`."""
    origin = signed.text.partition("\n")[0]
    if not any(key.name == origin for key in signed.signers_among(keys)):
        raise BadNote(f"no known key of {origin} has signed the statement")
    if witness is not None and not signed.signers_among([witness]):
        raise BadNote(f"the witness {witness.name} has not cosigned the statement")


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The lost part of a log by a valid statement: all after the entry `common`, by its checkpoints and its anchor."""

    origin: str
    common: int
    void: frozenset[Root]
    anchor: Root | None = None
    """The last lost line of an access log that a position record vouches for: its number and hash."""


async def given_up(
    connection: Connection | Pool, keys: Iterable[VerifierKey], problems: Problems, witness: VerifierKey | None = None
) -> list[GivenUp]:
    """Read the statements of a database, oldest first.

    One that was not signed as `require_signed` asks, or whose evidence was changed, gives up nothing and is noted.
    """
    keys, standing = list(keys), list[GivenUp]()
    for row in await connection.fetch("select note, evidence from fork order by settled_at"):
        try:
            signed = SignedNote.parse(row["note"])
            require_signed_by(signed, keys, witness)
            standing.append(read_statement(signed.text, row["evidence"]))
        except BadNote as error:
            problems.note(f"a statement of a fork: {error}")
    return standing


def read_statement(text: str, evidence: bytes) -> GivenUp:
    """Read the text of a statement with its evidence. Raises `BadNote`."""
    if f"lost {_digest(evidence)}" not in text.splitlines():
        raise BadNote("what the lost branch recorded is not what was signed")
    anchor = json.loads(evidence).get("anchor")
    common, void = branches_in(text)
    return GivenUp(
        text.partition("\n")[0],
        common[0],
        frozenset(void),
        None if anchor is None else (anchor["number"], bytes.fromhex(anchor["hash"])),
    )


async def void_roots(
    connection: Connection | Pool, keys: Iterable[VerifierKey], problems: Problems, witness: VerifierKey | None = None
) -> frozenset[Root]:
    """Return the sizes and roots of checkpoints that count no more, since they are of a branch that was given up."""
    return frozenset[Root]().union(
        *(statement.void for statement in await given_up(connection, keys, problems, witness))
    )


def _digest(evidence: bytes) -> str:
    return base64.b64encode(hashlib.sha256(evidence).digest()).decode()
