"""Metrics of backups and drills: when the last one was, in reporting's database, where the owner writes it."""

from ooc.databases import fetch
from services.reporting.database import DATABASE
from shared.servers.database import database_dsn, writable_host


async def note_upkeep(server: str, kind: str) -> None:
    """Note that a backup, or a drill that was whole, has just been done. Raises what PostgreSQL answers, and OSError."""
    note = "insert into upkeep (kind) values ($1) on conflict (kind) do update set done_at = clock_timestamp()"
    await fetch(await writable_host(database_dsn(server, DATABASE[0])), note, kind)
