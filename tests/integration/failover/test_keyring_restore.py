"""No key that was used is lost with the keyring's server: the rule of docs/how-to/rehearse-a-restore.md, walked."""

import shutil
import tempfile
from pathlib import Path

from shared.privacy.keyring import PostgresKeyring
from shared.runtime.provision import KEYRING_DATABASE, databases, service_database
from shared.servers.database import create_pool, database_dsn
from tests.integration.event_store.streams import as_application
from tests.integration.failover.pair import Server, private
from tests.integration.keyring.rings import new_kek
from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local.child_process import run_program
from tools.local.postgres_programs import UNPRIVILEGED, program


async def test_a_keyring_comes_back_to_its_last_key_from_an_older_backup() -> None:
    """Given a backup, and the log received synchronously, when the server is lost with its disk, then the newest key is there."""
    first, second = free_ports(2)
    kek = new_kek()
    with tempfile.TemporaryDirectory(prefix="ooc-keyring-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        lost, restored = Server(folder / "lost", first), Server(folder / "restored", second)
        received = private(folder / "received")
        receiving = [str(program("pg_receivewal")), "-D", str(received), "--synchronous", "-d", lost.url]
        try:
            await lost.start()
            await databases(lost.url, [KEYRING_DATABASE, service_database("tests")])
            await lost.back_up(restored.folder)
            async with run_program(receiving, user=UNPRIVILEGED):
                await lost.do("alter system set synchronous_standby_names = 'pg_receivewal'", "select pg_reload_conf()")
                await eventually(lambda: lost.ask("select sync_state = 'sync' from pg_stat_replication"))
                pool = await create_pool(as_application(database_dsn(lost.url, KEYRING_DATABASE[0])))
                made = await PostgresKeyring(pool, kek).keys_for_sealing(["home/newest"])
                await lost.kill()
                pool.terminate()
            shutil.rmtree(lost.folder)
            copy = f"cp {received}/%f %p || cp {received}/%f.partial %p"
            with (restored.folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
                settings.write(f"restore_command = '{copy}'\n")
            (restored.folder / "data" / "recovery.signal").touch()
            await restored.start()
            await eventually(lambda: restored.ask("select not pg_is_in_recovery()"))
            pool = await create_pool(as_application(database_dsn(restored.url, KEYRING_DATABASE[0])))
            assert await PostgresKeyring(pool, kek).open([("home/newest", 1)]) == {
                ("home/newest", 1): made["home/newest"]
            }
            pool.terminate()
        finally:
            await lost.kill()
            await restored.kill()
