"""Monitoring sees what notifications gave up, and whoever is on call hears of it: each alert has a fault that shows it."""

import asyncio

import httpx2

from services.notifications.channels import Refused
from services.notifications.waiting import waiting
from shared.runtime.operations_port import OperationsPort, operations_app
from tests.integration.notifications.conftest import Post, Told
from tests.isolated_settings import IsolatedSettings
from tests.ports import free_ports


async def test_a_dead_message_reaches_monitoring_and_whoever_is_on_call(told: Told, settings: IsolatedSettings) -> None:
    """Given a refused address, then /metrics and /status of notifications say so, and its alarm is among those that go out."""
    await told.begin()
    await told.book()
    await told.follow()

    def refuse() -> None:
        raise Refused

    await told.sender(Post(before=refuse)).send_due()
    (port,) = free_ports(1)
    url, topics = f"http://127.0.0.1:{port}", ["ooc.referral.events"]
    app = operations_app("notifications", topics, told.pool, settings, waiting)
    async with (
        OperationsPort(app, settings.model_copy(update={"port": port})),
        httpx2.AsyncClient(base_url=url) as http,
    ):
        ready = None
        while ready is None:
            try:
                ready = await http.get("/health/ready")
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
        assert ready.status_code == 200
        metrics, status = (await http.get("/metrics")).text, (await http.get("/status")).json()
    assert 'ooc_alarm{consumer="notifications",name="message_dead"' in metrics
    assert 'ooc_messages{service="notifications",state="failed"} 1.0' in metrics
    assert (status["messages"]["FAILED"], status["reacts_to"]) == (1, topics)
    assert [alarm["name"] for alarm in status["alarms"]] == ["message_dead"]
