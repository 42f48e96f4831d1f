"""Dependencies of the routes of an API, built from the resources of its process: token verifier, access log, read gate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg

from shared.api.access_log import AccessLog
from shared.api.authentication import TokenVerifier
from shared.api.authorisation import ReadGate
from shared.domain.permissions import Permissions
from shared.event_store import EventStore
from shared.handling.command_handler import CommandHandler
from shared.servers.settings import Settings


@dataclass
class OwnDatabase:
    """The one dependency of routes that monitoring asks: the pool of the process's own database."""

    database: asyncpg.Pool[asyncpg.Record]


@dataclass
class ApiDependencies(OwnDatabase):
    """The dependencies of every API: database pool, access log, read gate and token verifier."""

    log: AccessLog
    gate: ReadGate
    tokens: TokenVerifier


@dataclass
class Dependencies(ApiDependencies):
    """The dependencies of the API of a deciding service."""

    handler: CommandHandler
    event_store: EventStore
    closing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by a closure, which needs a second connection while it has one: many at once would take all, and wait for ever."""


def api_dependencies(
    settings: Settings, database: asyncpg.Pool[asyncpg.Record], permissions: Permissions, labels: Iterable[str]
) -> ApiDependencies:
    """Build the dependencies that every API has. `labels` are those that a token must give."""
    log = AccessLog(database)
    tokens = TokenVerifier(settings.issuer, settings.audience, sorted(labels), needs_conflicts=settings.needs_conflicts)
    return ApiDependencies(database, log, ReadGate(log, permissions), tokens)
