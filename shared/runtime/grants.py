"""Creates the database roles, and grants exactly what `shared.runtime.privileges` declares. Safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shared.database import Connection
from shared.runtime.privileges import GROUPS, RoleKind, Schema, role_name


async def create_roles(
    connection: Connection, schemas: Iterable[Schema], passwords: Callable[[str], str | None]
) -> None:
    """Create the roles that are missing, set the passwords that are known, and let each use the keyring as it may."""
    schemas = list(schemas)
    groups = {role_name(group) for group in GROUPS}
    logins = {role for schema in schemas for kind, role in schema.roles.items() if kind not in GROUPS}
    there = {row["rolname"] for row in await connection.fetch("select rolname from pg_roles")}
    for role in sorted((groups | logins) - there):
        await _execute(connection, "create role %I nosuperuser nocreatedb nocreaterole", role)
    for role in sorted(logins):
        await _execute(connection, "alter role %I login", role)
        if (password := passwords(role)) is not None:
            await _execute(connection, "alter role %I password %L", role, password)
    for schema in schemas:
        for kind, group in schema.keyring_use.items():
            await _join(connection, schema.roles[kind], group)


async def _join(connection: Connection, role: str, group: RoleKind | None) -> None:
    """Make a role a member of this group by which the keyring is used, and of no other."""
    for other in sorted(GROUPS - {group}):
        await _execute(connection, "revoke %I from %I", role_name(other), role)
    if group is not None:
        await _execute(connection, "grant %I to %I with inherit true, set false", role_name(group), role)


async def grant_privileges(connection: Connection, database: str, schema: Schema) -> None:
    """Take every privilege on the connected database from the public and each role of ours, then grant the declared ones."""
    await _revoke_all(connection, database)
    for role in schema.roles.values():
        await _execute(connection, "grant connect on database %I to %I", database, role)
        await _execute(connection, "grant usage on schema public to %I", role)
    for name, granted in schema.privileges.items():
        on = f"function {name[:-2]}" if name.endswith("()") else f"table {name}"
        for kind, privileges in granted.items():
            if kind in schema.roles:
                await _execute(connection, f"grant {privileges} on {on} to %I", schema.roles[kind])


async def _revoke_all(connection: Connection, database: str) -> None:
    ours = await connection.fetch(
        "select quote_ident(rolname) as role from pg_roles where rolname like 'ooc\\_%' and rolname <> current_user"
    )
    roles = ", ".join(["public", *(row["role"] for row in ours)])
    await _execute(connection, f"revoke all on database %I from {roles}", database)
    for on in ("schema public", *(f"all {kind} in schema public" for kind in ("tables", "sequences", "routines"))):
        await connection.execute(f"revoke all on {on} from {roles}")


async def _execute(connection: Connection, statement: str, *arguments: Any) -> None:
    text = [str(argument) for argument in arguments]
    await connection.execute(await connection.fetchval("select format($1, variadic $2::text[])", statement, text))
