"""The signer and a witness on real servers: what is signed, and that a rewritten log is not."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from shared.api.access_log import AccessLog, AccessLogBehindWitness
from shared.domain.messages import Actor
from shared.evidence.checkpoint import open_checkpoint
from shared.evidence.log import ACCESS, EVENTS, Log, prove_consistency, prove_inclusion, read_tiles
from shared.evidence.merkle import TileId, check_consistency, check_inclusion, hash_leaf
from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.privacy.signed_note import SignedNote
from shared.runtime.privileges import RoleKind
from shared.servers.database import Connection, create_pool
from tests.integration.event_store.streams import as_application
from tests.integration.local.waiting import eventually
from tests.integration.transparency.conftest import Office, running_witness


async def wait_for_alarm(owner: Connection, name: str) -> str:
    async def raised() -> bool:
        return any(alarm.name == name for alarm in await alarms(owner))

    await eventually(raised)
    return next(alarm.detail for alarm in await alarms(owner) if alarm.name == name)


async def test_each_event_is_proved_by_signed_and_published_checkpoints(office: Office, owner: Connection) -> None:
    """Given a log that grows, when it is signed, then every event is proved, the trees extend each other, and the topic has them."""
    await office.write(3)
    async with office.signer():
        first = open_checkpoint(await office.signed(owner, 3), office.public_keys())
        await office.write(300)
        second = open_checkpoint(await office.signed(owner, 303), office.public_keys())
        for number, entry in await EVENTS.read(owner, 0, 1_000):
            path = await prove_inclusion(owner, EVENTS, number, second.size)
            check_inclusion(hash_leaf(entry), number - 1, second.size, path, second.root)
        path = await prove_consistency(owner, EVENTS, first.size, second.size)
        check_consistency(first.size, first.root, second.size, second.root, path)

        async def published() -> bool:
            return second in await office.published()

        await eventually(published)
        assert first in await office.published()


async def test_reads_are_signed_as_events_are(office: Office, owner: Connection) -> None:
    """Given a read, when the signer has looked, then a checkpoint of the access log covers it."""
    actor = Actor(id=uuid4(), role="AUDITOR", organisation="TESTS")
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    await AccessLog(pool).record(actor, "READ_STATE", "tests/one", outcome="GIVEN")
    await pool.close()
    async with office.signer():
        note = await office.signed(owner, 1, ACCESS)
    assert open_checkpoint(note, office.public_keys(ACCESS)).size == 1


async def test_a_signer_goes_on_where_another_has_ended(office: Office, owner: Connection) -> None:
    """Given a checkpoint of a signer that has ended, when another starts, then it extends that."""
    for size in (2, 4):
        await office.write(2)
        async with office.signer():
            await office.signed(owner, size)
    assert {checkpoint.size for checkpoint in await office.published()} == {2, 4}


@pytest.mark.parametrize(
    "attack",
    [
        "update event set recorded_at = recorded_at - interval '1 second' where position = 3",
        "delete from event where position = 3",
        "delete from tree_tile",
    ],
)
async def test_a_rewritten_log_is_not_signed(office: Office, owner: Connection, attack: str) -> None:
    """Given a signed log, when its owner changes an entry, takes it or the tree away, then no checkpoint follows, and an alarm."""
    await office.write(3)
    async with office.signer():
        await office.signed(owner, 3)
        async with owner.transaction():
            await owner.execute("set local session_replication_role = replica")
            await owner.execute(attack)
        await office.write(1)
        assert await wait_for_alarm(owner, "log_rewritten")
    assert await owner.fetchval("select max(size) from signed_checkpoint where log = 'events'") == 3


async def test_two_signers_at_once_leave_one_tree(
    office: Office, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a signer that stands still while it extends the tree, when another has extended it, then the first spoils nothing."""
    stands, goes_on = asyncio.Event(), asyncio.Event()

    async def read_late(connection: Connection, log: Log, places: Iterable[TileId]) -> dict[TileId, bytes]:
        if log is EVENTS and not stands.is_set():
            stands.set()
            await goes_on.wait()
        return await read_tiles(connection, log, places)

    await office.write(3)
    async with office.signer():
        await office.signed(owner, 3)
        monkeypatch.setattr("shared.evidence.log.read_tiles", read_late)
        await office.write(2)
        await stands.wait()
        await owner.execute("update lease set expires_at = clock_timestamp() where role like '%signer'")
        async with office.signer():
            await office.write(2)
            await office.signed(owner, 7)
            goes_on.set()
            await office.write(2)
            checkpoint = open_checkpoint(await office.signed(owner, 9), office.public_keys())
    for number, entry in await EVENTS.read(owner, 0, 9):
        path = await prove_inclusion(owner, EVENTS, number, 9)
        check_inclusion(hash_leaf(entry), number - 1, 9, path, checkpoint.root)


