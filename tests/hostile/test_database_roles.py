"""Somebody holds one process's database role: they can do what that process does, and nothing else in any database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from shared.runtime.privileges import CONNECTIONS, SETTINGS, RoleKind, role_name
from shared.servers.database import as_role, database_dsn
from tests.hostile.databases import (
    COLUMN_PRIVILEGES,
    SCHEMAS,
    TABLE_PRIVILEGES,
    Databases,
    declared,
    login_roles,
    may_connect,
)

WHERE: Final = "say in privileges.toml beside its migration what each role may do with it"

Connection = Any


@pytest.fixture(params=list(SCHEMAS))
def which(request: pytest.FixtureRequest) -> str:
    """Each of the databases."""
    return str(request.param)


@pytest.fixture
async def owner(databases: Databases, which: str) -> AsyncIterator[Connection]:
    """Yield a connection to the database as its owner."""
    connection = await asyncpg.connect(databases.owner(which))
    yield connection
    await connection.close()


async def _tables(owner: Connection) -> dict[str, list[str]]:
    """Every table and view of the database with its columns, but dbmate's own."""
    rows = await owner.fetch(
        "select table_name, array_agg(column_name::text order by ordinal_position) as columns"
        " from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations' group by 1"
    )
    return {row["table_name"]: row["columns"] for row in rows}


async def _functions(owner: Connection) -> dict[str, int]:
    """Every function and procedure of the database with its number in the catalogue."""
    rows = await owner.fetch("select proname || '()', oid from pg_proc where pronamespace = 'public'::regnamespace")
    return {row[0]: row["oid"] for row in rows}


async def test_every_table_and_function_has_a_decision(owner: Connection, which: str) -> None:
    """A table or function that a migration makes stands in the declaration, and nothing else does."""
    there = {*await _tables(owner), *await _functions(owner)}
    declared_privileges = set(SCHEMAS[which].privileges)
    assert not there - declared_privileges, f"{sorted(there - declared_privileges)}: {WHERE}"
    assert not declared_privileges - there, f"{sorted(declared_privileges - there)}: no migration makes it"


@pytest.mark.parametrize("login", login_roles())
async def test_each_role_has_the_declared_privileges_and_no_other(owner: Connection, which: str, login: str) -> None:
    """What PostgreSQL would let a role do, through groups and the public too, is what is declared, to the column."""
    assert await _effective(owner, login) == declared(SCHEMAS[which], login)


async def _effective(owner: Connection, login: str) -> set[tuple[str, str, str]]:
    """Return the privileges of a role in PostgreSQL: (table or function, privilege, column or nothing for all)."""
    found: set[tuple[str, str, str]] = set()
    for table, columns in (await _tables(owner)).items():
        rows = await owner.fetch(
            "select p from unnest($3::text[]) as p where has_table_privilege($1, $2, p)", login, table, TABLE_PRIVILEGES
        )
        found |= {(table, row["p"], "") for row in rows}
        parts = await owner.fetch(
            "select p, array_agg(c) as columns from unnest($3::text[]) as p, unnest($4::text[]) as c"
            " where has_column_privilege($1, $2, c, p) group by p",
            *(login, table, COLUMN_PRIVILEGES, columns),
        )
        for row in parts:
            all_of_them = len(row["columns"]) == len(columns)
            found |= {(table, row["p"], "" if all_of_them else column) for column in row["columns"]}
    for function, oid in (await _functions(owner)).items():
        if await owner.fetchval("select has_function_privilege($1, $2::oid, 'execute')", login, oid):
            found.add((function, "execute", ""))
    return found


ATTEMPTS: Final = {
    "select": "select * from {table} limit 0",
    "insert": "insert into {table} default values",
    "update": "update {table} set {column} = default",
    "delete": "delete from {table}",
    "truncate": "truncate {table}",
    "drop": "drop table {table}",
    "alter": "alter table {table} disable trigger all",
    "grant": "alter table {table} owner to {login}",
}


@pytest.mark.parametrize("login", login_roles())
async def test_what_is_not_declared_is_refused_when_it_is_tried(
    databases: Databases, owner: Connection, which: str, login: str
) -> None:
    """PostgreSQL refuses every action on a table or function that is not declared for the role."""
    if not may_connect(SCHEMAS[which], login):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await asyncpg.connect(databases.as_role(which, login))
        return
    allowed = declared(SCHEMAS[which], login)
    tables = await _tables(owner)
    intruder = await asyncpg.connect(databases.as_role(which, login))
    tried = 0
    for table, columns in tables.items():
        for action, statement in ATTEMPTS.items():
            if any(name == table and privilege == action for name, privilege, _ in allowed):
                continue
            tried += 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"permission denied|must be owner"):
                await intruder.execute(statement.format(table=f'"{table}"', column=f'"{columns[0]}"', login=login))
    for function in await _functions(owner):
        if (function, "execute", "") not in allowed:
            tried += 1
            arguments = await owner.fetchval(
                "select array_to_string(array_fill('null'::text, array[pronargs]), ', ') from pg_proc where proname = $1",
                function[:-2],
            )
            with pytest.raises(asyncpg.PostgresError) as refused:
                await intruder.execute(f"select {function[:-2]}({arguments or ''})")
            # A trigger's function can be called by nobody at all.
            assert refused.type in (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)
    await intruder.close()
    assert tried > len(tables)


