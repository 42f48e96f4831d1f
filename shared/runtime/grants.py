"""Creates the database roles, and grants exactly what `shared.runtime.privileges` declares. Safe to repeat."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from shared.runtime.privileges import CONNECTIONS, GROUPS, SETTINGS, RoleKind, Schema, role_name
from shared.servers.database import Connection

_EVERYWHERE: Final = ("postgres", "template0", "template1")
"""The databases that every server has, and every role may connect to unless that is revoked."""

_OPEN_TO_ALL: Final = """
    select oid::regprocedure::text as routine from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and (
        proname like 'lo\\_%' or proname in ('loread', 'lowrite', 'pg_logical_emit_message')
    ) and exists (
        select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0 and privilege_type = 'EXECUTE'
    )
"""
"""Functions of PostgreSQL itself that leave something behind, which the public may call unless that is revoked."""

_SET: Final = """
    select r.rolname as role, d.datname as database, s.setting
    from pg_db_role_setting as c join pg_roles as r on r.oid = c.setrole left join pg_database as d on d.oid = c.setdatabase
    cross join unnest(c.setconfig) as s (setting) where r.rolname = any($1::text[])
"""


async def create_roles(
    connection: Connection, schemas: Iterable[Schema], passwords: Callable[[str], str | None]
) -> None:
    """Create the roles that are missing, give each its limits, and let each use the keyring as it may.

    Settings that a role has made for itself are taken back. Passwords that are known are set.
    """
    schemas = list(schemas)
    groups = {role_name(group) for group in GROUPS}
    logins = {role: kind for schema in schemas for kind, role in schema.roles.items() if kind not in GROUPS}
    there = {row["rolname"] for row in await connection.fetch("select rolname from pg_roles")}
    for role in sorted((groups | logins.keys()) - there):
        await _execute(connection, "create role %I nosuperuser nocreatedb nocreaterole", role)
    for row in await connection.fetch(_SET, sorted(logins)):
        where = () if row["database"] is None else (row["database"],)
        await _execute(connection, "alter role %I" + " in database %I" * len(where) + " reset all", row["role"], *where)
    for role, kind in sorted(logins.items()):
        await _execute(connection, f"alter role %I login connection limit {CONNECTIONS[kind]}", role)
        for name, value in SETTINGS.items():
            await _execute(connection, f"alter role %I set {name} = %L", role, value)
        if (password := passwords(role)) is not None:
            await _execute(connection, "alter role %I password %L", role, password)
    for schema in schemas:
        for kind, group in schema.keyring_use.items():
            await _join(connection, schema.roles[kind], group)
    for name in _EVERYWHERE:
        await _execute(connection, "revoke connect, temporary on database %I from public", name)


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
    if routines := [row["routine"] for row in await connection.fetch(_OPEN_TO_ALL)]:
        await connection.execute(f"revoke execute on function {', '.join(routines)} from {roles}")


async def revoke_advisory_locks(connection: Connection) -> None:
    """Let only the owner's functions take advisory locks: a lock that is held open stops all others that need it."""
    for row in await connection.fetch(
        "select oid::regprocedure::text from pg_proc where proname ~ '^pg_(try_)?advisory_(xact_)?lock'"
    ):
        await connection.execute(f"revoke execute on function {row['oid']} from public")


async def _execute(connection: Connection, statement: str, *arguments: Any) -> None:
    text = [str(argument) for argument in arguments]
    await connection.execute(await connection.fetchval("select format($1, variadic $2::text[])", statement, text))