async def test_a_witness_cosigns_what_extends_what_it_has_seen(
    office: Office, owner: Connection, tmp_path: Path
) -> None:
    """Given a witness, when a log grows, then each of its checkpoints has a cosignature."""
    async with running_witness(tmp_path, [*office.public_keys(EVENTS), *office.public_keys(ACCESS)]) as witness:
        await office.write(2)
        async with office.signer(witness.client()):
            for size in (2, 5):
                note = await office.signed(owner, size)
                assert witness.client().key in SignedNote.parse(note).signers_among([witness.client().key])
                await office.write(3)


@pytest.mark.parametrize("witnessed", [True, False])
async def test_an_alarm_that_somebody_raised_for_the_signer_stands_until_it_has_compared(
    office: Office, owner: Connection, tmp_path: Path, witnessed: bool
) -> None:
    """Given a signer that runs, when the API's role says that a log is behind its witness, then the signer looks, and clears it."""
    actor = Actor(id=uuid4(), role="AUDITOR", organisation="TESTS")
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        keys = [*office.public_keys(EVENTS), *office.public_keys(ACCESS)]
        witness = await stack.enter_async_context(running_witness(tmp_path, keys)) if witnessed else None
        await stack.enter_async_context(office.signer(witness.client() if witness else None))
        await office.write(2)
        await office.signed(owner, 2)
        for place in ("x/access", "x"):
            await raise_alarm(pool, "signer", "log_behind_witness", place, "forged")

        async def goes_on() -> bool:
            try:
                await AccessLog(pool).record(actor, "READ_STATE", "tests/one", outcome="GIVEN")
            except AccessLogBehindWitness:
                return False
            return True

        await eventually(goes_on)
        await office.write(1)


async def test_checkpoints_are_signed_while_the_witness_is_away(
    office: Office, owner: Connection, tmp_path: Path
) -> None:
    """Given a witness that is down, when the log grows, then a checkpoint is signed without it."""
    async with running_witness(tmp_path, office.public_keys(EVENTS)) as witness:
        client = witness.client()
    await office.write(1)
    async with office.signer(client):
        note = await office.signed(owner, 1)
    assert SignedNote.parse(note).signers_among([client.key]) == []
    assert open_checkpoint(note, office.public_keys()).size == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update signed_checkpoint set note = 'forged'",
        "delete from signed_checkpoint",
        "truncate signed_checkpoint",
        "update tree_tile set hashes = sha256(hashes)",
        "delete from tree_tile",
        "update log_key set key = 'forged'",
    ],
)
async def test_signed_rows_are_never_changed(office: Office, owner: Connection, statement: str) -> None:
    """Given signed rows, when their owner or the signer changes one, then the database refuses."""
    await office.write(1)
    async with office.signer():
        await office.signed(owner, 1)
    signer = await asyncpg.connect(as_application(office.owner, RoleKind.SIGNER))
    try:
        for connection in (owner, signer):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await signer.close()
