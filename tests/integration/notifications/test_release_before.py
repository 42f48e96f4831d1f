"""An upgrade: what the release before has planned is read again, and neither planned again nor sent by half."""

from typing import Any

from services.notifications.follow import CHECKPOINTS, CONSUMER, following, is_behind
from shared.messaging.projection_consumer import events_topic
from tests.integration.notifications.conftest import Told
from tools.scenario.in_memory import _consumed

_PUT = """
    insert into checkpoint (consumer, topic, partition, next_offset) values ($1, $2, 0, $3)
    on conflict (consumer, topic, partition) do update set next_offset = excluded.next_offset
"""


async def test_what_the_release_before_has_planned_is_kept_and_planned_by_what_follows(told: Told) -> None:
    """Given checkpoints of the release before, then events up to them are kept without a plan, and later ones are planned by all."""
    await told.begin()
    await told.book()
    topics = {service: events_topic(service) for service in ("referral", "education")}
    events: dict[str, Any] = {
        service: [_consumed(topic, event) for event in await told.recorded_events(service)]
        for service, topic in topics.items()
    }
    booked = events["education"][-1].offset
    async with told.pool.acquire() as connection:
        await connection.execute(_PUT, CONSUMER, topics["education"], booked)
        assert await is_behind(connection)
        await following()(connection, events["referral"])
        await following()(connection, events["education"][:-1])
        assert await told.messages() == []
        await connection.execute(_PUT, CHECKPOINTS, topics["education"], booked)
        assert not await is_behind(connection)
        await following()(connection, events["education"][-1:])
    assert [template for template, _ in await told.states()] == ["PLACE_BOOKED", "PLACE_REMINDER"]


async def test_what_it_has_planned_is_not_planned_again(told: Told) -> None:
    """Given a place that the release before had planned, when its events are read again, then no message comes of them."""
    await told.begin()
    await told.book()
    topic = events_topic("education")
    async with told.pool.acquire() as connection:
        for service in ("referral", "education"):
            events: Any = [_consumed(events_topic(service), event) for event in await told.recorded_events(service)]
            await connection.execute(_PUT, CONSUMER, topic, events[-1].offset + 1)
            await following()(connection, events)
    assert await told.messages() == []
