"""Somebody had the owner's login for an hour: what they left in a database, besides rows, `ooc verify` names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import pytest

from ooc.evidence.verification import schemas_of_release
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.schema_contents import schema_problems
from tests.hostile.databases import SCHEMAS, Databases

LEFT: Final = {
    "create or replace function refuse_change() returns trigger language plpgsql as 'begin return null; end'": "refuse_change() is changed",
    "alter function append security invoker": "is changed",
    "alter function append set search_path = pg_temp": "is changed",
    "alter table event disable trigger all": "is changed",
    "drop trigger event_is_append_only on event": "event_is_append_only is missing",
    "create trigger mine before insert on event for each row execute function suppress_redundant_updates_trigger()": "mine is in no",
    "create function mine() returns int language sql as 'select 1'": "mine() is in no",
    "create function pg_catalog.mine() returns int language sql as 'select 1'": "mine() is in no",
    "create rule mine as on insert to event do instead nothing": "mine is in no",
    "create operator public.= (leftarg = text, rightarg = text, function = texticlike)": "operator",
    "create cast (text as uuid) with inout as implicit": "cast",
    "create view mine as select * from event": "mine is in no",
    "create table mine (x int)": "mine is in no",
    "create schema mine": "mine is in no",
    "create type mine as enum ('x')": "mine is in no",
    "alter table event drop constraint event_pkey": "event_pkey is missing",
    "alter table event set unlogged": "event is changed",
    "alter table event enable row level security": "event is changed",
    "alter table event alter column body drop not null": "event is changed",
    "alter table head add column mine int": "head is changed",
    "alter table event owner to {role}": "the owner {role} of table public.event is in no",
    "alter function append owner to {role}": "the owner {role}",
    "drop index claim_by_stream": "index public.claim_by_stream is missing",
    "grant delete on event to {role}": "delete on table public.event for {role} is in no",
    "grant update (body) on event to {role}": "update on column public.event.body for {role} is in no",
    "grant select on event to public": "select on table public.event for everybody is in no",
    "revoke select on event from {role}": "select on table public.event for {role} is missing",
    "grant select on event to {role} with grant option": "to pass on is in no",
    "grant create on schema public to {role}": "create on schema public for {role} is in no",
    "grant connect on database {database} to public": "connect on database for everybody is in no",
    "grant execute on function pg_read_file(text) to {role}": "pg_read_file(text) for {role} is in no",
    "grant execute on function lo_creat(integer) to public": "lo_creat(integer) for everybody is in no",
    "grant select on pg_authid to {role}": "pg_authid for {role} is in no",
    "grant select (rolpassword) on pg_authid to public": "rolpassword for everybody is in no",
    "grant set on parameter session_replication_role to {role}": "session_replication_role for {role} is in no",
    "alter default privileges in schema public grant all on tables to {role}": "makes for {role} is in no",
    "alter default privileges grant select on tables to public": "makes for everybody is in no",
    "alter database {database} set session_replication_role = replica": "session_replication_role=replica",
    "alter role all in database {database} set default_transaction_read_only = on": "default_transaction_read_only=on",
    "select lo_create(4711)": "large object 4711 is in no",
    "create publication mine for all tables": "publication mine is in no",
}
"""A statement of the owner's, and what is said of it."""

KINDS: Final = {
    "event store": "<service>",
    "another service's": "<service>",
    "reporting": "reporting",
    "console": "console",
    "keyring": "keyring",
}


@pytest.fixture
async def owner(databases: Databases) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Yield a connection of the owner's, who changes their mind in the end."""
    connection = await asyncpg.connect(databases.owner("event store"))
    changes = connection.transaction()
    await changes.start()
    yield connection
    await changes.rollback()
    await connection.close()


@pytest.mark.parametrize("which", KINDS)
async def test_a_database_is_what_the_release_makes(databases: Databases, which: str) -> None:
    """The role of `ooc verify` finds each database as services/system/schemas.json says; after a change to a migration, run `make docs`."""
    verifier = await asyncpg.connect(databases.as_role(which, role_name(RoleKind.VERIFY)))
    service = SCHEMAS[which].service if KINDS[which] == "<service>" else None
    assert await schema_problems(verifier, schemas_of_release()[KINDS[which]], service) == []
    await verifier.close()


@pytest.mark.parametrize("statement", LEFT)
async def test_what_an_owner_left_is_named(
    databases: Databases, owner: asyncpg.Connection[asyncpg.Record], statement: str
) -> None:
    """Each change to what acts in a database, or to who may do what there, is named as what it is."""
    names = {"role": role_name(RoleKind.API, "tests"), "database": databases.names["event store"]}
    await owner.execute(statement.format(**names))
    problems = await schema_problems(owner, schemas_of_release()["<service>"], "tests")
    said = LEFT[statement].format(role=role_name(RoleKind.API, "<service>"))
    assert any(said in line for line in problems), problems
