"""Webhooks on a real database and over real sockets: in order for each case, until taken, and nobody else's."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.notifications.database import DATABASE
from services.notifications.webhooks import courier, registry
from services.notifications.webhooks.courier import NotDelivered
from services.notifications.webhooks.follow import keep_for_agencies
from services.notifications.webhooks.sender import LEASE
from services.referral.events import EVENTS as REFERRAL_EVENTS
from services.referral.read_model import TOLD_TO_AGENCIES
from shared.domain.envelope import GENESIS, next_hash
from shared.servers.database import as_role
from tests.copied_databases import databases
from tests.integration.consumers.conftest import until
from tests.integration.notifications.conftest import Killed, Told
from tests.integration.notifications.webhook_world import HOSPITAL, KEY, Receiver, World
from tests.integration.reporting.recorded_scenarios import event_of_row
from tests.received_referral import NARRATIVE, received_referral

CASE, OTHER_CASE = uuid4(), uuid4()


@pytest.fixture
async def world(database: str, postgres_url: str) -> AsyncIterator[World]:
    """Yield a database of notifications, used by its worker's own role, and a receiver."""
    await databases(postgres_url, [(urlsplit(database).path[1:], DATABASE[1])])
    receiver = Receiver()
    async with asyncpg.create_pool(as_role(database, "ooc_notifications_worker"), min_size=1, max_size=6) as pool:
        yield World(pool, receiver)
    receiver.close()
    assert not receiver.faults


def numbers(events: list[dict[str, Any]], case: UUID = CASE) -> list[int]:
    """Return the versions of a case's events."""
    return [event["version"] for event in events if event["home"] == str(case)]


async def test_an_agency_is_sent_what_it_referred_as_recorded(world: World) -> None:
    """Given events of a referral of its own, then the receiver has each once, in order, its bytes signed and chained."""
    stream, webhook = uuid4(), await world.subscribe()
    events = [world.author.write(stream, CASE, n=n) for n in range(3)]
    await world.follow(*events[:2])
    await world.follow(events[2])
    assert await world.send(webhook) == 3
    assert await world.send(webhook) == 0
    assert world.receiver.bodies == [event.body for event in events]
    previous = GENESIS
    for event, body, headers in zip(events, world.receiver.bodies, world.receiver.headers, strict=True):
        previous = next_hash(previous, body)
        assert headers["ooc-hash"] == previous.hex()
        assert (headers["webhook-id"], headers["ooc-position"]) == (str(event.event_id), str(event.position))
        assert "cookie" not in headers
        assert headers["ooc-recorded-at"] == event.recorded_at.isoformat()


async def test_nobody_is_sent_what_another_referred(world: World) -> None:
    """Given referrals of the police and of another agency, the latter under the same case's id, then none of them is sent."""
    webhook, police, other, own = await world.subscribe(), uuid4(), uuid4(), uuid4()
    by = ("SAFE_SCHOOLS_OFFICER", HOSPITAL)
    await world.follow(
        world.author.write(police, CASE, by=by),
        world.author.write(other, CASE, by=("AGENCY", "ANOTHER")),
        world.author.write(own, CASE),
        world.author.write(other, CASE, by=("AGENCY", HOSPITAL)),
        world.author.write(own, CASE, by=("SUPERVISOR", "DORSET_POLICE")),
    )
    await world.send(webhook)
    assert [event["stream"] for event in world.receiver.taken] == [f"referral/{own}"] * 2


async def test_a_later_event_of_a_case_waits_and_another_case_does_not(world: World) -> None:
    """Given a receiver that refuses the first event of a case, then the case stands and others go on, until it is taken."""
    stream, other, webhook = uuid4(), uuid4(), await world.subscribe()
    refuses = [True]
    world.receiver.answer = lambda event: 500 if refuses[0] and event["stream"].endswith(str(stream)) else 200
    await world.follow(*(world.author.write(*one) for one in [(stream, CASE), (other, OTHER_CASE)] * 3))
    await world.send(webhook)
    assert (numbers(world.receiver.taken), numbers(world.receiver.taken, OTHER_CASE)) == ([], [1, 2, 3])
    assert numbers(world.receiver.tried) == [1]
    assert await world.send(webhook) == 0  # its pause lasts
    pauses = []
    for _ in range(3):
        due = await world.pool.fetchval("select due from webhook_case where home = $1", CASE)
        pauses.append(due - world.now)
        world.now = due
        await world.send(webhook)
    assert pauses == sorted(set(pauses))
    refuses[0] = False
    world.now += timedelta(days=1)
    await world.send(webhook)
    assert numbers(world.receiver.taken) == [1, 2, 3]


