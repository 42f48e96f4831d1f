"""A release says which schemas it reads, and what a database lacks or has besides."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg

from shared.runtime.provision import databases, schema_state, service_database


async def test_a_schema_is_compared_with_what_the_release_reads(database: str, postgres_url: str) -> None:
    """Given a database before and after it is migrated, and then by a later release, then the release reads it from then on."""
    name, (_, schema) = urlsplit(database).path[1:], service_database("tests")
    empty = await schema_state(database, schema)
    assert (empty.database, empty.missing[-1], empty.newer) == (name, empty.reads, ())
    await databases(postgres_url, [(name, schema)])
    assert (await schema_state(database, schema)).missing == ()
    connection = await asyncpg.connect(database)
    await connection.execute("insert into schema_migrations (version) values ('99990101000000')")
    await connection.close()
    assert (await schema_state(database, schema)).newer == ("99990101000000",)
    lost = await schema_state(f"{database}_lost", schema)
    assert lost.missing == empty.missing
