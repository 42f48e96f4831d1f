"""A crowd on one record waits in order, whoever is in it."""

import asyncio
from collections import Counter
from uuid import uuid4

import httpx2

from services.education.service import service
from shared.runtime.application import service_api
from shared.servers.settings import Settings
from tests import loopback
from tests.hostile.serving import served
from tests.integration.api import conftest
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN

settings = conftest.settings
CROWD = 200


async def test_two_hundred_commands_on_one_record_are_all_recorded(settings: Settings, issuer: str) -> None:
    """Given 200 places booked in one session at once, each is accepted, and each at a version of its own."""
    stream = uuid4()
    async with (
        served(service_api(service, settings), settings) as port,
        loopback.client(
            base_url=f"http://127.0.0.1:{port}", limits=httpx2.Limits(max_connections=CROWD), timeout=60
        ) as http,
    ):
        api = Client(http, issuer)
        token = await api.token("SAFE_SCHOOLS_OFFICER")
        assert (await api.send(stream, PLAN, token=token)).status_code == 201
        booked = await asyncio.gather(
            *(api.send(stream, {"type": "BookPlace", "person_id": str(uuid4())}, token=token) for _ in range(CROWD))
        )
    assert Counter(answer.status_code for answer in booked) == {201: CROWD}
    assert sorted(answer.json()["version"] for answer in booked) == list(range(2, CROWD + 2))
