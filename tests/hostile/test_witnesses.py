"""A witness that has lost its memory cosigns nothing, and two witnesses show that a log has told each another story."""

import asyncio
import base64
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from shared.evidence.checkpoint import open_checkpoint
from shared.evidence.log import EVENTS
from shared.evidence.witness_client import WitnessRefuses
from shared.privacy.signed_note import SignedNote, SigningKeys
from shared.servers.database import Connection
from tests.integration.transparency import conftest as transparency
from tests.integration.transparency.conftest import Office, running_witness
from tests.integration.transparency.test_signer import wait_for_alarm

office, owner = transparency.office, transparency.owner


def _half(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 2 + 100)


def _empty(store: Path) -> None:
    os.truncate(store, 0)


def _rubbish(store: Path) -> None:
    store.write_bytes(b"x" * 8_192)


@pytest.mark.parametrize("lose", [Path.unlink, _empty, _half, _rubbish])
async def test_a_witness_without_its_memory_does_not_start(
    office: Office, owner: Connection, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """Given a witness that has cosigned, when its store is removed, emptied, cut or overwritten, then it says so and ends."""
    async with running_witness(tmp_path, office.public_keys(EVENTS)) as witness:
        await office.write(2)
        async with office.signer(witness.client()):
            await office.signed(owner, 2)
    lose(tmp_path / "seen.sqlite")
    logs = next(tmp_path.glob("logs-*"))
    ended = subprocess.run(
        [sys.executable, "-m", "tools.witness", "--state", str(tmp_path), "--logs", str(logs), "--port", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "without it a rewritten log would be cosigned" in ended.stderr


async def test_strangers_that_say_nothing_keep_no_witness(tmp_path: Path) -> None:
    """Given silent connections, more than an address may have, then each ends by itself, and the witness answers."""
    (log,) = SigningKeys.read(base64.b64encode(bytes(32)).decode()).signers("tests/events")
    async with running_witness(tmp_path, [log.key]) as witness, asyncio.timeout(60):
        crowd = [await asyncio.open_connection("127.0.0.1", httpx2.URL(witness.url).port) for _ in range(300)]
        answers = await asyncio.gather(*(reader.read() for reader, _ in crowd))
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 408", b"HTTP/1.1 503"}
        assert witness.sizes() == {}
        for _, writer in crowd:
            writer.close()


async def rewrite_all(owner: Connection) -> None:
    """Do as someone who owns the database: begin every log again, as if nothing had been."""
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        for table in ("event", "answer", "tree_tile", "signed_checkpoint"):
            await owner.execute(f"delete from {table}")
        await owner.execute("update head set position = 0, log_hash = decode(repeat('00', 32), 'hex')")


async def test_a_witness_that_has_forgotten_is_an_alarm(office: Office, owner: Connection, tmp_path: Path) -> None:
    """Given a witness whose store is that of an earlier day, when the log grows, then it cosigns nothing, and an alarm says why."""
    async with running_witness(tmp_path, office.public_keys(EVENTS)) as witness:
        await office.write(4)
        async with office.signer(witness.client()):
            await office.signed(owner, 4)
            with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as store, store:
                store.execute("delete from seen")
            for size in (5, 6):
                await office.write(1)
                note = await office.signed(owner, size)
                assert SignedNote.parse(note).signers_among([witness.client().key]) == []
            assert "has seen 0 entries" in (why := await wait_for_alarm(owner, "witness_refuses"))
            assert "has cosigned 4" in why
        assert witness.sizes() == {}


async def test_two_witnesses_show_a_split_view(office: Office, owner: Connection, tmp_path: Path) -> None:
    """Given a log that shows each of two readers its own history, when one passes its checkpoint to the other's witness, it is refused."""
    keys = office.public_keys(EVENTS)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    async with running_witness(tmp_path / "one", keys) as one, running_witness(tmp_path / "other", keys) as other:
        shown: list[str] = []
        for witness in (one, other):
            await office.write(3)
            async with office.signer(witness.client()):
                shown.append(await office.signed(owner, 3))
            await rewrite_all(owner)
        # Alone, each reader has a checkpoint that the log has signed and its witness has cosigned.
        for note, witness in zip(shown, (one, other), strict=True):
            open_checkpoint(note, keys)
            assert SignedNote.parse(note).signers_among([witness.client().key])

        async def no_proof(_: int) -> Sequence[bytes]:
            return ()

        async def none() -> int:
            return 0

        for note, witness in zip(shown, (other, one), strict=True):
            lines = [line for line in note.splitlines() if line.startswith("— ")]
            client = witness.client()
            with pytest.raises(WitnessRefuses, match="does not extend that of 3"):
                await client.cosign(open_checkpoint(note, keys), lines, 3, no_proof, none)
            await client.close()
