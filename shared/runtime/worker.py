"""A service's worker: relay, signer of checkpoints and reactor in one process, which end together."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import uvloop
from mode import Service as Part
from mode import Worker

from shared.domain.service import Service
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.contract import NO_CONTRACT, contract_of
from shared.evidence.log import ACCESS, EVENTS, Log
from shared.evidence.receipts import receipt_signer
from shared.evidence.signer import CheckpointSigner
from shared.evidence.witnessed import compare_at_start, witness_of
from shared.messaging.consumer.position_signature import position_signers
from shared.messaging.faust_consumer import reactor
from shared.messaging.relay import Relay
from shared.messaging.topic_watch import TopicWatch
from shared.observing.progress import hanging_parts
from shared.privacy.keyring import KeyEncryptionKeys
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.runtime.bootstrap import Resources, open_resources
from shared.runtime.garbage_collection import exempt_from_collection
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import create_pool
from shared.servers.kafka import worker_principal
from shared.servers.settings import Settings

HEARTBEAT_SECONDS: Final = 5.0
"""Seconds between two touches of a worker's heartbeat file, which rest while one of its parts hangs."""

Build = Callable[[Resources], Awaitable[Sequence[Part]]]
"""Builds the parts of a worker from its open resources."""


class ServiceGroup(Part):
    """The parts of one worker. If one crashes, all end, and the process exits with an error."""

    def __init__(self, resources: AbstractAsyncContextManager[Resources], build: Build) -> None:
        super().__init__()
        self._resources = resources
        self._build = build
        self._heartbeat: Path | None = None

    async def on_start(self) -> None:
        """Open the resources and build the parts, in the loop in which they run. The resources close after the parts."""
        resources = await self.add_async_context(self._resources)
        for part in await self._build(resources):
            await self.add_runtime_dependency(part)
        self._heartbeat = resources.settings.heartbeat

    @Part.task
    async def _beat(self) -> None:
        while self._heartbeat is not None and not self.should_stop:
            beat(self._heartbeat)
            await self.sleep(HEARTBEAT_SECONDS)


def beat(heartbeat: Path) -> None:
    """Touch the heartbeat file of a worker, unless one of its parts hangs."""
    if not hanging_parts():
        heartbeat.touch()


def run(resources: AbstractAsyncContextManager[Resources], build: Build) -> None:
    """Run the parts that `build` makes of the resources until SIGTERM or SIGINT; does not return."""
    exempt_from_collection()
    Worker(
        ServiceGroup(resources, build),
        loop=uvloop.new_event_loop(),
        override_logging=False,
        redirect_stdouts=False,
        blocking_timeout=30.0,
    ).execute_from_commandline()


def run_worker(service: Service[Any], settings: Settings) -> None:
    """Run the worker of a deciding service; does not return."""
    keyring = 4 if service.consumed_topics else 0
    resources = open_resources(service.name, RoleKind.WORKER, settings, connections=10, keyring_connections=keyring)
    run(resources, lambda resources: _parts(service, resources))


async def _parts(service: Service[Any], resources: Resources) -> list[Part]:
    """Return the parts of a deciding service's worker; a service that reads no other topic has no reactor."""
    settings = resources.settings
    event_store = PostgresEventStore(resources.database)
    signers = position_signers(SigningKeys.of(settings), settings.log_origin, service.name)
    relay = Relay(
        service.name,
        events_topic=service.topic,
        position_topic=service.position_topic,
        dsn=settings.database(service.name, role_name(RoleKind.RELAY, service.name)),
        bootstrap=settings.kafka_as(worker_principal(service.name)),
        signers=signers,
    )
    parts: list[Part] = [
        relay,
        TopicWatch(service.topic, resources.database, settings.kafka_as(worker_principal(service.name))),
        *await checkpoint_signers(
            service.name,
            (EVENTS, ACCESS),
            service.checkpoints_topic,
            settings,
            contract_of(service),
            (
                receipt_signer(KeyEncryptionKeys.of(settings), settings.log_origin, service.name).key,
                *(signer.key for signer in signers),
            ),
        ),
    ]
    if not service.consumed_topics:
        return parts
    handler = resources.command_handler(service, event_store)
    return [*parts, reactor(service, handler, resources.database, settings)]


async def checkpoint_signers(
    service: str,
    logs: Sequence[Log],
    topic: str,
    settings: Settings,
    contract: bytes = NO_CONTRACT,
    further_keys: Sequence[VerifierKey] = (),
) -> list[Part]:
    """Build the signer of a service's checkpoints, once the logs are compared with what the witness has seen.

    So no other part of the worker records anything before. It lists `further_keys` with its own. Raises `InvalidSigningKey`
    or `BadNote`.
    """
    dsn = settings.database(service, role_name(RoleKind.SIGNER, service))
    async with await create_pool(dsn, max_size=1) as pool:
        await compare_at_start(pool, service, logs, settings)
    return [
        CheckpointSigner(
            service,
            authority=settings.log_origin,
            logs=logs,
            topic=topic,
            dsn=dsn,
            bootstrap=settings.kafka_as(worker_principal(service)),
            keys=SigningKeys.of(settings),
            contract=contract,
            further_keys=further_keys,
            witness=witness_of(settings),
        )
    ]
