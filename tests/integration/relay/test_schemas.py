"""A release says which schemas it reads, and what a database lacks or has besides."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.runtime.provision import ProvisionFailed, databases, schema_state, service_database


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


async def test_a_database_from_before_the_squash_goes_on_or_is_told_what_to_do(
    database: str, postgres_url: str
) -> None:
    """Given a database with migrations that were squashed, if it lacks the last of a part it is left alone, with what to do."""
    name, (_, schema) = urlsplit(database).path[1:], service_database("tests")
    await databases(postgres_url, [(name, schema)])
    connection = await asyncpg.connect(database)
    await connection.execute("insert into schema_migrations values ('20261124000000')")  # a squashed one
    await connection.execute("delete from schema_migrations where version > '20261202'")
    await databases(postgres_url, [(name, schema)])
    assert not (await schema_state(database, schema)).missing
    await connection.execute("delete from schema_migrations where version > '20261201170000'")
    assert (await schema_state(database, schema)).is_too_old
    with pytest.raises(ProvisionFailed, match=f"{name} is older .* run `ooc migrate` of release 2026.12.0"):
        await databases(postgres_url, [(name, schema)])
    assert await connection.fetchval("select max(version) from schema_migrations") == "20261201170000"
    await connection.close()
