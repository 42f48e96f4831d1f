"""The evidence of a home: its entries in a service's logs as they are stored, with proofs, checkpoints and a statement.

Everything in it can be checked offline, by a program that shares no code with this one: shared/evidence/verify_bundle.py does.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from shared.domain.envelope import GENESIS
from shared.evidence.log import ACCESS, EVENTS, LINES_ABOUT, Log, line_of, prove_all, prove_each
from shared.evidence.statement import Reader, ask_for_statement, record_names, sizes_in
from shared.privacy.signed_note import VerifierKey
from shared.servers.database import Connection, Pool

_EVENTS: Final = """
    select position, recorded_at, stream, version, hash, body from event
    where home = $1 and position <= $2 order by position
"""
_ACCESS: Final = f"""
    select distinct on (l.sequence) l.sequence, l.at, l.actor, l.role, l.organisation, l.action, l.target, l.reason,
        l.outcome, l.rules, l.hash, before.hash as previous
    from unnest($1::text[]) as t (name)
    {LINES_ABOUT}
    left join access_log as before on before.sequence = l.sequence - 1
    where l.sequence <= $2 order by l.sequence
"""  # noqa: S608 - the constant there
_KEYS: Final = "select key from log_key order by added_at, key"
_NOTE: Final = "select note from signed_checkpoint where log = $1 and size = $2"


async def public_keys(connection: Connection | Pool) -> list[str]:
    """Read every public key that has signed here, oldest first."""
    return [row["key"] for row in await connection.fetch(_KEYS)]


async def verifier_keys(connection: Connection | Pool) -> list[VerifierKey]:
    """Read every public key that has signed here, to check signatures by."""
    return [VerifierKey.parse(key) for key in await public_keys(connection)]


async def evidence_of(
    pool: Pool, service: str, home: UUID, targets: Sequence[str], contract: bytes, reader: Reader
) -> dict[str, Any]:
    """Collect the evidence of a home: its entries in the logs that the reader gets, which may be none.

    `targets` are the names under which the access log knows its records, such as `counter/<id>`. Raises `NoStatement`.
    """
    note = await ask_for_statement(pool, home, targets, reader)
    sizes = sizes_in(note)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        evidence: dict[str, Any] = {
            "service": service,
            "home": str(home),
            "statement": note,
            "contract": contract.decode(),
            "keys": await public_keys(connection),
        }
        if EVENTS in reader.logs:
            rows = await connection.fetch(_EVENTS, home, sizes[EVENTS.name])
            entries = [
                {
                    "number": row["position"],
                    "at": row["recorded_at"].isoformat(),
                    "stream": row["stream"],
                    "version": row["version"],
                    "hash": row["hash"].hex(),
                    "body": base64.b64encode(row["body"]).decode(),
                }
                for row in rows
            ]
            paths = await prove_each(connection, EVENTS, [row["position"] for row in rows], sizes[EVENTS.name])
            for entry, path in zip(entries, paths, strict=True):
                entry["proof"] = _in_base64(path)
            evidence["events"] = await _part(connection, EVENTS, sizes[EVENTS.name], entries)
        if ACCESS in reader.logs:
            names = [*targets, *await record_names(connection, service, home, sizes.get(EVENTS.name))]
            rows = await connection.fetch(_ACCESS, names, sizes[ACCESS.name])
            entries = [
                {**line_of(row), "previous": (row["previous"] or GENESIS).hex(), "hash": row["hash"].hex()}
                for row in rows
            ]
            path = await prove_all(connection, ACCESS, [row["sequence"] for row in rows], sizes[ACCESS.name])
            part = await _part(connection, ACCESS, sizes[ACCESS.name], entries)
            evidence["access"] = part | {"proof": _in_base64(path)}
    return evidence


async def _part(connection: Connection, log: Log, size: int, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"checkpoint": await connection.fetchval(_NOTE, log.name, size), "entries": entries}


def _in_base64(path: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(digest).decode() for digest in path]
