"""What no synchronous standby holds is no success: not to whoever repeats a command, nor to the topic, nor to the keyring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from shared.event_store import Appended, DuplicateCommand, EventStoreUnavailable
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.relay import last_position
from shared.privacy.keyring import KeyringUnavailable, PostgresKeyring
from shared.runtime.provision import KEYRING_DATABASE, checkpoints_topic, databases, topics
from shared.servers.database import create_pool, database_dsn
from tests.integration.event_store.streams import Stream, as_application
from tests.integration.failover.conftest import NAME, SCHEMA
from tests.integration.failover.pair import Pair
from tests.integration.keyring.rings import new_kek
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, running
from tests.integration.transparency.conftest import Office, running_witness
from tests.position_keys import KEYS

pytestmark = pytest.mark.usefixtures("hurried")

WAITING = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
CANCEL = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests give a database up after some seconds."""
    monkeypatch.setattr("shared.servers.database.PATIENCE_SECONDS", 4.0)


@asynccontextmanager
async def hasty(service: RelayedService) -> AsyncIterator[PostgresEventStore]:
    """Yield the event store to a process that waits two seconds for each statement."""
    pool = await create_pool(as_application(service.owner), statement_seconds=2)
    try:
        yield PostgresEventStore(pool)
    finally:
        pool.terminate()


async def cancelled(pair: Pair, asked: asyncio.Task[object]) -> None:
    """Wait until somebody waits for the standby, and have PostgreSQL cancel the wait."""
    await eventually(lambda: asked.done() or pair.primary.ask(WAITING))
    await pair.primary.do(CANCEL)


async def test_a_commit_that_took_too_long_is_no_success_when_it_is_repeated(
    pair: Pair, replicated: RelayedService
) -> None:
    """Given a standby that is cut off, a command fails however often it is sent, and is recorded once when that is back."""
    standbys = "select synchronous_standbys()"
    owner = await asyncpg.connect(pair.primary.url, database=NAME)
    assert await owner.fetchval(standbys) is None
    await pair.synchronous()
    assert await owner.fetchval(standbys) == 1
    await pair.cut()
    assert await owner.fetchval(standbys) == 0
    await owner.close()
    append = Stream().asks(b"once")
    async with hasty(replicated) as event_store:
        for _ in range(2):
            with pytest.raises(EventStoreUnavailable):
                await event_store.append(append)
        await pair.mend()
        assert isinstance(await event_store.append(append), (Appended, DuplicateCommand))
        assert (await event_store.load(append.stream, append.command_id)).receipt is not None
    assert [record.position for record in await replicated.event_store.read(0, 10)] == [1]


async def test_a_wait_that_postgresql_cancels_is_no_success(pair: Pair, replicated: RelayedService) -> None:
    """Given a commit whose wait an operator cancels, its command fails, and its repeat too, until a standby has it."""
    await pair.synchronous()
    await pair.cut()
    append = Stream().asks(b"once")
    async with hasty(replicated) as event_store:
        asked = asyncio.create_task(event_store.append(append))
        await cancelled(pair, asked)
        with pytest.raises(EventStoreUnavailable):
            await asked
        assert len(await event_store.read(0, 10)) == 1, "it stands on the primary alone"
        with pytest.raises(EventStoreUnavailable):
            await event_store.load(append.stream, append.command_id)
        await pair.mend()
        assert (await event_store.load(append.stream, append.command_id)).receipt is not None


async def test_a_receipt_of_a_lost_primary_is_not_confirmed_by_the_next(
    pair: Pair, replicated: RelayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a receipt that was read where no standby has it, when the standby is promoted before it is confirmed, it is none."""
    monkeypatch.setattr("shared.servers.database.PATIENCE_SECONDS", 60.0)
    await pair.synchronous()
    await pair.cut()
    append = Stream().asks(b"lost")
    async with hasty(replicated) as of_another_api:
        asked = asyncio.create_task(of_another_api.append(append))
        await cancelled(pair, asked)
    asked.cancel()
    await eventually(lambda: replicated.event_store.read(0, 1))  # nobody sees it before its wait has ended
    repeated = asyncio.create_task(replicated.event_store.load(append.stream, append.command_id))
    await eventually(lambda: pair.primary.ask(WAITING))
    assert await pair.standby.ask("select pg_promote(true, 60)")
    promoted = replace(replicated, owner=database_dsn(pair.standby.url, NAME))
    async with running(promoted.relay()) as relay:
        await eventually(lambda: relay.reached is not None)
        await pair.primary.kill()
        assert (await repeated).receipt is None


async def test_the_relay_publishes_only_what_a_standby_holds(pair: Pair, replicated: RelayedService) -> None:
    """Given an event on the primary alone, the relay waits for the standby before it publishes."""
    await pair.synchronous()
    async with running(replicated.relay()) as relay:
        await eventually(lambda: relay.reached is not None)
        await pair.cut()
        async with hasty(replicated) as event_store:
            asked = asyncio.create_task(event_store.append(Stream().asks()))
            await cancelled(pair, asked)
            with pytest.raises(EventStoreUnavailable):
                await asked
        await eventually(lambda: pair.primary.ask(WAITING + " and application_name like '%relay'"))
        reached, _ = await last_position(replicated.bootstrap, replicated.position, KEYS)
        assert reached is None
        await pair.mend()
        await replicated.relayed()


async def test_the_witness_sees_only_what_a_standby_holds(
    pair: Pair, replicated: RelayedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an event on the primary alone, the signer waits for the standby: a promotion would leave a log behind its witness."""
    monkeypatch.setattr(
        "shared.servers.database.LEASE_SECONDS", 600
    )  # that a renewal waits for the standby does not count
    office = Office(replicated.namespace, replicated.owner, replicated.bootstrap, replicated.event_store)
    await topics(office.bootstrap, [checkpoints_topic(office.topic, 1)])
    await pair.synchronous()
    async with (
        running_witness(tmp_path, office.public_keys()) as witness,
        office.signer(witness.client()),
        hasty(replicated) as event_store,
    ):
        await office.write(1)
        await eventually(lambda: set(witness.sizes().values()) == {1})
        await pair.cut()
        asked = asyncio.create_task(event_store.append(Stream().asks()))
        await cancelled(pair, asked)
        with pytest.raises(EventStoreUnavailable):
            await asked
        await eventually(lambda: pair.primary.ask(WAITING + " and application_name like '%signer'"))
        assert set(witness.sizes().values()) == {1}
        await pair.mend()
        await eventually(lambda: set(witness.sizes().values()) == {2})


async def test_a_key_on_the_primary_alone_seals_nothing(pair: Pair) -> None:
    """Given a data key whose commit was cancelled, nobody gets it until a standby has it."""
    await databases(pair.primary.url, [KEYRING_DATABASE, (NAME, SCHEMA)])
    ring = as_application(database_dsn(pair.primary.url, KEYRING_DATABASE[0]))
    await pair.synchronous()
    await pair.cut()
    pool = await create_pool(ring, statement_seconds=2)
    try:
        keyring = PostgresKeyring(pool, new_kek())
        asked = asyncio.create_task(keyring.keys_for_sealing(["home/1"]))
        await cancelled(pair, asked)
        with pytest.raises(KeyringUnavailable):
            await asked
        await pair.mend()
        assert set(await keyring.keys_for_sealing(["home/1"])) == {"home/1"}
    finally:
        pool.terminate()