@pytest.mark.parametrize("status", [302, 400, 429, 503, None])
async def test_what_is_not_taken_is_sent_again(
    world: World, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a receiver that redirects, refuses, or never answers, then the event is sent again, with the same id."""
    if status is None:
        monkeypatch.setattr(courier, "SECONDS", 0.5)
    stream, webhook = uuid4(), await world.subscribe()
    world.receiver.answer = lambda _event: status
    await world.follow(world.author.write(stream, CASE))
    assert await world.send(webhook) == 1
    why = await world.pool.fetchval("select why from webhook_case")
    assert why == ("NO_ANSWER" if status is None else f"HTTP_{status}")
    monkeypatch.undo()
    world.receiver.answer = lambda _event: 204
    world.now += timedelta(hours=1)
    assert await world.send(webhook) == 1
    assert len({event["event_id"] for event in world.receiver.tried}) == 1
    assert len(world.receiver.tried) == 2


async def test_an_event_that_is_never_taken_is_dead_after_its_term(world: World) -> None:
    """Given three days of refusals, then the case is dead and an alarm stands; a replay sends it in order, and ends the alarm."""
    stream, webhook = uuid4(), await world.subscribe()
    world.receiver.answer = lambda _event: 500
    await world.follow(world.author.write(stream, CASE), world.author.write(stream, CASE))
    for hours in (0, 71, 1):
        assert await world.alarms() == []
        world.now += timedelta(hours=hours)
        await world.send(webhook)
    assert await world.alarms() == ["webhook_dead"]
    world.now += timedelta(days=9)
    assert await world.send(webhook) == 0
    world.receiver.answer = lambda _event: 204
    await world.replay(webhook)
    await world.send(webhook)
    assert numbers(world.receiver.taken) == [1, 2]
    assert await world.alarms() == []


async def test_who_is_gone_is_sent_nothing_more(world: World) -> None:
    """Given a receiver that answers 410, then nothing is sent there and an alarm stands, until the operator has it replayed."""
    stream, webhook = uuid4(), await world.subscribe()
    world.receiver.answer = lambda _event: 410
    await world.follow(world.author.write(stream, CASE))
    assert await world.send(webhook) == 1
    world.now += timedelta(days=1)
    assert await world.send(webhook) == 0
    assert await world.alarms() == ["webhook_dead"]
    world.receiver.answer = lambda _event: 204
    await world.replay(webhook)
    assert await world.send(webhook) == 1
    assert await world.alarms() == []


async def test_a_replay_sends_the_same_events_from_a_position(world: World) -> None:
    """Given five events that were taken, when they are replayed from the fourth, then it and the next come again, with their ids."""
    streams, webhook = [uuid4(), uuid4()], await world.subscribe()
    await world.follow(*(world.author.write(streams[n % 2], (CASE, OTHER_CASE)[n % 2]) for n in range(5)))
    await world.send(webhook)
    before = {headers["ooc-position"]: headers["webhook-id"] for headers in world.receiver.headers}
    world.receiver.headers.clear()
    await world.replay(webhook, 4)
    await world.send(webhook)
    again = {headers["ooc-position"]: headers["webhook-id"] for headers in world.receiver.headers}
    assert again == {position: before[position] for position in ("4", "5")}


async def test_a_webhook_that_is_added_later_begins_at_its_position(world: World) -> None:
    """Given events from before a webhook, when it begins at the third, then that is the first that is sent."""
    stream = uuid4()
    await world.follow(*(world.author.write(stream, CASE) for _ in range(3)))
    webhook = await world.subscribe(first=3)
    await world.follow(world.author.write(stream, CASE))
    await world.send(webhook)
    assert numbers(world.receiver.taken) == [3, 4]


async def test_a_replay_is_not_undone_by_what_is_being_sent(world: World) -> None:
    """Given an event on its way, when all is replayed meanwhile, then its answer moves nothing on."""
    stream, webhook = uuid4(), await world.subscribe()
    await world.follow(world.author.write(stream, CASE), world.author.write(stream, CASE))
    sender = world.sender()
    first = cast("Any", await sender._claim(webhook))
    await world.replay(webhook, 1)
    await sender._advance(first)
    assert await world.pool.fetchval("select head from webhook_case") == 1
    await sender._pause(first, "NO_ANSWER")
    assert await world.pool.fetchval("select tries from webhook_case") == 0
    await sender.on_stop()


async def test_an_event_that_comes_while_the_last_is_noted_is_not_lost(world: World) -> None:
    """Given a batch under way when the last event of a case is noted as taken, then the event of the batch is next."""
    stream, webhook = uuid4(), await world.subscribe()
    await world.follow(world.author.write(stream, CASE))
    sender = world.sender()
    first = cast("Any", await sender._claim(webhook))
    async with world.pool.acquire() as connection:
        batch = connection.transaction()
        await batch.start()
        await keep_for_agencies(connection, [world.author.write(stream, CASE)])
        noting = asyncio.create_task(sender._advance(first))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        await until(lambda: world.pool.fetchval(waits))
        await batch.commit()
        await noting
    assert await world.pool.fetchval("select head from webhook_case") == 2
    await sender.on_stop()


async def test_a_webhook_that_is_added_while_a_batch_is_kept_misses_nothing(world: World) -> None:
    """Given a batch under way when a webhook is added, then the event of the batch is sent there."""
    async with world.pool.acquire() as connection:
        batch = connection.transaction()
        await batch.start()
        await keep_for_agencies(connection, [world.author.write(uuid4(), CASE)])
        adding = asyncio.create_task(world.subscribe())
        await asyncio.wait({adding}, timeout=0.5)
        await batch.commit()
        assert await world.send(await adding) == 1


async def test_four_workers_at_once_keep_the_order(world: World) -> None:
    """Given four workers at once, then each event is sent once, and those of a case in order."""
    cases, webhook = [uuid4() for _ in range(5)], await world.subscribe()
    await world.follow(*(world.author.write(case, case) for _ in range(4) for case in cases))
    await asyncio.gather(*(world.send(webhook) for _ in range(4)))
    assert len(world.receiver.tried) == 20
    assert all(numbers(world.receiver.taken, case) == [1, 2, 3, 4] for case in cases)


async def test_an_agency_is_told_how_far_its_report_is_and_nothing_of_people(world: World) -> None:
    """Given what officers record of a report, then its agency is sent what it recorded and how far it is: no code of a person, no right."""
    webhook, stream, child = await world.subscribe(), uuid4(), uuid4()
    police = ("SAFE_SCHOOLS_OFFICER", "DORSET_POLICE")
    await world.follow(
        world.author.write(stream, child, "ReferralReceived"),  # a case's id is the agency's to choose: it may guess
        world.author.write(stream, child, "SafeguardingConcernRaised", dsl_informed=True),
        world.author.write(stream, child, "SafeguardingConcernRaised", by=police, dsl_informed=False),
        world.author.write(stream, child, "PersonLinked", by=police, person_id=str(child), role="HARMER"),
        world.author.write(stream, child, "CrimeRecorded", by=police, crime_number="55260000001"),
        world.author.write(stream, child, "AlertRaised", by=police, person_id=str(child)),
        world.author.write(stream, child, "ReferralTriaged", by=police),
        *(
            world.author.write(child, child, name, by=("DATA_PROTECTION_OFFICER", "X"), person_id=str(child))
            for name in ("ProcessingRestricted", "PersonForgotten")
        ),
    )
    await world.send(webhook)
    names = [event["type"].split(".")[2] for event in world.receiver.taken]
    assert names == ["ReferralReceived", "SafeguardingConcernRaised", "ReferralTriaged"]
    assert {cls.__name__ for cls in REFERRAL_EVENTS.events} >= TOLD_TO_AGENCIES


async def test_a_worker_that_dies_before_it_notes_repeats_the_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a worker that dies when an event is taken and not noted, then another sends it again, and goes on."""
    stream, webhook, first = uuid4(), await world.subscribe(), world.sender()
    await world.follow(world.author.write(stream, CASE), world.author.write(stream, CASE))

    async def die(_event: Any) -> None:
        raise Killed

    monkeypatch.setattr(first, "_advance", die)
    with pytest.raises(Killed):
        await first.send_due(webhook)
    await first.on_stop()
    assert await world.send(webhook) == 0  # its lease holds
    world.now += LEASE
    await world.send(webhook)
    assert numbers(world.receiver.taken) == [1, 1, 2]
    repeated, again, _ = world.receiver.headers
    assert repeated["webhook-id"] == again["webhook-id"]


async def test_a_removed_webhook_is_sent_nothing(world: World) -> None:
    """Given a webhook that is removed, then what waited for it is gone, and a webhook that is not there is none."""
    stream, webhook = uuid4(), await world.subscribe()
    await world.follow(world.author.write(stream, CASE))
    async with world.pool.acquire() as connection:
        (row,) = await registry.list_webhooks(connection)
        assert (row["id"], row["waiting"], row["earliest"]) == (webhook, 1, 1)
        assert await registry.remove_webhook(connection, webhook)
        assert not await registry.remove_webhook(connection, webhook)
        assert not await registry.replay(connection, webhook)
    assert await world.send(webhook) == 0


async def test_what_a_partner_reads_sealed_is_sent_sealed(told: Told) -> None:
    """Given an agency's referral with a narrative and a child, then its webhook has the store's bytes of the first, and nothing in clear."""
    referral, case, receiver = uuid4(), uuid4(), Receiver()
    world = World(told.pool, receiver)
    webhook = await world.subscribe()
    token = await told.partnership.token("AGENCY", organisation=HOSPITAL)
    body = received_referral(case, "2026-03-02T15:20:00+00:00", source="OTHER_AGENCY")
    assert (await told.partnership.send("referral", referral, body, token)).status_code == 201
    told.referral = referral
    await told.link(told.child, "HARMER", "SUSPECT")
    store = await asyncpg.connect(told.partnership.settings.worker_database("referral"))
    rows = await store.fetch("select * from event where stream = $1 order by position", f"referral/{referral}")
    await store.close()
    await world.follow(*(cast("Any", event_of_row(row)) for row in rows))
    await world.send(webhook)
    receiver.close()
    assert len(rows) == 2
    assert receiver.bodies == [rows[0]["body"]]
    sent = b"".join(receiver.bodies)
    for secret in (NARRATIVE, "Robin", "Roe", "2011-03-14"):
        assert secret.encode() not in sent
    assert b'"s1:' in sent


def test_a_secret_follows_from_the_key_and_is_in_no_table() -> None:
    """Given two webhooks and two keys, then each has a secret of its own, and the same one each time."""
    one, other = uuid4(), uuid4()
    made = [registry.secret_of(key, id_) for key in (KEY, os.urandom(32)) for id_ in (one, other)]
    assert len(set(made)) == 4
    assert registry.secret_of(KEY, one) == made[0]


async def test_a_production_system_sends_nothing_in_clear(world: World) -> None:
    """Given a production system, when a webhook leads to http, then nothing is sent."""
    stream, webhook = uuid4(), await world.subscribe()
    world.settings.mode = "production"
    await world.follow(world.author.write(stream, CASE))
    await world.send(webhook)
    assert world.receiver.tried == []
    assert await world.pool.fetchval("select why from webhook_case") == "ADDRESS_REFUSED"
    with pytest.raises(NotDelivered):
        await courier.Courier(world.settings).post(world.receiver.url, {}, b"")
