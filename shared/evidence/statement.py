"""Statements: how much of a home the logs of a service hold at a size, signed, so that a missing end of it is found.

A proof shows that an entry is in a log; only the log's owner can say that there are no more. The API, which holds no
signing key, asks by a row of the table `statement`; the signer counts for itself and signs.

The text is one line each: `<authority>/<service>/statement`, the home, the time in seconds since 1970, `contract` with the
SHA-256 of the service's contract, and for each log its name, the size of its tree, the number of the home's entries among
them, and the SHA-256 of those entries one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from shared.database import Connection, Pool
from shared.evidence.checkpoint import SignedNote, SigningKeys, write_note
from shared.evidence.log import Log

PATIENCE: Final = 20.0
"""Seconds for which a signer is waited for."""

KEPT: Final = timedelta(hours=1)
"""How long a statement stays in the database; its asker has read it within seconds."""

WAKE: Final = "statement"
"""The channel on which a signer hears of a statement that was asked for."""

_UNSIGNED = "select id, home, targets from statement where note is null and asked_at <= $1 order by asked_at limit 100"
_LOOK: Final = 0.1
_SIZES = "select log, max(size) as size from signed_checkpoint group by log"


class NoStatement(Exception):
    """A signer that did not sign a statement in time (503)."""


def statement_name(authority: str, service: str) -> str:
    """Return the name of the key that signs a service's statements, `authority/service/statement`."""
    return f"{authority}/{service}/statement"


async def sign_statements(
    connection: Connection, keys: SigningKeys, name: str, logs: Sequence[Log], contract: bytes, asked_by: datetime
) -> None:
    """Sign every requested statement, for the entries that the trees hold now."""
    rows = await connection.fetch(_UNSIGNED, asked_by)
    if not rows:
        return
    sizes = {row["log"]: row["size"] for row in await connection.fetch(_SIZES)}
    signers = keys.signers(name)
    for row in rows:
        lines = [name, str(row["home"]), str(int(time.time())), f"contract {hashlib.sha256(contract).hexdigest()}"]
        for log in logs:
            size = sizes.get(log.name, 0)
            entries = await log.of(connection, row["home"], row["targets"], size)
            digest = hashlib.sha256(b"".join(entry for _, entry in entries)).hexdigest()
            lines.append(f"{log.name} {size} {len(entries)} {digest}")
        text = "".join(f"{line}\n" for line in lines)
        note = write_note(text, [signer.sign(text) for signer in signers])
        await connection.execute("update statement set note = $2 where id = $1", row["id"], note)


async def ask_for_statement(pool: Pool, home: UUID, targets: Sequence[str]) -> str:
    """Ask for a statement and wait until it is signed. Raises `NoStatement` after `PATIENCE` seconds."""
    id_ = uuid4()
    await pool.execute("delete from statement where asked_at < clock_timestamp() - $1::interval", KEPT)
    await pool.execute("insert into statement (id, home, targets) values ($1, $2, $3)", id_, home, list(targets))
    await pool.execute(f"notify {WAKE}")
    deadline = time.monotonic() + PATIENCE
    while (note := await pool.fetchval("select note from statement where id = $1", id_)) is None:
        if time.monotonic() > deadline:
            raise NoStatement("the signer of this service's checkpoints does not answer: is its worker running?")
        await asyncio.sleep(_LOOK)
    return str(note)


def sizes_in(note: str) -> dict[str, int]:
    """Read the sizes of the logs' trees from a statement, by the log's name."""
    lines = SignedNote.parse(note).text.splitlines()[4:]
    return {name: int(size) for name, size, *_ in map(str.split, lines)}
