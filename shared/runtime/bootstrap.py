"""The composition root of every process of a service: opens its database and its keyring, and closes them at its end.

A service says how many connections its process needs; the API and the worker, deciding services and those that only
project, build everything else from the same `Resources`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from shared.domain.service import Service
from shared.event_store import EventStore
from shared.evidence.receipts import receipt_signer, sign_receipt
from shared.handling.command_handler import CommandHandler
from shared.messaging.consumer.alarms import log_alarms
from shared.observing.latency import recording_latency
from shared.observing.progress import recording_progress
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from shared.runtime.keyring_watch import MissingKeys, watch_keyring
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import Pool, create_pool
from shared.servers.settings import Settings
from shared.servers.tasks import end

CLOSING_SECONDS: Final = 5.0
"""How long the calls under way may take at the end of a process; after that its connections are cut."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The open resources of one process of a service."""

    settings: Settings
    database: Pool
    """The service's own database, with the role of the process."""
    keys: tuple[KeyEncryptionKeys, PostgresKeyring] | None = None
    """The key-encryption keys, and the keyring that they open; None: the process works without keys."""

    @property
    def keyring(self) -> PostgresKeyring:
        """The keyring of the process. Asserts that the process was opened with one."""
        assert self.keys is not None, "the process was opened without connections to the keyring"
        return self.keys[1]

    @property
    def kek(self) -> KeyEncryptionKeys:
        """The key-encryption keys. Asserts that the process was opened with connections to the keyring."""
        assert self.keys is not None, "the process was opened without connections to the keyring"
        return self.keys[0]

    def command_handler(
        self, service: Service[Any], event_store: EventStore, *, signing: bool = False
    ) -> CommandHandler:
        """Build the command handler of a service, in a process that has a keyring; `signing` its receipts, or not."""
        signer = receipt_signer(self.kek, self.settings.log_origin, service.name)
        sign = partial(sign_receipt, signer) if signing else None
        return CommandHandler(service, event_store, self.keyring, self.kek.derived("request-digest"), sign)


@asynccontextmanager
async def open_resources(
    service: str, kind: RoleKind, settings: Settings, *, connections: int, keyring_connections: int = 0
) -> AsyncIterator[Resources]:
    """Open the resources of a process of a service, and close them.

    The process has at most so many connections to the service's database and to the keyring; with none to the keyring it
    reads no key-encryption key. Raises `InvalidKeyEncryptionKeys` or `NoPassword`.
    """
    kek = KeyEncryptionKeys.of(settings) if keyring_connections else None
    role = role_name(kind, service)
    async with AsyncExitStack() as stack:

        async def open_pool(database: str, max_size: int) -> Pool:
            pool = await create_pool(settings.database(database, role), max_size=max_size)
            stack.push_async_callback(_close, pool)
            return pool

        database = await open_pool(service, connections)
        await log_alarms(database, f"{service}-{kind}")
        await stack.enter_async_context(recording_latency(database))
        await stack.enter_async_context(recording_progress(database))
        if kek is None:
            yield Resources(settings, database)
            return
        missing = MissingKeys(service, f"{service}-{kind}", database)
        keyring = PostgresKeyring(await open_pool("keyring", keyring_connections), kek, on_missing=missing.meet)
        watching = asyncio.create_task(missing.watch(keyring))
        stack.push_async_callback(end, watching)
        asking = asyncio.create_task(watch_keyring(keyring, database, service, f"{service}-{kind}"))
        stack.push_async_callback(end, asking)
        yield Resources(settings, database, (kek, keyring))


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CLOSING_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()