FOREIGN: Final = (
    "create table mine (x int)",
    "create temporary table mine (x int)",
    "create schema mine",
    "create function mine() returns int language sql as 'select 1'",
    "create role mine",
    "create database mine",
    "set role postgres",
    "set role ooc_sealing",
    "set role ooc_erasure",
    "set session_replication_role = replica",
    "copy (select 1) to '/tmp/mine'",
    "select pg_read_file('/etc/passwd')",
    "select lo_creat(-1)",
    "select lo_from_bytea(0, 'mine')",
    "select lo_put(1, 0, 'mine')",
    "select pg_logical_emit_message(false, 'mine', 'mine')",
)


@pytest.mark.parametrize("login", login_roles())
async def test_no_role_can_make_anything_or_become_another(databases: Databases, login: str) -> None:
    """No role can create tables, roles or databases, become another role, or read the files of the server."""
    which = next(which for which in SCHEMAS if may_connect(SCHEMAS[which], login))
    intruder = await asyncpg.connect(databases.as_role(which, login))
    for statement in FOREIGN:
        if statement != f"set role {login}":
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await intruder.execute(statement)
    await intruder.close()


@pytest.mark.parametrize("login", login_roles())
async def test_no_role_connects_to_the_databases_that_every_server_has(databases: Databases, login: str) -> None:
    """No role can connect to `postgres` or a template, where it could leave something for the next database."""
    for name in ("postgres", "template0", "template1"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
            await asyncpg.connect(as_role(database_dsn(databases.server, name), login))


@pytest.mark.parametrize("login", login_roles())
async def test_no_role_locks_what_an_append_reads(databases: Databases, login: str) -> None:
    """No role can hold the tables that every append reads, or a table of alarms, locked against everybody."""
    for which in ("event store", "another service's", "reporting"):
        if may_connect(SCHEMAS[which], login):
            intruder = await asyncpg.connect(databases.as_role(which, login))
            for table in {"alarm", "head", "event", "answer", "claim", "relayed"} & SCHEMAS[which].privileges.keys():
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with intruder.transaction():
                        await intruder.execute(f"lock table {table} in share mode nowait")
            await intruder.close()


@pytest.mark.parametrize("login", login_roles())
async def test_what_a_role_sets_for_itself_is_taken_away(databases: Databases, login: str) -> None:
    """A role can change its own settings, as PostgreSQL allows; the next migration resets them."""
    which = next(which for which in SCHEMAS if may_connect(SCHEMAS[which], login))
    wanted = {
        "lock_timeout": SETTINGS["lock_timeout"],
        "default_transaction_read_only": "off",
        "synchronous_commit": "on",
    }
    intruder = await asyncpg.connect(databases.as_role(which, login))
    await intruder.execute(f"alter role {login} set default_transaction_read_only = on")
    await intruder.execute(f"alter role {login} in database {databases.names[which]} set lock_timeout = '1h'")
    await intruder.execute(f"alter role {login} set synchronous_commit = off")
    await intruder.close()
    await databases.make()
    again = await asyncpg.connect(databases.as_role(which, login))
    assert {name: await again.fetchval(f"show {name}") for name in wanted} == wanted
    await again.close()


@pytest.mark.parametrize("login", login_roles())
async def test_no_role_takes_every_connection(databases: Databases, login: str) -> None:
    """A role has a number of connections, and others find theirs when it has taken them all."""
    owner = await asyncpg.connect(databases.server)
    limit = await owner.fetchval("select rolconnlimit from pg_roles where rolname = $1", login)
    assert 0 < limit <= int(await owner.fetchval("show max_connections")) / 4
    await owner.close()


async def test_a_role_that_takes_its_connections_gets_no_more(databases: Databases) -> None:
    """The role that erases opens its connections, and is refused one more."""
    role = role_name(RoleKind.ERASURE)
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS[RoleKind.ERASURE]):
            stack.push_async_callback((await asyncpg.connect(databases.as_role("keyring", role))).close)
        with pytest.raises(asyncpg.TooManyConnectionsError, match="too many connections for role"):
            await asyncpg.connect(databases.as_role("keyring", role))


async def test_no_role_owns_anything(databases: Databases) -> None:
    """No role owns a table, function, schema or database, so it can grant itself nothing."""
    owner = await asyncpg.connect(databases.server)
    owned = "select refobjid::regrole::text from pg_shdepend where refobjid = any($1::regrole[]) and deptype = 'o'"
    assert await owner.fetch(owned, login_roles()) == []
    await owner.close()


async def test_a_privilege_granted_by_hand_is_taken_away(databases: Databases, owner: Connection, which: str) -> None:
    """Provisioning again revokes a privilege that was granted by hand."""
    table = min(await _tables(owner))
    declared_role = next(iter(SCHEMAS[which].roles.values()))
    undeclared_role = f"ooc_stranger_{uuid4().hex[:8]}"
    await owner.execute(f"create role {undeclared_role}")
    await owner.execute(f'grant truncate on "{table}" to {declared_role}, {undeclared_role}, public')
    await owner.execute(f"grant connect on database {databases.names[which]} to {undeclared_role}, public")
    await databases.make()
    for role in (declared_role, undeclared_role, "public"):
        assert not await owner.fetchval("select has_table_privilege($1, $2, 'truncate')", role, table)
    for role in (undeclared_role, "public"):
        assert not await owner.fetchval(
            "select has_database_privilege($1, $2, 'connect')", role, databases.names[which]
        )
    await owner.execute(f"drop role {undeclared_role}")
