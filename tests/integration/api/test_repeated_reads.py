"""A school that reads its own referral again and again, on a real PostgreSQL: what the access log holds of it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from services.referral.service import service
from shared.servers.settings import Settings
from tests.integration.api.conftest import api_of
from tests.received_referral import received_referral

TIMES = 40


async def lines(settings: Settings, stream: UUID) -> list[tuple[str, str]]:
    owner = await asyncpg.connect(settings.database("referral", "postgres"))
    query = "select action, target from access_log where target like $1 and action = 'READ_STATE' order by sequence"
    rows = await owner.fetch(query, f"referral/{stream}%")
    await owner.close()
    return [(row["action"], row["target"]) for row in rows]


async def test_repeated_reads_of_an_unchanged_record_of_ones_own_are_counted(settings: Settings, issuer: str) -> None:
    """Given a school that reads its own referral many times, then the log has its first read and a count; an officer's reads, and the state after a change, have a line each."""
    stream = uuid4()
    path, of = f"/v1/referrals/{stream}", f"referral/{stream}"
    async with api_of(service, settings, issuer) as client:
        school, officer = await client.token("SCHOOL"), await client.token("SAFE_SCHOOLS_OFFICER")

        async def send(token: str, body: dict[str, object]) -> None:
            answer = await client.send(stream, body, token=token)
            assert answer.status_code == 201, answer.text

        async def read(token: str) -> None:
            assert (await client.read(path, token=token)).status_code == 200

        await send(school, dict(received_referral(uuid4(), datetime.now(UTC).isoformat())))
        for _ in range(TIMES):
            await read(school)
        for _ in range(2):
            await read(officer)
        assert await lines(settings, stream) == [("READ_STATE", of)] * 3
        await send(officer, {"type": "AcknowledgeReferral"})
        await read(school)
        await read(school)
    *before, (action, again), changed, last = await lines(settings, stream)
    assert before == [("READ_STATE", of)] * 3
    assert (action, again.rpartition("/")[0]) == ("READ_STATE", f"{of}/again/{TIMES - 1}")
    assert changed == ("READ_STATE", of)
    assert last[1].startswith(f"{of}/again/1/")
