"""The process of notifications: it follows the events of the other services, and sends due messages."""

from collections.abc import Sequence
from typing import Final

from mode import Service as Part

from services.notifications.apis import Apis
from services.notifications.channels import Carrier
from services.notifications.channels.notify import Notify
from services.notifications.channels.record import RecordOnly
from services.notifications.channels.smtp import MailServer
from services.notifications.follow import CHECKPOINTS, CONSUMER, following
from services.notifications.keys import ListedKeys
from services.notifications.news import READ_MODELS
from services.notifications.plan import plan, plan_as_it_happened
from services.notifications.sender import Sender
from services.notifications.settings import NotificationsSettings, webhook_key
from services.notifications.waiting import waiting
from services.notifications.webhooks import follow as webhooks
from services.notifications.webhooks.courier import Courier
from services.notifications.webhooks.sender import WebhookSender
from services.system.addresses import find_addresses
from shared.messaging.polling import waking
from shared.messaging.projection_consumer import ProjectionConsumer, events_topic
from shared.runtime.bootstrap import Resources, open_resources
from shared.runtime.operations_port import OperationsPort, operations_app
from shared.runtime.privileges import RoleKind
from shared.runtime.worker import run
from shared.servers.kafka import worker_principal
from shared.servers.settings import Settings

CONNECTIONS: Final = 16
"""Of its pool to its own database: the consumers, and as many messages and events as are sent at once."""


def run_worker(_settings: Settings) -> None:
    """Run the process; does not return. Raises `InvalidSetting`."""
    settings = NotificationsSettings()
    carriers = carriers_of(settings)
    run(
        open_resources(CONSUMER, RoleKind.WORKER, settings, connections=CONNECTIONS),
        lambda at: _parts(at, settings, carriers),
    )


def carriers_of(settings: NotificationsSettings) -> Sequence[Carrier]:
    """Return the carriers of messages; the record alone if none is set. Raises `InvalidSetting`."""
    carriers: list[Carrier] = []
    if settings.smtp_host is not None:
        carriers.append(MailServer(settings))
    if settings.notify_key_file is not None:
        carriers.append(Notify(settings))
    return carriers or [RecordOnly()]


class _Connections(Part):
    """Closes the connections to the services with the process."""

    def __init__(self, apis: Apis) -> None:
        super().__init__()
        self._apis = apis

    async def on_stop(self) -> None:
        await self._apis.close()


async def _parts(resources: Resources, settings: NotificationsSettings, carriers: Sequence[Carrier]) -> list[Part]:
    in_the_past = settings.messages_of_the_past
    plan_of = plan_as_it_happened if in_the_past else plan
    apis = Apis(settings, find_addresses())
    sender = Sender(resources.database, apis, carriers, in_the_past=in_the_past, plan_of=plan_of)
    services = sorted(READ_MODELS)
    listed = ListedKeys(apis, services)
    consumer = ProjectionConsumer(
        CHECKPOINTS,
        services=services,
        pool=resources.database,
        bootstrap=settings.kafka_as(worker_principal(CONSUMER)),
        keys=listed.position_keys,
        apply=waking(following(plan_of), sender.poll),
        group=f"ooc-{CONSUMER}",
    )
    topics = [events_topic(service) for service in services]
    port = OperationsPort(operations_app(CONSUMER, topics, resources.database, settings, waiting), settings)
    return [_Connections(apis), listed, sender, consumer, *_webhooks(resources, settings, listed), port]


def _webhooks(resources: Resources, settings: NotificationsSettings, listed: ListedKeys) -> list[Part]:
    """Return what sends agencies their events, with a consumer of its own: neither waits for messages, or they for it."""
    if settings.webhook_key_file is None:
        return []
    sender = WebhookSender(resources.database, Courier(settings), webhook_key(settings.webhook_key_file))
    consumer = ProjectionConsumer(
        webhooks.CONSUMER,
        services=[webhooks.SERVICE],
        pool=resources.database,
        bootstrap=settings.kafka_as(worker_principal(CONSUMER)),
        keys=listed.position_keys,
        apply=waking(webhooks.keep_for_agencies, sender.poll),
        group=f"ooc-{CONSUMER}-{webhooks.CONSUMER}",
    )
    return [sender, consumer]
