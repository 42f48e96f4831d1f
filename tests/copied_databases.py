"""Databases as production provisions them, provisioned once and then copied.

Migrations and grants take PostgreSQL half a second for each database, a copy a tenth of that. What tests provisioning itself
calls `shared.runtime.provision` instead.
"""

from collections.abc import Hashable, Iterable
from typing import Final
from uuid import uuid4

import asyncpg

from shared.runtime import provision
from shared.runtime.privileges import Schema
from shared.servers.database import database_dsn

_TEMPLATES: Final[dict[Hashable, list[str]]] = {}


async def databases(admin_url: str, wanted: Iterable[tuple[str, Schema]]) -> None:
    """Make each database, as `provision.databases` does; where one is there already, that does it."""
    wanted = list(wanted)
    server = database_dsn(admin_url, "postgres")
    connection = await asyncpg.connect(server)
    try:
        names = [name for name, _ in wanted]
        if await connection.fetchval("select true from pg_database where datname = any($1::text[])", names):
            await provision.databases(admin_url, wanted)
            return
        for (name, schema), template in zip(wanted, await _templates(server, wanted), strict=True):
            await connection.execute(f'create database "{name}" template "{template}"')
            # Whoever may connect is no part of what is copied.
            roles = ", ".join(schema.roles.values())
            await connection.execute(f'revoke all on database "{name}" from public')
            await connection.execute(f'grant connect on database "{name}" to {roles}')
    finally:
        await connection.close()


async def _templates(server: str, wanted: list[tuple[str, Schema]]) -> list[str]:
    """Return a provisioned database for each schema; a keyring knows the services beside it, so the whole list is one key."""
    key = (server, *((schema.service, *(part.migrations for part in schema.parts)) for _, schema in wanted))
    if key not in _TEMPLATES:
        names = [f"template_{uuid4().hex[:12]}" for _ in wanted]
        await provision.databases(server, [(name, schema) for name, (_, schema) in zip(names, wanted, strict=True)])
        _TEMPLATES[key] = names
    return _TEMPLATES[key]


async def drop_templates(server: str) -> None:
    """Drop what copies were made of, where the server outlives the tests."""
    connection = await asyncpg.connect(server)
    for name in (name for names in _TEMPLATES.values() for name in names):
        await connection.execute(f'drop database if exists "{name}"')
    _TEMPLATES.clear()
    await connection.close()
