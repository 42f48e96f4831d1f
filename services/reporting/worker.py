"""The projecting process: the events of the deciding services, in batches, into reporting's tables; and a signer."""

from mode import Service as Part

from services.reporting.projection.caught_up import FreshnessRecorder
from services.reporting.projection.projector import apply
from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from shared.evidence.log import ACCESS
from shared.messaging.consumer.position_signature import PositionKeys
from shared.messaging.projection_consumer import ProjectionConsumer
from shared.runtime.bootstrap import Resources, open_resources
from shared.runtime.privileges import RoleKind
from shared.runtime.worker import checkpoint_signers, run
from shared.servers.kafka import worker_principal
from shared.servers.settings import Settings


def run_worker(settings: Settings) -> None:
    """Run the worker of reporting; does not return."""
    run(open_resources("reporting", RoleKind.WORKER, settings, connections=6), _parts)


async def _parts(resources: Resources) -> list[Part]:
    database, settings = resources.database, resources.settings
    kafka = settings.kafka_as(worker_principal("reporting"))
    return [
        *await checkpoint_signers("reporting", (ACCESS,), "ooc.reporting.checkpoints", settings),
        ProjectionConsumer(
            CONSUMER,
            services=sorted(READ_MODELS),
            pool=database,
            bootstrap=kafka,
            keys=PositionKeys.derived(settings),
            apply=apply,
        ),
        FreshnessRecorder(database, kafka),
    ]
