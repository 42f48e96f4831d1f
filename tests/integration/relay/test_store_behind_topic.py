"""An event store that does not hold what its topic holds accepts nothing, whoever cut it and while whatever runs."""

from typing import TypeAlias

import asyncpg
import pytest

from shared.event_store import Appended, StoreBehindTopic, TimelineNotCompared
from shared.runtime.privileges import RoleKind
from tests.integration.event_store.streams import Stream, as_application, note_of
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, running

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def truncate(owner: Owner, position: int, *also: str) -> None:
    """Take away all after a position: events, answers, and the head set back, as a superuser can."""
    async with owner.transaction():
        for table in ("event", "answer"):
            await owner.execute(f"alter table {table} disable trigger all")
        await owner.execute(
            "delete from answer using event where event.position > $1 and answer.stream = event.stream"
            " and answer.first_version = event.version",
            position,
        )
        await owner.execute("delete from event where position > $1", position)
        await owner.execute(
            "update head set position = $1, recorded_at = e.recorded_at, log_hash = e.log_hash from event as e where e.position = $1",
            position,
        )
        for statement in also:
            await owner.execute(statement)
        for table in ("event", "answer"):
            await owner.execute(f"alter table {table} enable trigger all")


async def published(relayed_service: RelayedService, owner: Owner, streams: int = 2, events: int = 3) -> None:
    """Write and publish some events, and see that the high-water mark is noted."""
    await relayed_service.write(streams, events)
    async with relayed_service.relay():
        await relayed_service.relayed()

        async def position_is_recorded() -> bool:
            return bool(await owner.fetchval("select position from relayed") == streams * events)

        await eventually(position_is_recorded)


