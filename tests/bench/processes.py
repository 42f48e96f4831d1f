"""What runs in processes of its own beside the bench, as it does in the system: relays, and reporting's feed."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import uvloop

from services.reporting.projection.projector import apply
from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from shared.messaging.consumer.effects import Apply
from shared.messaging.projection_consumer import ProjectionConsumer
from shared.messaging.relay import Relay
from shared.runtime.garbage_collection import exempt_from_collection
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role, create_pool
from tests.bench.timeline import Notes, NotingRelay
from tests.position_keys import KEYS, signers

SPAWN: Final = multiprocessing.get_context("spawn")


def relay_of(service: str, dsn: str, kafka: str, namespace: str, kind: Callable[..., Relay] = Relay) -> Relay:
    """Return the relay of a service into the topics of a namespace, not yet started."""
    return kind(
        service,
        events_topic=f"{namespace}.{service}.events",
        position_topic=f"{namespace}.{service}.position",
        dsn=as_role(dsn, role_name(RoleKind.RELAY, service)),
        bootstrap=kafka,
        signers=signers(service),
    )


async def relaying(event_stores: Mapping[str, str], kafka: str, namespace: str, notes: Notes | None = None) -> None:
    """Relay the event stores of some services, for ever; `notes` hears of each step."""
    kind = Relay if notes is None else partial(NotingRelay, notes=notes)
    async with contextlib.AsyncExitStack() as stack:
        for service, dsn in event_stores.items():
            await stack.enter_async_context(relay_of(service, dsn, kafka, namespace, kind))
        await asyncio.Event().wait()


async def feeding(dsn: str, kafka: str, namespace: str, apply: Apply = apply) -> None:
    """Feed reporting's projection, for ever, by its own `apply` or one that takes notes too."""
    database = await create_pool(dsn, max_size=6)
    feed = ProjectionConsumer(
        CONSUMER,
        services=sorted(READ_MODELS),
        pool=database,
        bootstrap=kafka,
        keys=KEYS,
        apply=apply,
        namespace=namespace,
        group=namespace,
    )
    async with feed:
        await asyncio.Event().wait()


@contextlib.contextmanager
def process_running(work: Callable[..., Awaitable[None]], *arguments: Any) -> Iterator[None]:
    """Run this in a process of its own as long as the body runs."""
    process = SPAWN.Process(target=_run, args=(work, arguments), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _run(work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    exempt_from_collection()
    uvloop.run(work(*arguments))
