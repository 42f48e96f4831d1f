"""Dependencies of the routes of an API, built from the resources of its process: token verifier, access log, read gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.api.access_log import AccessLog
from shared.api.authentication import TokenVerifier
from shared.api.authorisation import ReadGate
from shared.command_handler import CommandHandler
from shared.domain.permissions import Permissions
from shared.event_store import EventStore
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.bootstrap import Resources, open_resources
from shared.runtime.privileges import RoleKind
from shared.runtime.service import Service
from shared.runtime.settings import Settings


@dataclass
class ApiDependencies:
    """The dependencies of every API: database pool, access log, read gate and token verifier."""

    database: asyncpg.Pool[asyncpg.Record]
    log: AccessLog
    gate: ReadGate
    tokens: TokenVerifier


@dataclass
class Dependencies(ApiDependencies):
    """The dependencies of the API of a deciding service."""

    handler: CommandHandler
    event_store: EventStore


def api_dependencies(resources: Resources, permissions: Permissions, labels: Iterable[str]) -> ApiDependencies:
    """Build the dependencies that every API has. `labels` are those that a token must give."""
    settings = resources.settings
    log = AccessLog(resources.database)
    tokens = TokenVerifier(settings.issuer, settings.audience, sorted(labels), needs_conflicts=settings.needs_conflicts)
    return ApiDependencies(resources.database, log, ReadGate(log, permissions), tokens)


@asynccontextmanager
async def open_dependencies(service: Service[Any], settings: Settings) -> AsyncIterator[Dependencies]:
    """Open the resources of a deciding service's API, and build its dependencies."""
    async with open_resources(service.name, RoleKind.API, settings, connections=12, keyring_connections=6) as resources:
        every = api_dependencies(resources, service.permissions, service.inherited_labels)
        event_store = PostgresEventStore(resources.database)
        handler = resources.command_handler(service, event_store)
        yield Dependencies(**vars(every), handler=handler, event_store=event_store)