async def test_a_cut_tail_is_refused_at_once_without_kafka_or_relay(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given a store whose published tail was cut, with nothing else running, the next append is refused."""
    await published(relayed_service, owner)
    await truncate(owner, 4)
    with pytest.raises(StoreBehindTopic, match=r"position 6.*topic_ahead_of_event_store"):
        await relayed_service.event_store.append(Stream().asks())
    assert (await relayed_service.event_store.head()).position == 4


async def test_another_event_in_the_place_of_a_published_one_is_refused(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given a store that was cut, and grown again to the same position by other events, the next append is refused."""
    await published(relayed_service, owner)
    await truncate(owner, 4, "create table aside as table relayed", "delete from relayed")
    await relayed_service.write(1, 2)
    await owner.execute("insert into relayed select * from aside")
    with pytest.raises(StoreBehindTopic):
        await relayed_service.event_store.append(Stream().asks())


async def test_a_whole_group_is_refused(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a store behind its topic, each caller of a group is refused and nothing is recorded."""
    await published(relayed_service, owner)
    await truncate(owner, 5)
    pending = [relayed_service.event_store.append(Stream().asks()) for _ in range(20)]
    for one in pending:
        with pytest.raises(StoreBehindTopic):
            await one


async def test_a_cut_beside_a_running_relay_is_refused_although_the_mark_was_cut_too(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given a relay that runs, when the tail and the high-water mark are cut, its alarm stops the appends."""
    await relayed_service.write(2, 3)
    async with running(relayed_service.relay()) as relay:
        await relayed_service.relayed()
        await eventually(lambda: relay.reached is not None and relay.reached.position == 6)
        await truncate(owner, 4, "delete from relayed")
        await eventually(lambda: relay.alarm is not None)
        assert relay.alarm is not None
        assert relay.alarm.name == "topic_ahead_of_event_store"
    with pytest.raises(StoreBehindTopic):
        await relayed_service.event_store.append(Stream().asks())


async def test_a_restored_backup_is_refused_once_a_relay_has_compared(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given a store restored from before what was published, a relay that starts says so, for good, across its restarts."""
    await published(relayed_service, owner)
    await truncate(owner, 4, "update relayed set position = 4, hash = (select hash from event where position = 4)")
    for _ in range(2):
        async with running(relayed_service.relay()) as relay:
            await eventually(lambda: relay.alarm is not None)
        with pytest.raises(StoreBehindTopic):
            await relayed_service.event_store.append(Stream().asks())
    alarm = await owner.fetchrow("select consumer, name, place from alarm")
    assert tuple(alarm or ()) == ("relay", "topic_ahead_of_event_store", relayed_service.service)


async def test_a_store_that_was_restored_whole_goes_on(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a store behind its topic that is restored to what was published, the next relay ends the alarm."""
    await published(relayed_service, owner)
    await owner.execute("create table event_backup as table event")
    await owner.execute("create table head_backup as table head")
    await truncate(owner, 4)
    async with running(relayed_service.relay()) as relay:
        await eventually(lambda: relay.alarm is not None)
    await owner.execute("insert into event select * from event_backup where position > 4")
    await owner.execute(
        "update head set position = b.position, recorded_at = b.recorded_at, log_hash = b.log_hash from head_backup as b"
    )
    with pytest.raises(StoreBehindTopic):
        await relayed_service.event_store.append(Stream().asks())
    async with running(relayed_service.relay()) as relay:
        await eventually(lambda: relay.reached is not None)
        assert isinstance(await relayed_service.event_store.append(Stream().asks()), Appended)
        await relayed_service.relayed()
    assert await owner.fetchval("select count(*) from alarm") == 0


async def test_a_mark_that_was_lost_in_a_crash_raises_no_alarm(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a high-water mark that stands lower than what was published, as after a crash, appends go on."""
    await published(relayed_service, owner)
    await owner.execute("update relayed set position = 3, hash = (select hash from event where position = 3)")
    assert isinstance(await relayed_service.event_store.append(Stream().asks()), Appended)
    await owner.execute("update relayed set hash = null")  # as a relay of before the hash noted it
    assert isinstance(await relayed_service.event_store.append(Stream().asks()), Appended)
    await owner.execute("delete from relayed")
    assert isinstance(await relayed_service.event_store.append(Stream().asks()), Appended)


async def test_a_store_behind_its_topic_is_still_read(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a store behind its topic, what it holds is loaded, and a kept answer is found."""
    append = Stream().asks(b"kept")
    await relayed_service.event_store.append(append)
    await owner.execute("insert into relayed (position, offsets) values (9, '{}')")
    with pytest.raises(StoreBehindTopic):
        await relayed_service.event_store.append(Stream().asks())
    loaded = await relayed_service.event_store.load(append.stream, append.command_id)
    assert loaded.receipt is not None
    assert loaded.receipt.records == loaded.records
    assert [note_of(record.body) for record in loaded.records] == [b"kept"]


@pytest.mark.parametrize(
    "forgery",
    [
        "insert into alarm (consumer, name, place, detail) values ('relay', 'topic_ahead_of_event_store', 'x', 'forged')",
        "insert into relayed (position, offsets) values (1000000, '{}') on conflict (only_row) do update set position = 1000000",
        "update relayed set hash = sha256('forged')",
        "update compared_timeline set timeline = 'forged'",
    ],
)
async def test_what_somebody_with_the_relays_role_says_stops_the_store_until_the_relay_looks(
    relayed_service: RelayedService, forgery: str
) -> None:
    """Given a relay that runs, when its database role is used to stop the appends, then it compares again, and they go on."""
    await relayed_service.write(1, 2)
    async with running(relayed_service.relay()) as relay:
        await eventually(lambda: relay.reached is not None and relay.reached.position == 2)
        intruder = await asyncpg.connect(as_application(relayed_service.owner, RoleKind.RELAY))
        await intruder.execute(forgery)
        await intruder.close()

        async def goes_on() -> bool:
            try:
                return isinstance(await relayed_service.event_store.append(Stream().asks()), Appended)
            except (StoreBehindTopic, TimelineNotCompared):
                return False

        await eventually(goes_on)
