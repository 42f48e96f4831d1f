"""A recovery replays the whole write-ahead log that it was given, or says that it did not."""

import shutil
from pathlib import Path

import asyncpg
import pytest

from ooc.backup.sealed import BadBackup
from ooc.restore.recovery import recovered
from tests.integration.failover.pair import Pair


async def backed_up(pair: Pair, folder: Path) -> tuple[Path, Path, str]:
    """Make a base backup and keep the full segments after it; returns both folders, named from the current one, and the last segment."""
    folder.chmod(0o711)  # PostgreSQL may run as another user
    await pair.primary.back_up(folder / "base")
    await pair.primary.do("create table written (n int)", "select pg_switch_wal()")
    await pair.primary.do("insert into written values (1)", "select pg_switch_wal()")
    (folder / "base" / "data" / "recovery.signal").touch()
    (folder / "wal").mkdir()
    last = await pair.primary.ask("select pg_walfile_name(pg_current_wal_lsn())")
    for segment in pair.primary.folder.rglob("pg_wal/" + "?" * 24):
        if segment.name < last:
            shutil.copy(segment, folder / "wal")
    return Path("base", "data"), Path("wal"), max(file.name for file in (folder / "wal").iterdir())


async def test_folders_named_from_where_we_are_are_found(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a log whose folder is named from the current one, as the how-to does, when it is recovered, then its last row is there."""
    monkeypatch.chdir(tmp_path)
    data, wal, last = await backed_up(pair, tmp_path)
    async with recovered(data, wal, last) as server:
        connection = await asyncpg.connect(server)
        assert await connection.fetchval("select n from written") == 1
        await connection.close()


async def test_a_recovery_that_ends_too_early_is_said(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a log that lacks a segment in its midst, when it is recovered, then where it ended is said, and nothing is yielded."""
    monkeypatch.chdir(tmp_path)
    data, wal, last = await backed_up(pair, tmp_path)
    sorted(wal.iterdir())[-2].unlink()
    with pytest.raises(BadBackup, match="which goes on to"):
        async with recovered(data, wal, last):
            pass
