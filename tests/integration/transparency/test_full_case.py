"""The evidence of a record as large as one may be: it answers, and keeps nobody else waiting (issue 46)."""

import asyncio
import contextlib
from time import monotonic
from typing import Final
from uuid import uuid4

import pytest

from shared.api.access_log import AccessLog
from shared.domain.messages import Actor
from shared.evidence.home_evidence import evidence_of
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.statement import Reader
from shared.handling.command_handler import FULL_BYTES
from shared.runtime.privileges import RoleKind
from shared.servers.database import create_pool
from tests.integration.event_store.streams import SERVICE, Stream, as_application
from tests.integration.transparency.conftest import Office

pytestmark = pytest.mark.nightly

EVENTS_OF_IT: Final = 400
READS_OF_IT: Final = 2_000
"""Each by somebody else, so that none is counted with another."""
ANSWERED: Final = 2.0
WAITED: Final = 1.0
"""Seconds for which nothing else is served meanwhile, at most."""


async def longest_pause() -> float:
    """Measure until it is cancelled for how long the event loop served nobody, in seconds."""
    longest, last = 0.0, monotonic()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, monotonic() - last), monotonic()
    return longest


async def test_the_evidence_of_a_full_record_answers_and_stops_nobody(office: Office) -> None:
    """Given a full record that many have read, when its evidence is collected, then it answers in two seconds, and others wait one at most."""
    case = Stream()
    note = b"x" * (FULL_BYTES // EVENTS_OF_IT // 2)  # a note is written in hexadecimal
    for _ in range(EVENTS_OF_IT):
        await case.write(office.event_store, note)
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    for _ in range(READS_OF_IT):
        actor = Actor(id=uuid4(), role="KEEPER", organisation="TESTS")
        await AccessLog(pool).record(actor, "READ_STATE", case.name, outcome="GIVEN", reason="AUDIT")
    async with office.signer():
        await evidence_of(pool, SERVICE, case.id, [case.name], b"{}", Reader(logs=(EVENTS, ACCESS)))
        waiting = asyncio.create_task(longest_pause())
        await asyncio.sleep(0)
        begun = monotonic()
        part = await evidence_of(pool, SERVICE, case.id, [case.name], b"{}", Reader(logs=(EVENTS, ACCESS)))
        took = monotonic() - begun
        waiting.cancel()
        waited = await waiting
    await pool.close()
    assert len(part["events"]["entries"]) == EVENTS_OF_IT
    assert len(part["access"]["entries"]) == READS_OF_IT
    assert took <= ANSWERED, took
    assert waited <= WAITED, waited
