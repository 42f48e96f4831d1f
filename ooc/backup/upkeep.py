"""Metrics of backups and drills: when the last one was, in reporting's database, where the owner writes it."""

import asyncpg

from services.reporting.database import DATABASE
from shared.servers.database import database_dsn, writable_host


async def note_upkeep(server: str, kind: str) -> None:
    """Note that a backup, or a drill that was whole, has just been done. Raises what PostgreSQL answers, and OSError."""
    connection = await asyncpg.connect(await writable_host(database_dsn(server, DATABASE[0])), timeout=10)
    try:
        await connection.execute(
            "insert into upkeep (kind) values ($1) on conflict (kind) do update set done_at = clock_timestamp()", kind
        )
    finally:
        await connection.close()
