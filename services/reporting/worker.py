"""The projecting process: the events of the deciding services, in batches, into reporting's tables."""

from __future__ import annotations

from mode import Service as Part

from services.reporting.projection import apply, fold_unmarked
from services.reporting.read_models import CONSUMER, READ_MODELS
from shared.database import create_pool
from shared.messaging.consumer import log_alarms
from shared.messaging.projection_consumer import ProjectionConsumer
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.settings import Settings


async def parts(settings: Settings) -> list[Part]:
    """Start the projection consumer, which ends the process where it cannot go on."""
    database = await create_pool(settings.database("reporting", role_name(RoleKind.WORKER, "reporting")), max_size=6)
    await log_alarms(database, "reporting-worker")
    await fold_unmarked(database)
    return [
        ProjectionConsumer(CONSUMER, services=sorted(READ_MODELS), pool=database, bootstrap=settings.kafka, apply=apply)
    ]
