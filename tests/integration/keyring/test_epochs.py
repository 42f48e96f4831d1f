"""Epochs of key-encryption keys: rotated while processes run, and destroyed so that a backup opens nothing forgotten."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from ooc.evidence.keys import Rewrapped, add_epoch, begin_epoch, open_all, remove_epoch, rewrap, settle_unusable
from shared.event_store.postgres import PostgresEventStore
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring, UnusableKey
from shared.runtime.provision import databases, service_database
from shared.servers import database as connections
from shared.servers.database import as_role
from tests.integration.event_store.streams import Stream, as_application, event_tail
from tests.integration.keyring.rings import KEEPER, ring_database

ROBIN, ALEX, SAM = "person/robin", "person/alex", "person/sam"
KEPT = timedelta(days=30)


class Epochs:
    """A keyring, its file of keys, and the processes that use both."""

    def __init__(
        self, owner: asyncpg.Connection[asyncpg.Record], pool: asyncpg.Pool[asyncpg.Record], file: Path
    ) -> None:
        self.owner = owner
        self.pool = pool
        self.file = file
        file.write_text(base64.b64encode(os.urandom(32)).decode() + "\n", encoding="ascii")

    def process(self) -> PostgresKeyring:
        """Return the keyring of a process that starts now."""
        return PostgresKeyring(self.pool, KeyEncryptionKeys.from_file(self.file))

    async def rotate(self) -> Rewrapped:
        await begin_epoch(self.owner, self.file)
        return await self.finish()

    async def finish(self) -> Rewrapped:
        return await rewrap(self.owner, KeyEncryptionKeys.from_file(self.file), KEPT)

    async def used(self) -> dict[str, str]:
        """Return the epoch that wraps each subject's key."""
        return {row["subject"]: row["epoch"] for row in await self.owner.fetch("select * from data_key")}


@pytest.fixture
async def epochs(postgres_url: str, tmp_path: Path) -> AsyncIterator[Epochs]:
    """Yield a keyring with one epoch."""
    async with ring_database(postgres_url) as address:
        pool = await connections.create_pool(as_role(address, KEEPER))
        owner = await asyncpg.connect(address)
        yield Epochs(owner, pool, tmp_path / "kek")
        await owner.close()
        pool.terminate()


async def test_a_rotation_wraps_every_key_again_while_processes_run(epochs: Epochs) -> None:
    """Given a process that runs, when keys are rotated, then it opens every key as before and makes new ones in the new epoch."""
    running = epochs.process()
    before = await running.keys_for_sealing([ROBIN, ALEX])
    assert (await epochs.rotate()).wrapped == 2
    assert await epochs.used() == {ROBIN: "2", ALEX: "2"}
    for process in (running, epochs.process()):
        assert await process.open([(ROBIN, 1), (ALEX, 1)]) == {(ROBIN, 1): before[ROBIN], (ALEX, 1): before[ALEX]}
    await running.keys_for_sealing([SAM])
    assert (await epochs.used())[SAM] == "2"


async def test_a_rotation_that_stopped_is_finished(epochs: Epochs) -> None:
    """Given an epoch in the file and nothing wrapped by it, when the rotation goes on, then it uses that epoch."""
    await epochs.process().keys_for_sealing([ROBIN, ALEX])
    await begin_epoch(epochs.owner, epochs.file)
    await epochs.process().keys_for_sealing([SAM])
    assert await epochs.used() == {ROBIN: "1", ALEX: "1", SAM: "2"}
    assert (await epochs.finish()).wrapped == 2
    assert set((await epochs.used()).values()) == {"2"}
    assert (await epochs.finish()).wrapped == 0


async def test_no_key_is_made_in_a_retired_epoch(epochs: Epochs) -> None:
    """Given a process that knows the old key alone, when it needs a new key, then it is refused, and told what to do."""
    old = PostgresKeyring(epochs.pool, KeyEncryptionKeys.read(epochs.file.read_text(encoding="ascii")))
    await old.keys_for_sealing([ROBIN])
    await epochs.rotate()
    with pytest.raises(UnusableKey, match="OOC_KEK_FILE"):
        await old.keys_for_sealing([ALEX])
    assert await epochs.used() == {ROBIN: "2"}


async def test_no_process_opens_an_epoch(epochs: Epochs) -> None:
    """Given a process whose file has an epoch that the owner has not opened, no key is made, and no epoch is noted."""
    add_epoch(epochs.file, "2")
    with pytest.raises(UnusableKey, match="the epoch 2 of key-encryption keys is not open"):
        await epochs.process().keys_for_sealing([ROBIN])
    assert await epochs.used() == {}
    assert await epochs.owner.fetchval("select array_agg(epoch) from key_epoch") == ["1"]


async def test_a_rotation_goes_past_rows_that_nothing_opens(epochs: Epochs) -> None:
    """Given rubbish among the data keys, two that were swapped, and an epoch of nobody, then these are named, the others wrapped."""
    await epochs.process().keys_for_sealing([ROBIN, ALEX, SAM])
    await epochs.pool.execute("select create_keys($1, $2, $3)", ["person/rubbish"], ["1"], [bytes(60)])
    await epochs.owner.execute(
        "update data_key set wrapped = other.wrapped from data_key as other"
        " where (data_key.subject, other.subject) in (($1, $2), ($2, $1))",
        *(ROBIN, ALEX),
    )
    opened, unusable = await open_all(epochs.owner, KeyEncryptionKeys.from_file(epochs.file))
    assert (opened, {one.subject for one in unusable}) == (1, {ROBIN, ALEX, "person/rubbish"})
    done = await epochs.rotate()
    assert done.wrapped == 1
    assert {one.subject for one in done.unusable} == {ROBIN, ALEX, "person/rubbish"}
    assert (await epochs.used())[SAM] == "2"
    again = await epochs.rotate()
    assert again.wrapped == 1


