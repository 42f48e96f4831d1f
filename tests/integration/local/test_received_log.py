"""The write-ahead log is received from a real server, also from one whose history is not what was received before."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pyrage
import pytest

from ooc.backup.follow import PACKED, PARTIAL, WAL, receiving
from ooc.backup.manifest import origin_of_backups
from ooc.backup.sealed import BadBackup
from shared.privacy.signed_note import SigningKeys
from tests.conftest import _Background
from tests.integration.local.waiting import eventually
from tests.local_servers import servers
from tests.ports import free_ports
from tools.local import postgres

RECIPIENT = pyrage.x25519.Identity.generate().to_public()
SIGNERS = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(origin_of_backups("test.example"))


@pytest.fixture
def server(tmp_path: Path, _background: _Background) -> Iterator[str]:
    """Yield the address of a PostgreSQL of the test's own."""
    tmp_path.chmod(0o711)  # it may run as another user
    (port,) = free_ports(1)
    stack = contextlib.AsyncExitStack()
    _background.run(stack.enter_async_context(servers(tmp_path / "server", postgres_port=port)))
    yield postgres.dsn(port)
    _background.run(stack.aclose())


async def test_what_a_restored_server_lacks_holds_up_nothing_that_follows(server: str, tmp_path: Path) -> None:
    """Given a segment that was begun before a restore to an earlier moment, then the receiver says so, and next time goes on."""
    folder, spool = tmp_path / "backup", tmp_path / "spool"
    spool.mkdir()
    (spool / f"00000001000000FF00000001{PARTIAL}").write_bytes(bytes(16 << 20))
    with pytest.raises(BadBackup, match="received no more"):
        async with receiving(folder, spool, server, RECIPIENT, SIGNERS) as received:
            await received
    async with receiving(folder, spool, server, RECIPIENT, SIGNERS) as received:
        connection = await asyncpg.connect(server)
        await connection.execute("create table written ()")
        await connection.execute("select pg_switch_wal()")
        await connection.close()

        async def is_received() -> bool:
            return received.done() or any((folder / WAL).glob(f"*{PACKED}"))

        await eventually(is_received)
        assert not received.done()
