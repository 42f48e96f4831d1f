"""A page of a table that the disk has spoilt, under a running PostgreSQL, which finds it by its checksum."""

import asyncpg


async def spoil_page(address: str, table: str) -> None:
    """Change bytes of the first page of a table in its file, as the owner of its database; the next read fails."""
    owner = await asyncpg.connect(address)
    await owner.execute("create extension if not exists pg_buffercache")
    await owner.execute("checkpoint")
    await owner.fetch("select pg_buffercache_evict_relation($1::text::regclass)", table)
    file = await owner.fetchval(
        "select current_setting('data_directory') || '/' || pg_relation_filepath($1::text::regclass)", table
    )
    # The server writes it itself, wherever it runs.
    spoil = f"dd of={file} bs=1 seek=4000 conv=notrunc status=none"
    await owner.execute(f"copy (select repeat('spoilt', 50)) to program '{spoil}'")
    await owner.close()
