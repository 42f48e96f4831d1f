"""The write-ahead log for the backups is received from whichever server takes writes."""

import base64
import os
from pathlib import Path

import pyrage
import pytest

from ooc.backup import follow
from ooc.backup.follow import PACKED, RECEIVING, WAL, receiving
from ooc.backup.manifest import origin_of_backups
from ooc.backup.sealed import BadBackup
from shared.privacy.signed_note import SigningKeys
from tests.integration.failover.pair import Pair
from tests.integration.local.waiting import eventually

RECIPIENT = pyrage.x25519.Identity.generate().to_public()
SIGNERS = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(origin_of_backups("test.example"))


def segments(folder: Path, timeline: int) -> list[int]:
    """Return the numbers of the full segments of a timeline that were kept."""
    return sorted(int(file.name[8:24], 16) for file in (folder / WAL).glob(f"{timeline:08X}????????????????{PACKED}"))


async def begun(folder: Path) -> None:
    """Wait until a segment is being received."""
    await eventually(lambda: list((folder / "spool").glob("*.partial")))


async def test_what_has_been_received_is_kept_before_the_receiving_ends(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given what is received between two copies, when the receiving is ended, then the folder of backups has it."""
    monkeypatch.setattr(follow, "PAUSE", 3600.0)
    spool = tmp_path / "spool"
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS):
        await begun(tmp_path)
        await pair.primary.do("create table written (n text)", "insert into written values ('the last commit')")
        await eventually(lambda: any(b"the last commit" in file.read_bytes() for file in spool.glob("*.partial")))
    (kept,) = (tmp_path / WAL / RECEIVING).glob("*.partial")
    assert b"the last commit" in kept.read_bytes()


async def test_the_log_of_a_promoted_standby_is_received(pair: Pair, tmp_path: Path) -> None:
    """Given a standby that has no slot for us, when it is promoted, then its log is received, and no segment is missing."""
    async with receiving(tmp_path, tmp_path / "spool", pair.url, RECIPIENT, SIGNERS) as received:
        await begun(tmp_path)
        await pair.primary.do(
            "create table written (n int)", "select pg_switch_wal()", "insert into written values (1)"
        )
        await eventually(lambda: segments(tmp_path, 1))
        await pair.caught_up()
        await pair.fail_over()
        await pair.standby.do("insert into written values (2)", "select pg_switch_wal()")
        await eventually(lambda: received.done() or segments(tmp_path, 2))
        assert segments(tmp_path, 2)[0] - segments(tmp_path, 1)[-1] == 1


async def test_a_timeline_that_ended_with_a_segment_is_left(pair: Pair, tmp_path: Path) -> None:
    """Given a standby promoted just where a segment ends, which pg_receivewal cannot cross, then it is said, and the next is received."""
    async with receiving(tmp_path, tmp_path / "spool", pair.url, RECIPIENT, SIGNERS) as received:
        await begun(tmp_path)
        await pair.primary.do("create table written (n int)", "select pg_switch_wal()")
        await eventually(lambda: segments(tmp_path, 1))
        await pair.caught_up()
        await pair.fail_over()
        with pytest.raises(BadBackup, match="begin anew with a base backup"):
            await received
    async with receiving(tmp_path, tmp_path / "spool", pair.url, RECIPIENT, SIGNERS):
        await begun(tmp_path)
        await pair.standby.do("insert into written values (2)", "select pg_switch_wal()")
        await eventually(lambda: segments(tmp_path, 2))


@pytest.mark.parametrize("lost", ["the slot", "what the slot kept"])
async def test_a_log_that_is_kept_no_more_is_said_to_be(pair: Pair, tmp_path: Path, lost: str) -> None:
    """Given a server that has removed what was not received, then that is said, and the log after it is received."""
    spool = tmp_path / "spool"
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS):
        await begun(tmp_path)
    await eventually(lambda: pair.primary.ask("select not active from pg_replication_slots"))
    forget = {
        "the slot": ["select pg_drop_replication_slot('ooc_backup')"],
        "what the slot kept": ["alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()"],
    }
    write = ["create table written (n int)", "select pg_switch_wal()", "drop table written"]
    await pair.primary.do(*forget[lost], *write * 3)
    await pair.caught_up()
    await pair.primary.do("checkpoint", "checkpoint")
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS) as received:
        with pytest.raises(BadBackup, match="begin anew with a base backup"):
            await received
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS):
        await begun(tmp_path)
        await pair.primary.do(*write)
        await eventually(lambda: segments(tmp_path, 1))


async def test_a_log_that_was_left_by_a_restore_is_said_to_be(pair: Pair, tmp_path: Path) -> None:
    """Given a segment begun before a restore to an earlier moment, then it is let go, and what is written now is received."""
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "00000001000000FF00000001.partial").write_bytes(bytes(16 << 20))
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS) as received:
        with pytest.raises(BadBackup, match="begin anew with a base backup"):
            await received
    async with receiving(tmp_path, spool, pair.url, RECIPIENT, SIGNERS):
        await begun(tmp_path)
        await pair.primary.do("create table written (n int)", "select pg_switch_wal()")
        await eventually(lambda: segments(tmp_path, 1))
