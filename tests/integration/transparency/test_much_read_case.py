"""A case that somebody read very often: its evidence is answered soon, and others are answered meanwhile."""

import asyncio
import time
from typing import Final
from uuid import uuid4

import pytest
from fastapi.responses import JSONResponse

from shared.api.access_log import AccessLog
from shared.domain.messages import Actor
from shared.evidence.home_evidence import evidence_of
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.statement import Reader
from shared.runtime.privileges import RoleKind
from shared.servers.database import create_pool
from tests.integration.event_store.streams import SERVICE, Stream, as_application
from tests.integration.transparency.conftest import Office

READS: Final = 10_000
"""More than one login made in forty seconds."""


async def note_waits(waits: list[float]) -> None:
    """Note for how long somebody else waits for each turn, until cancelled."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        waits.append(time.monotonic() - began)


@pytest.mark.nightly
async def test_the_evidence_of_a_much_read_case_stops_nobody(office: Office) -> None:
    """Given a case with ten thousand reads, then its evidence comes in two seconds, and nobody else waits for one."""
    case, other = Stream(), Stream()
    await case.write(office.event_store, b"case")
    actor = Actor(id=uuid4(), role="KEEPER", organisation="SCHOOL")
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    reader, waits = Reader(logs=(EVENTS, ACCESS)), list[float]()
    try:
        for _ in range(READS // 1000):
            # Between the reads of the case lie those of another, so that no range of the log is the case's alone.
            await AccessLog(pool).record(actor, "READ_STATE", *[case.name, other.name] * 1000, outcome="GIVEN")
        async with office.signer():
            await evidence_of(pool, SERVICE, other.id, [], b"{}", reader)  # its statement comes when all is signed
            others = asyncio.create_task(note_waits(waits))
            began = time.monotonic()
            evidence = await evidence_of(pool, SERVICE, case.id, [case.name], b"{}", reader)
            sent = len(JSONResponse(evidence).body)
            took = time.monotonic() - began
            others.cancel()
    finally:
        await pool.close()
    assert len(evidence["access"]["entries"]) == READS
    assert sent < READS * 1000
    assert took < 2
    assert max(waits) < 1
