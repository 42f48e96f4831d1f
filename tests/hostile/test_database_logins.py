"""How roles come to be: passwords outside a local system, databases of an older version, and whose line a log line is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.registry import projection_databases
from shared.api.access_log import AccessLog
from shared.database import database_dsn
from shared.domain.messages import Actor
from shared.event_store import Appended
from shared.event_store.anchors import Anchors
from shared.event_store.postgres import PostgresEventStore
from shared.runtime import provision
from shared.runtime.privileges import (
    RETIRED,
    RoleKind,
    Schema,
    role_name,
)
from shared.runtime.provision import (
    KEYRING_DATABASE,
    ProvisionFailed,
    provision_databases,
    service_database,
)
from shared.runtime.settings import NoPassword, Settings
from shared.runtime.verification.access_log import AccessLogCheck, check_access_log
from tests.hostile.databases import Databases
from tests.integration.event_store.streams import Stream, as_application, note_of
from tests.integration.passwords import new_passwords
from tools import local
from tools.local import postgres

BEFORE_ROLES = "20261125"
"""Migrations from before this day knew one role."""


@pytest.fixture
async def strict_server() -> AsyncIterator[str]:
    """A PostgreSQL of the test's own that asks everybody for a password: its address, for its superuser without it."""
    (port,) = local.free_ports(1)
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        async with local.servers(Path(folder), postgres_port=port):
            yield postgres.dsn(port)


async def _ask_for_passwords(server: str, password: str) -> None:
    owner = await asyncpg.connect(server)
    await owner.execute(f"alter role postgres password '{password}'")
    rules = Path(await owner.fetchval("show hba_file"))
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    await owner.execute("select pg_reload_conf()")
    await owner.close()


async def test_each_role_has_its_own_password_where_the_server_asks_for_one(strict_server: str, tmp_path: Path) -> None:
    """Provisioned with a directory of passwords, each role connects with its own and with no other, the superuser too."""
    schemas = [KEYRING_DATABASE[1], service_database("referral")[1], *(schema for _, schema in projection_databases())]
    passwords = new_passwords(tmp_path, schemas)
    await _ask_for_passwords(strict_server, (passwords / "postgres").read_text(encoding="utf-8").strip())
    settings = Settings(database_url=strict_server, database_passwords=passwords, kek="unused")
    await provision_databases(settings, ["referral"], projection_databases())
    await provision_databases(settings, ["referral"], projection_databases())
    role, other = role_name(RoleKind.API, "referral"), role_name(RoleKind.WORKER, "referral")
    for name in ("referral", "keyring"):
        connection = await asyncpg.connect(settings.database(name, role))
        assert await connection.fetchval("select session_user") == role
        await connection.close()
    (passwords / role).write_text((passwords / other).read_text(encoding="utf-8"), encoding="utf-8")
    for address in (
        settings.database("referral", role),
        database_dsn(strict_server, "postgres"),
        database_dsn(strict_server.replace("postgres@", f"{role}@"), "ooc_referral"),
    ):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(address)


async def test_a_process_without_its_password_says_which_is_missing(tmp_path: Path) -> None:
    """Given a directory without a role's password, or with an empty one, the error names role and file."""
    settings = Settings(database_passwords=tmp_path)
    with pytest.raises(NoPassword, match=r"role ooc_referral_api cannot be read.*No such file"):
        settings.database("referral", "ooc_referral_api")
    (tmp_path / "ooc_referral_api").write_text("\n", encoding="utf-8")
    with pytest.raises(NoPassword, match="role ooc_referral_api is empty"):
        settings.database("referral", "ooc_referral_api")
    (tmp_path / "ooc_referral_api").write_text("p@ss/word:1\n", encoding="utf-8")
    assert settings.database("referral", "ooc_referral_api").startswith(
        "postgresql://ooc_referral_api:p%40ss%2Fword%3A1@"
    )


async def test_production_has_no_role_without_a_password(postgres_url: str) -> None:
    """Given the mode production and no directory of passwords, provisioning stops before it makes anything, and says why."""
    settings = Settings(mode="production", database_url=postgres_url, kek="unused")
    with pytest.raises(ProvisionFailed, match="OOC_DATABASE_PASSWORDS"):
        await provision_databases(settings, ["referral"], ())


