"""What tests copy is what production provisions."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from shared.runtime import provision
from shared.runtime.provision import KEYRING_DATABASE, service_database
from shared.servers.database import database_dsn
from tests.copied_databases import databases

PRIVILEGES: Final = """
    select kind, name, grantee::regrole::text, privilege_type from (
        select 'database' as kind, '' as name, datacl as acl from pg_database where datname = current_database()
        union all select 'schema', nspname, nspacl from pg_namespace
        union all select 'relation', relname, relacl from pg_class
        union all select 'function', oid::regprocedure::text, proacl from pg_proc
        union all select 'column', attrelid::regclass::text || '.' || attname, attacl from pg_attribute
    ) as granted, aclexplode(acl) order by 1, 2, 3, 4
"""


async def test_a_copy_has_what_is_provisioned(database: str, postgres_url: str) -> None:
    """Given an event store and a keyring that are copied, when they are compared with provisioned ones, then privileges and rows are alike."""
    schemas = [service_database("tests")[1], KEYRING_DATABASE[1]]
    names = [urlsplit(database).path[1:], f"test_{uuid4().hex[:12]}"]
    made = [f"test_{uuid4().hex[:12]}" for _ in schemas]
    await databases(postgres_url, list(zip(names, schemas, strict=True)))
    await provision.databases(postgres_url, list(zip(made, schemas, strict=True)))
    for copied, provisioned, holders in zip(names, made, ("event_store", "key_holder"), strict=True):
        found = []
        for name in (copied, provisioned):
            connection = await asyncpg.connect(database_dsn(postgres_url, name))
            privileges = [tuple(row) for row in await connection.fetch(PRIVILEGES)]
            found.append((privileges, [tuple(row) for row in await connection.fetch(f"select * from {holders}")]))
            await connection.close()
        assert found[0] == found[1]
    owner = await asyncpg.connect(postgres_url)
    for name in (names[1], *made):
        await owner.execute(f'drop database "{name}"')
    await owner.close()