async def test_a_keyring_from_before_a_rotation_is_rotated_again(epochs: Epochs) -> None:
    """Given a backup of the keyring that knows no later epoch, no key is made until it is rotated; what it has opens all the same."""
    keys = await epochs.process().keys_for_sealing([ROBIN])
    await epochs.owner.execute("create table old_key as table data_key; create table old_epoch as table key_epoch")
    await epochs.rotate()
    async with epochs.owner.transaction():
        await epochs.owner.execute("set local session_replication_role = replica")
        for table, old in {"data_key": "old_key", "key_epoch": "old_epoch"}.items():
            await epochs.owner.execute(f"delete from {table}; insert into {table} table {old}")
    with pytest.raises(UnusableKey, match="the epoch 2 of key-encryption keys is not open"):
        await epochs.process().keys_for_sealing([SAM])
    assert await epochs.process().open([(ROBIN, 1)]) == {(ROBIN, 1): keys[ROBIN]}
    assert (await epochs.finish()).wrapped == 1
    await epochs.process().keys_for_sealing([SAM])
    assert await epochs.used() == {ROBIN: "2", SAM: "2"}


async def test_what_nothing_opens_is_removed_unless_an_event_names_it(epochs: Epochs, database: str) -> None:
    """Given rubbish for the key of an event, and for nobody's, the first is returned and stays, the second goes after an hour."""
    await databases(database, [(database.rpartition("/")[2], service_database("tests")[1])])
    store = await connections.create_pool(as_application(database))
    await Stream().write(PostgresEventStore(store), event_tail({"name": f"s1:{ROBIN}:1:AAAA"}))
    await store.close()
    rubbish = [ROBIN, "person/rubbish", "person/younger"]
    await epochs.pool.execute("select create_keys($1, $2, $3)", rubbish, ["1"] * 3, [bytes(60)] * 3)
    await epochs.owner.execute(
        "update data_key set created_at = created_at - interval '2 hours' where subject <> $1", rubbish[2]
    )
    done = await epochs.rotate()
    assert [one.subject for one in await settle_unusable(epochs.owner, [database], done.unusable)] == [ROBIN]
    assert (await epochs.used()).keys() == {ROBIN, "person/younger"}


async def test_keys_made_during_a_rotation_are_all_in_the_new_epoch(epochs: Epochs) -> None:
    """Given processes that make keys while epochs are rotated, then every key opens, and none is left in an old epoch."""
    processes = [epochs.process() for _ in range(3)]

    async def make(process: PostgresKeyring, n: int) -> None:
        for m in range(30):
            await process.keys_for_sealing([f"person/{n}-{m}"])

    async with asyncio.TaskGroup() as group:
        for n, process in enumerate(processes):
            group.create_task(make(process, n))
        for _ in range(2):
            await epochs.rotate()
    used = await epochs.used()
    assert len(used) == 90
    assert set(used.values()) == {"3"}
    assert len(await epochs.process().open([(subject, 1) for subject in used])) == 90


async def test_with_its_epoch_a_forgotten_key_is_gone_from_a_backup_too(epochs: Epochs) -> None:
    """Given a backup from before somebody was forgotten, when its epoch is destroyed, then nobody's key in it can be opened.

    Until then the old key opens it. Those who are not forgotten are opened as before, and what is derived is the same.
    """
    process = epochs.process()
    keys = await process.keys_for_sealing([ROBIN, ALEX])
    derived = KeyEncryptionKeys.from_file(epochs.file).derived("request-digest")
    backup = {row["subject"]: row for row in await epochs.owner.fetch("select * from data_key")}
    await process.destroy(ROBIN)
    assert await epochs.owner.fetchval("select epoch from tombstone where subject = $1", ROBIN) == "1"
    await epochs.rotate()

    def opened() -> object:
        kek = KeyEncryptionKeys.from_file(epochs.file)
        return kek.unwrap(ROBIN, 1, backup[ROBIN]["epoch"], backup[ROBIN]["wrapped"])

    assert opened() == keys[ROBIN], "the old epoch is not destroyed yet"
    remove_epoch(epochs.file, "1")
    with pytest.raises(UnusableKey, match="epoch '1'"):
        opened()
    for other in (process, epochs.process()):
        assert await other.open([(ALEX, 1), (ROBIN, 1)]) == {(ALEX, 1): keys[ALEX], (ROBIN, 1): None}
    assert KeyEncryptionKeys.from_file(epochs.file).derived("request-digest") == derived


async def test_a_torn_file_changes_nothing(epochs: Epochs) -> None:
    """Given a file of keys that cannot be read for a moment, then a running process goes on with the keys that it has."""
    process = epochs.process()
    await process.keys_for_sealing([ROBIN])
    epochs.file.write_text("2:half", encoding="ascii")
    await process.keys_for_sealing([ALEX])
    assert await epochs.used() == {ROBIN: "1", ALEX: "1"}