async def test_databases_of_before_come_up_with_all_that_is_in_them(
    postgres_url: str, database: str, tmp_path: Path
) -> None:
    """Given an event store of the version with one role, provisioning keeps its events and takes the old role's privileges."""
    name = database.rpartition("/")[2]
    now = service_database("tests")[1]
    await provision.databases(postgres_url, [])
    await provision._migrate(database, _old_migrations(now, tmp_path))
    owner = await asyncpg.connect(database)
    assert await owner.fetchval("select has_table_privilege($1, 'checkpoint', 'delete')", RETIRED)
    stream = Stream()
    old = stream.asks(b"of before")
    event = old.events[0]
    await owner.execute(
        "select append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
        *([old.command_id], [old.digest], [old.stream], [0], [bytes(32)], ["[]"], ["[]"], [1]),
        *([event.event_id], [event.type], [event.home], [event.body], [event.hash]),
    )
    stream.knows(old)
    await owner.execute("select log_access($1, 'AUDITOR', 'X', 'READ_STATE', 't', null, 'GIVEN', '{}')", UUID(int=1))
    await provision.databases(postgres_url, [(name, now)])
    assert not await owner.fetchval("select has_table_privilege($1, 'checkpoint', 'delete')", RETIRED)
    async with asyncpg.create_pool(as_application(database), min_size=1) as pool:
        event_store = PostgresEventStore(pool)
        assert isinstance(await event_store.append(stream.asks(b"of now")), Appended)
        notes = [note_of(record.body) for record in (await event_store.load(stream.name)).records]
        assert notes == [b"of before", b"of now"]
        await AccessLog(pool).record(_somebody(), "READ_STATE", "t", outcome="GIVEN")
    async with asyncpg.create_pool(database, min_size=1) as pool:
        await check_access_log(pool, Anchors(), check := AccessLogCheck())
        assert (check.lines, check.problems.lines) == (2, ())
    lines = await owner.fetch("select written_by from access_log order by sequence")
    assert [line["written_by"] for line in lines] == [None, "ooc_tests_api"]
    await owner.close()


def _old_migrations(schema: Schema, folder: Path) -> list[Path]:
    """The migrations as they were, which granted by themselves what the one role might do."""
    found: list[Path] = []
    for part in schema.parts:
        found.append(folder / part.migrations.name)
        found[-1].mkdir()
        for file in part.migrations.glob("*.sql"):
            if file.name < BEFORE_ROLES:
                shutil.copy(file, found[-1])
    return found


async def test_a_database_of_another_service_is_not_taken_over(postgres_url: str, database: str) -> None:
    """Given a service's event store, provisioning it as another's is refused, and changes nothing of whose it is."""
    name = database.rpartition("/")[2]
    await provision.databases(postgres_url, [(name, service_database("tests")[1])])
    with pytest.raises(ProvisionFailed, match="is the event store of tests, not of others"):
        await provision.databases(postgres_url, [(name, service_database("others")[1])])
    owner = await asyncpg.connect(database)
    assert await owner.fetchval("select service from event_store") == "tests"
    await owner.close()


def _somebody() -> Actor:
    return Actor(id=uuid4(), role="AUDITOR", organisation="DORSET_POLICE")


@pytest.mark.parametrize(("which", "service"), [("event store", "tests"), ("reporting", "reporting")])
async def test_a_log_line_says_which_role_wrote_it(databases: Databases, which: str, service: str) -> None:
    """Whatever actor a process claims, the line has the role that wrote it, and no service writes in another's log."""
    role = role_name(RoleKind.API, service)
    async with asyncpg.create_pool(databases.as_role(which, role), min_size=1) as pool:
        await AccessLog(pool).record(_somebody(), "READ_STATE", "t", outcome="GIVEN")
    owner = await asyncpg.connect(databases.owner(which))
    assert await owner.fetchval("select written_by from access_log order by sequence desc limit 1") == role
    await owner.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(databases.as_role(which, role_name(RoleKind.API, "others")))
