"""What workers keep of each other's events, kept by the function that they use. `make bench`, which has no pytest, needs it too."""

import contextlib
from typing import Any

import asyncpg

from services.system.registry import deciding_services
from shared.messaging.linking import link_again
from tests.isolated_settings import IsolatedSettings


async def link_services(settings: IsolatedSettings) -> None:
    """Keep in each service the events of others that it looks at, and their marks."""
    async with contextlib.AsyncExitStack() as closing:
        stores: dict[str, Any] = {}
        for service in deciding_services():
            stores[service.name] = await asyncpg.connect(settings.worker_database(service.name))
            closing.push_async_callback(stores[service.name].close)
        for service in deciding_services():
            await link_again(stores[service.name], service, stores)
