"""A store that was made before the log hash is chained by the migration as it stands."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from shared import database as connections
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.privileges import Part, Schema
from shared.runtime.provision import databases, service_database
from tests.integration.event_store.streams import Stream
from tests.integration.event_store.test_both_event_stores import log_hash_of

FIRST = "20261125"
"""The day of the migrations that came after the first release."""


async def test_a_store_of_before_is_chained_as_it_stands(database: str, postgres_url: str, tmp_path: Path) -> None:
    """Given events and answers of before the migration, the log hash covers each, and appends go on from it."""
    name, schema = urlsplit(database).path[1:], service_database("tests")[1]
    await databases(postgres_url, [(name, _before(schema, tmp_path))])
    pool = await connections.create_pool(database)
    event_store = PostgresEventStore(pool)
    appends = [Stream().asks(*(b"%d" % n for n in range(1 + many))) for many in (0, 2, 1)]
    for append in appends:
        await event_store.append(append)

    await databases(postgres_url, [(name, schema)])

    assert (await event_store.head()).log_hash == log_hash_of(await event_store.read(0, 100), appends)
    appends.append(Stream().asks(b"after"))
    await event_store.append(appends[-1])
    assert (await event_store.head()).log_hash == log_hash_of(await event_store.read(0, 100), appends)
    await pool.close()
    owner = await asyncpg.connect(database)
    assert await owner.fetchval("select bool_and(tgenabled = 'O') from pg_trigger where tgname like '%append_only'")
    await owner.close()


def _before(schema: Schema, folder: Path) -> Schema:
    """The same schema without the migrations that came after the first release, and without any grant."""
    for part in schema.parts:
        shutil.copytree(
            part.migrations,
            folder / part.migrations.name,
            ignore=lambda _, files: [file for file in files if file >= FIRST],
        )
    return Schema(tuple(Part(folder / part.migrations.name, {}) for part in schema.parts), schema.service)
