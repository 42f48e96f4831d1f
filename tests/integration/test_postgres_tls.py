"""TLS to PostgreSQL, as deploy/kubernetes asks for it: Debian's server, since the embedded one has no OpenSSL."""

import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import KEYRING_DATABASE, databases, schema_state
from shared.servers.database import create_pool, database_dsn, writable_host
from shared.servers.settings import Settings
from tests.authority import Authority
from tests.integration.failover.pair import START_SECONDS, private
from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local import child_process
from tools.local.postgres_programs import UNPRIVILEGED

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="Debian: apt-get install postgresql")

PASSWORD = "open/sesame?"  # an address has to quote it


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """Make the authority of the server, and one that signed nothing."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority.made(folder / "own"), Authority.made(folder / "other")


@pytest.fixture
async def port(tmp_path: Path, authorities: tuple[Authority, Authority]) -> AsyncIterator[int]:
    """Run a PostgreSQL that lets nobody in without TLS and a password; its certificate is for `localhost`."""
    assert PROGRAMS is not None
    data, password = private(tmp_path / "data"), tmp_path / "password"
    password.write_text(PASSWORD, encoding="ascii")
    made = [str(PROGRAMS / "initdb"), "-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password}"]
    await child_process.run(made, user=UNPRIVILEGED, otherwise="no data directory")
    authorities[0].issue("localhost", data)
    owner = data.stat()
    (data / "server.key").chmod(0o600)
    os.chown(data / "server.key", owner.st_uid, owner.st_gid)
    (data / "pg_hba.conf").write_text("hostnossl all all all reject\nhostssl all all all scram-sha-256\n", "ascii")
    (chosen,) = free_ports(1)
    settings = ("ssl=on", "unix_socket_directories=", "listen_addresses=127.0.0.1")
    more = [part for setting in settings for part in ("-c", setting)]
    serve = [str(PROGRAMS / "postgres"), "-D", str(data), "-p", str(chosen), *more]
    async with child_process.run_program(serve, user=UNPRIVILEGED):
        yield chosen


def address(port: int, authority: Authority, host: str = "localhost") -> str:
    """Return where the server is, as a process of ours is told it."""
    return f"postgresql://{host}:{port}/?sslmode=verify-full&sslrootcert={authority.file}"


async def owner(port: int, tmp_path: Path, authority: Authority) -> Settings:
    """Return the settings of `ooc migrate`, once the server answers."""
    passwords = tmp_path / "passwords"
    passwords.mkdir()
    for role in ("postgres", *(role_name(kind) for kind in RoleKind), *KEYRING_DATABASE[1].roles.values()):
        (passwords / role).write_text(PASSWORD, encoding="ascii")
    there = address(port, authority)
    settings = Settings(
        database_url=there, admin_database_url=there.replace("//", "//postgres@", 1), database_passwords=passwords
    )

    async def answers() -> bool:
        try:
            return bool(await writable_host(settings.owner_database_url))
        except (OSError, asyncpg.CannotConnectNowError):
            return False

    await eventually(answers, START_SECONDS)
    return settings


async def test_processes_check_the_certificate_and_migrations_too(
    port: int, authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    """Given the server's authority, migrations and a process's pool connect; by another one, or another name, nobody does."""
    own, other = authorities
    settings = await owner(port, tmp_path, own)
    name, schema = KEYRING_DATABASE
    await databases(settings.owner_database_url, [KEYRING_DATABASE], settings.password_of)
    state = await schema_state(database_dsn(settings.owner_database_url, name), schema)
    assert (state.database, state.missing) == (name, ())
    async with await create_pool(settings.database("keyring", role_name(RoleKind.VERIFY)), max_size=1) as pool:
        assert await pool.fetchval(
            "select ssl and version like 'TLSv1.%' from pg_stat_ssl where pid = pg_backend_pid()"
        )
    for wrong in (address(port, other), address(port, own, "127.0.0.1")):
        refused = settings.model_copy(update={"database_url": wrong})
        with pytest.raises(ssl.SSLCertVerificationError):
            await writable_host(refused.database("keyring", role_name(RoleKind.VERIFY)))
    plain = settings.model_copy(update={"database_url": f"postgresql://localhost:{port}/?sslmode=disable"})
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await writable_host(plain.database("keyring", role_name(RoleKind.VERIFY)))
