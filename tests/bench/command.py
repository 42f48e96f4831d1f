"""The deciding services' command handlers, in this process."""

import base64
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import CommandHandler
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from shared.servers.database import create_pool
from tests.bench.corpus import SERVICES
from tests.bench.place import Place


@dataclass(frozen=True)
class CommandSide:
    """The four deciding services' handlers, each on an event store of its own, and their event stores' addresses."""

    handlers: Mapping[str, CommandHandler]
    event_stores: Mapping[str, str]


@contextlib.asynccontextmanager
async def command_side(place: Place) -> AsyncIterator[CommandSide]:
    """Yield the services on fresh databases, with the pools that their APIs have."""
    kek = KeyEncryptionKeys.read(base64.b64encode(os.urandom(32)).decode())
    async with contextlib.AsyncExitStack() as stack:
        handlers: dict[str, CommandHandler] = {}
        event_stores = {name: await place.event_store_database(name) for name in SERVICES}
        keys = await create_pool(await place.keyring_database(next(iter(SERVICES))), max_size=6)
        stack.push_async_callback(keys.close)
        for name, service in SERVICES.items():
            database = await create_pool(event_stores[name], max_size=12)
            stack.push_async_callback(database.close)
            handlers[name] = CommandHandler(
                service, PostgresEventStore(database), PostgresKeyring(keys, kek), kek.derived("request-digest")
            )
        yield CommandSide(handlers, event_stores)
