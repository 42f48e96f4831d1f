"""A record as large as one may be, on a real PostgreSQL: each read of it answers, and keeps nobody else waiting (issue 46).

Its evidence needs a signer: tests/integration/transparency/test_full_case.py collects that.
"""

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import Final
from uuid import uuid4

import pytest

from services.referral.service import service
from shared.handling import command_handler
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client, api_of
from tests.received_referral import linked_person, received_referral

pytestmark = pytest.mark.nightly

ANSWERED: Final = 2.0
"""Seconds in which a read of a full record answers or refuses."""
WAITED: Final = 1.0
"""Seconds that a reader of another record waits meanwhile, at most."""
LONG: Final = {"needs": ["x y " * 4_000] * 12}


async def longest_wait(client: Client, path: str, token: str, over: asyncio.Event) -> float:
    """Return the seconds of the slowest answer to a reader who asks for a small record again and again."""
    longest = 0.0
    while not over.is_set():
        begun = monotonic()
        assert (await client.read(path, token=token)).status_code == 200
        longest = max(longest, monotonic() - begun)
    return longest


async def test_each_read_of_a_full_record_answers_and_stops_nobody(settings: Settings, issuer: str) -> None:
    """Given a referral that takes no long text any more, then its state, commands, history and duties answer in two seconds, and another reader waits one at most."""
    full, small, now = uuid4(), uuid4(), datetime.now(UTC).isoformat()
    async with api_of(service, settings, issuer) as client:
        officer, auditor = await client.token("SAFE_SCHOOLS_OFFICER"), await client.token("AUDITOR")
        for stream in (full, small):
            assert (await client.send(stream, received_referral(uuid4(), now), token=officer)).status_code == 201
        most = command_handler.FULL_BYTES // 100_000
        filled = 0
        while (
            answer := await client.send(full, linked_person(uuid4(), "WITNESS", **LONG), token=officer)
        ).status_code == 201:
            filled += 1
            assert filled < most
        assert filled > most // 4
        assert "holds as much as one may" in answer.text, answer.text

        record = f"/v1/referrals/{full}"
        reads = [
            (record, officer),
            (f"{record}/commands", officer),
            (f"{record}/history", auditor),
            (f"{record}/duties", officer),
        ]
        late: dict[str, tuple[int, float, float]] = {}
        for path, token in reads:
            over = asyncio.Event()
            other = asyncio.create_task(longest_wait(client, f"/v1/referrals/{small}", officer, over))
            await asyncio.sleep(0.1)
            begun = monotonic()
            answer = await client.read(path, token=token, reason="AUDIT")
            took = monotonic() - begun
            over.set()
            late[path] = (answer.status_code, round(took, 2), round(await other, 2))
    assert all(status == 200 for status, _, _ in late.values()), late
    assert all(took <= ANSWERED and waited <= WAITED for _, took, waited in late.values()), late
