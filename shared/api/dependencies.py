"""Dependencies of the routes of an API: database, keyring, token verifier and read gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.api.access_log import AccessLog
from shared.api.authentication import TokenVerifier
from shared.api.authorisation import ReadGate
from shared.command_handler import CommandHandler
from shared.database import create_pool
from shared.event_store import EventStore
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer import log_alarms
from shared.privacy.keyring import PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.service import Service
from shared.runtime.settings import Settings


@dataclass
class Dependencies:
    """The dependencies of the routes of a running API."""

    handler: CommandHandler
    event_store: EventStore
    gate: ReadGate
    log: AccessLog
    tokens: TokenVerifier
    database: asyncpg.Pool[asyncpg.Record]


@asynccontextmanager
async def open_dependencies(service: Service[Any], settings: Settings) -> AsyncIterator[Dependencies]:
    """Open the database and the keyring of a service, with its own database role, and build its dependencies."""
    kek = settings.read_kek()
    role = role_name(RoleKind.API, service.name)
    database = await create_pool(settings.database(service.name, role), max_size=12)
    await log_alarms(database, f"{service.name}-api")
    keys = await create_pool(settings.database("keyring", role), max_size=6)
    event_store = PostgresEventStore(database)
    log = AccessLog(database)
    handler = CommandHandler(service, event_store, PostgresKeyring(keys, kek), kek.derived("request-digest"))
    tokens = TokenVerifier(
        settings.issuer, settings.audience, sorted(service.inherited_labels), needs_conflicts=settings.needs_conflicts
    )
    try:
        yield Dependencies(handler, event_store, ReadGate(log, service.permissions), log, tokens, database)
    finally:
        await database.close()
        await keys.close()
