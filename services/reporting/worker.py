"""The projecting process: the events of the four deciding services, in batches, into reporting's tables."""

from __future__ import annotations

from mode import Service as Part

from services.reporting.projection import apply
from services.reporting.readings import CONSUMER, READINGS
from shared.database import pool
from shared.feed import Feed
from shared.settings import Settings


async def parts(settings: Settings) -> list[Part]:
    """The feed, which ends the process where it cannot go on."""
    database = await pool(settings.database("reporting"), most=6)
    return [Feed(CONSUMER, services=sorted(READINGS), pool=database, bootstrap=settings.kafka, apply=apply)]
