"""How roles come to be: passwords outside a local system, a database of another service, and whose line a log line is."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import pytest

from services.system.registry import databases_without_events
from shared.api.access_log import AccessLog
from shared.domain.messages import Actor
from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.runtime import provision
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import KEYRING_DATABASE, ProvisionFailed, provision_databases, service_database
from shared.servers.database import database_dsn
from shared.servers.settings import NoPassword, Settings
from tests.hostile.databases import Databases
from tests.integration.local.waiting import eventually
from tests.integration.passwords import new_passwords
from tests.local_servers import servers
from tests.ports import free_ports
from tools.local import postgres


@pytest.fixture
async def strict_server() -> AsyncIterator[str]:
    """Yield a PostgreSQL of the test's own that asks everybody for a password: its address, for its superuser without it."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        async with servers(Path(folder), postgres_port=port):
            yield postgres.dsn(port)


async def _ask_for_passwords(server: str, password: str) -> None:
    owner = await asyncpg.connect(server)
    await owner.execute(f"alter role postgres password '{password}'")
    rules = Path(await owner.fetchval("show hba_file"))
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    await owner.execute("select pg_reload_conf()")
    await owner.close()


async def test_each_role_has_its_own_password_where_the_server_asks_for_one(strict_server: str, tmp_path: Path) -> None:
    """Each role, and the superuser, connects with its own password and with no other."""
    schemas = [
        KEYRING_DATABASE[1],
        service_database("referral")[1],
        *(schema for _, schema in databases_without_events()),
    ]
    passwords = new_passwords(tmp_path, schemas)
    await _ask_for_passwords(strict_server, (passwords / "postgres").read_text(encoding="utf-8").strip())
    settings = Settings(database_url=strict_server, database_passwords=passwords, kek="unused")
    await provision_databases(settings, ["referral"], databases_without_events())
    await provision_databases(settings, ["referral"], databases_without_events())
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


async def test_a_lost_connection_does_not_end_a_provisioning(strict_server: str) -> None:
    """Given a server that cuts the session of a provisioner, the databases are made all the same."""
    settings = Settings(mode="local", database_url=strict_server, kek="unused")
    owner = await asyncpg.connect(strict_server)
    kill = (
        "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
    )
    provisioning = asyncio.create_task(provision_databases(settings, ["referral"], ()))
    await eventually(lambda: owner.fetchval(kill))
    await provisioning
    assert await owner.fetchval("select count(*) from pg_database where datname = 'ooc_referral'") == 1
    await owner.close()


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


async def test_a_database_of_another_service_is_not_taken_over(postgres_url: str, database: str) -> None:
    """Given a service's event store, provisioning it as another's is refused, and changes nothing of whose it is."""
    name = database.rpartition("/")[2]
    await provision.databases(postgres_url, [(name, service_database("tests")[1])])
    with pytest.raises(ProvisionFailed, match="is the event store of tests, not of others"):
        await provision.databases(postgres_url, [(name, service_database("others")[1])])
    owner = await asyncpg.connect(database)
    assert await owner.fetchval("select service from event_store") == "tests"
    await owner.close()


@pytest.mark.parametrize(("which", "service"), [("event store", "tests"), ("reporting", "reporting")])
async def test_a_log_line_says_which_role_wrote_it(databases: Databases, which: str, service: str) -> None:
    """A line of the access log has the database role that wrote it, whatever actor the process claims."""
    role = role_name(RoleKind.API, service)
    somebody = Actor(id=uuid4(), role="AUDITOR", organisation="DORSET_POLICE")
    async with asyncpg.create_pool(databases.as_role(which, role), min_size=1) as pool:
        await AccessLog(pool).record(somebody, "READ_STATE", "t", outcome="GIVEN")
    owner = await asyncpg.connect(databases.owner(which))
    assert await owner.fetchval("select written_by from access_log order by sequence desc limit 1") == role
    await owner.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(databases.as_role(which, role_name(RoleKind.API, "others")))


async def test_no_line_of_the_access_log_is_too_long_to_be_read(databases: Databases) -> None:
    """Given the API's role, when it writes a line that verification or an export could not read, then it is refused."""
    intruder = await asyncpg.connect(databases.as_role("reporting", role_name(RoleKind.API, "reporting")))
    try:
        for place in range(6):
            texts = ["x" * (30_000 if n == place else 1) for n in range(6)]
            with pytest.raises(asyncpg.PostgresError, match=r"line_is_short|index row size"):
                await intruder.execute("select log_access($1, $2, $3, $4, $5, $6, $7, '{}')", uuid4(), *texts)
    finally:
        await intruder.close()


async def test_no_alarm_is_too_long_or_too_many_to_read(databases: Databases) -> None:
    """Given a role that fills the table of alarms, when a process reads them at its start, then it reads some of them, all short."""
    intruder = await asyncpg.connect(databases.as_role("event store", role_name(RoleKind.SIGNER, "tests")))
    consumer = f"x{uuid4().hex}"
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="alarm_is_short"):
            await intruder.execute("insert into alarm values ($1, 'poison', '', repeat('x', 5000))", consumer)
        await raise_alarm(intruder, consumer, "poison", "long", "é" * 5000)
        await intruder.execute(
            "insert into alarm select $1, 'poison', n::text, '' from generate_series(1, 3000) as n", consumer
        )
        assert len(await alarms(intruder)) <= 1000
    finally:
        await intruder.execute("select clear_alarms($1, '{poison}')", consumer)
        await intruder.close()


REWRITES: Final = (
    "update quarantine set body = '{}'",
    "update quarantine set headers = '[]', stream = 'referral/x', version = 2, hash = sha256('x'), key = 'x'",
    "update quarantine set cause = 'gap' where cause = 'foreign_record'",
    "insert into quarantine (consumer, topic, partition, \"offset\", stream, headers, body, error) values ('x', 'x', 0, 0, 'x', '[]', '', '')",
    "update checkpoint set next_offset = 1000000 where consumer = 'hostile'",
)


@pytest.mark.parametrize("which", ["event store", "reporting"])
@pytest.mark.parametrize("rewrite", REWRITES)
async def test_an_api_rewrites_nothing_that_a_consumer_takes_up(databases: Databases, which: str, rewrite: str) -> None:
    """Given the API's role, when it puts other bytes in the place of a held record, or moves a consumer, then that is refused."""
    service = "reporting" if which == "reporting" else "tests"
    owner = await asyncpg.connect(databases.owner(which))
    intruder = await asyncpg.connect(databases.as_role(which, role_name(RoleKind.API, service)))
    try:
        await owner.execute("insert into checkpoint values ('hostile', 'x', 0, 1) on conflict do nothing")
        await owner.execute(
            'insert into quarantine (consumer, topic, partition, "offset", stream, headers, body, error)'
            " values ('hostile', 'x', 0, 0, 'x', '[]', '', '') on conflict do nothing"
        )
        await intruder.execute("select from checkpoint where consumer = 'hostile' for update")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await intruder.execute(rewrite)
    finally:
        for table in ("checkpoint", "quarantine"):
            await owner.execute(f"delete from {table} where consumer = 'hostile'")
        await intruder.close()
        await owner.close()
