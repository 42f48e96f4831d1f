"""The school portal: a school sees the status of what it reported itself, and nothing else."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx2

from services.referral.service import service
from shared.runtime.application import service_api
from shared.runtime.provision import provision_databases
from shared.servers.settings import Settings
from tests import loopback
from tests.received_referral import received_referral


async def _token(issuer: str, role: str, organisation: str) -> dict[str, str]:
    form = {
        "grant_type": "client_credentials",
        "sub": str(uuid4()),
        "role": role,
        "organisation": organisation,
        "area": "DORSET",
    }
    async with loopback.client() as client:
        token = (await client.post(f"{issuer}/token", data=form)).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}


async def test_a_school_reads_its_own_referral_only(settings: Settings, issuer: str) -> None:
    """A school reads the state of a referral that it reported; another school gets 404, and no school the history."""
    await asyncio.to_thread(lambda: asyncio.run(provision_databases(settings, [service.name], ())))
    app = service_api(service, settings)
    referral = f"/v1/referrals/{uuid4()}"
    body = received_referral(uuid4(), "2026-04-28T14:15:00+01:00")
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://referral") as http,
    ):
        reported = await http.post(
            f"{referral}/commands", json=body, headers=await _token(issuer, "SCHOOL", "SCHOOL_113867")
        )
        assert reported.status_code == 201, reported.text
        own, other = await _token(issuer, "SCHOOL", "SCHOOL_113867"), await _token(issuer, "SCHOOL", "SCHOOL_113901")
        state = (await http.get(referral, headers=own)).json()
        position = reported.json()["position"]
        assert state == {"id": referral.rpartition("/")[2], "version": 1, "position": position, "state": "RECEIVED"}
        assert (await http.get(referral, headers=other)).status_code == 404
        assert (await http.get(f"{referral}/history", headers=own)).status_code == 403
