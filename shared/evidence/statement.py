"""Statements: signed numbers of a home's entries in a service's logs at a size, so that a missing end is found.

A proof shows that an entry is in a log; only the log's owner can say that there are no more. The API, which holds no
signing key, asks by a row of the table `statement`; the signer finds the home's records, counts for itself and signs.

The text is one line each: `<authority>/<service>/statement`, the home, the time in seconds since 1970, `contract` with the
SHA-256 of the service's contract, `for` with the labels of the reader as JSON, and for each log its name, the size of its
tree, the number of the home's entries among them, and the SHA-256 of those entries one after the other; or its name and
`uncounted`, if the reader gets none of it. A service that holds nothing of a home signs so too: a holder of the keys of all
services sees which one is missing in a bundle (ADR 53).
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from shared.domain.permissions import EVERY
from shared.evidence.log import EVENTS, Log
from shared.privacy.signed_note import SignedNote, SigningKeys, write_note
from shared.servers.database import Connection, Pool

PATIENCE: Final = 20.0
"""The longest wait for a signer, in seconds."""

KEPT: Final = timedelta(hours=1)
"""How long a statement stays in the database; its asker has read it within seconds."""

WAKE: Final = "statement"
"""The channel of requests for a statement."""

STATEMENT: Final = "statement"
"""The last part of the name of a key of statements."""

UNCOUNTED: Final = "uncounted"
"""The word in a statement for a log that its reader does not get."""

_UNSIGNED = """
    select id, home, targets, scope, logs from statement where note is null and asked_at <= $1 order by asked_at limit 100
"""
_ASK = "insert into statement (id, home, targets, scope, logs) values ($1, $2, $3, $4, $5)"
_HEAD: Final = 5
"""Lines of a statement before those of the logs."""
_LOOK: Final = 0.1
_STREAMS: Final = "select distinct stream from event where home = $1 and position <= $2"
_SIZES = "select log, max(size) as size from signed_checkpoint group by log"


class NoStatement(Exception):
    """A signer that did not sign a statement in time (503)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a statement: the labels of their token, and the logs of which they get the entries."""

    labels: Mapping[str, str] = field(default_factory=dict)
    logs: tuple[Log, ...] = ()

    @property
    def sees_every_label(self) -> bool:
        return all(value == EVERY for value in self.labels.values())


def statement_name(authority: str, service: str) -> str:
    """Return the name of the key that signs a service's statements, `authority/service/statement`."""
    return f"{authority}/{service}/{STATEMENT}"


async def sign_statements(
    connection: Connection, keys: SigningKeys, name: str, logs: Sequence[Log], contract: bytes, asked_by: datetime
) -> None:
    """Sign every requested statement, for the entries that the trees hold now."""
    rows = await connection.fetch(_UNSIGNED, asked_by)
    if not rows:
        return
    sizes = {row["log"]: row["size"] for row in await connection.fetch(_SIZES)}
    service, events = name.split("/")[-2], sizes.get(EVENTS.name, 0) if EVENTS in logs else None
    signers = keys.signers(name)
    for row in rows:
        targets = [*row["targets"], *await record_names(connection, service, row["home"], events)]
        lines = [name, str(row["home"]), str(int(time.time())), f"contract {hashlib.sha256(contract).hexdigest()}"]
        lines.append(f"for {row['scope']}")
        for log in logs:
            if log.name not in row["logs"]:
                lines.append(f"{log.name} {UNCOUNTED}")
                continue
            size = sizes.get(log.name, 0)
            entries = await log.of(connection, row["home"], targets, size)
            digest = hashlib.sha256(b"".join(entry for _, entry in entries)).hexdigest()
            lines.append(f"{log.name} {size} {len(entries)} {digest}")
        text = "".join(f"{line}\n" for line in lines)
        note = write_note(text, [signer.sign(text) for signer in signers])
        await connection.execute("update statement set note = $2 where id = $1", row["id"], note)


async def record_names(connection: Connection, service: str, home: UUID, events: int | None) -> list[str]:
    """Return the names under which a service's access log knows a home and its records among so many events, if it has any.

    The caller may name more, and hides none by naming fewer.
    """
    names = [f"{service}/homes/{home}", f"{service}/cases/{home}"]
    if events is not None:
        names += [row["stream"] for row in await connection.fetch(_STREAMS, home, events)]
    return names


async def ask_for_statement(pool: Pool, home: UUID, targets: Sequence[str], reader: Reader) -> str:
    """Ask for a statement and wait until it is signed. Raises `NoStatement` after `PATIENCE` seconds."""
    id_ = uuid4()
    await pool.execute("delete from statement where asked_at < clock_timestamp() - $1::interval", KEPT)
    scope = json.dumps(dict(reader.labels), sort_keys=True, separators=(",", ":"))
    await pool.execute(_ASK, id_, home, list(targets), scope, [log.name for log in reader.logs])
    await pool.execute(f"notify {WAKE}")
    deadline = time.monotonic() + PATIENCE
    while (note := await pool.fetchval("select note from statement where id = $1", id_)) is None:
        if time.monotonic() > deadline:
            raise NoStatement("the signer of this service's checkpoints does not answer: is its worker running?")
        await asyncio.sleep(_LOOK)
    return str(note)


def sizes_in(note: str) -> dict[str, int]:
    """Read the sizes of the trees of the counted logs from a statement, by the log's name."""
    lines = map(str.split, SignedNote.parse(note).text.splitlines()[_HEAD:])
    return {name: int(size) for name, size, *_ in lines if size != UNCOUNTED}
