"""The HTTP API of a deciding service, built from its declaration.

Each call in `service_api` adds the routes of one subject. `/status`, `/health`, `/evidence`, `/docs`, `/openapi.json` and
`/schemas` need no token and hold no data of anybody.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette

from shared.api.boundary import guard
from shared.api.command_outcomes import add_command_outcomes
from shared.api.command_schemas import add_command_schemas, openapi_schemas
from shared.api.commands import add_commands
from shared.api.connections import BoundedProtocol, ConnectionLimits, with_limits
from shared.api.data_rights import add_data_rights
from shared.api.dependencies import Dependencies, api_dependencies
from shared.api.documents import add_documents
from shared.api.dry_run import Services
from shared.api.guidance import add_guidance
from shared.api.imports import add_import
from shared.api.openapi import complete_openapi, new_application
from shared.api.operations import add_operations
from shared.api.policy import add_policy
from shared.api.problems import install_handlers
from shared.api.quarantine import add_quarantine
from shared.api.queries import add_queries
from shared.api.reactions import add_reactions
from shared.api.subject_access import add_subject_access
from shared.api.waits import add_waits
from shared.domain.service import Service
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.access_lines import add_service_access_lines
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.routes import add_service_evidence
from shared.evidence.witnessed import compare_at_start
from shared.messaging.standstill import watching_relay
from shared.runtime.bootstrap import open_resources
from shared.runtime.garbage_collection import exempt_from_collection
from shared.runtime.privileges import RoleKind
from shared.runtime.server import run
from shared.servers.settings import Settings


def service_api(service: Service[Any], settings: Settings, services: Services = tuple) -> FastAPI:
    """Build the application of one deciding service; `services` gives all that may react to it or be read by it."""
    app = new_application(
        f"The service {service.name}",
        f"Commands and queries of the service {service.name}. Every read is recorded.",
        lambda: open_dependencies(service, settings),
    )
    guard(app, settings)
    install_handlers(app)
    add_commands(app, service, settings, services)
    add_guidance(app, service)
    add_command_schemas(app, service)
    add_policy(app, service.policy)
    add_command_outcomes(app, service, services)
    add_queries(app, service)
    if service.documents:
        add_documents(app, service)
    add_operations(app, service)
    add_reactions(app, service)
    add_waits(app, service, services)
    add_quarantine(app, service.name)
    add_service_evidence(app, service, settings)
    add_service_access_lines(app, service)
    add_data_rights(app, service, settings)
    add_subject_access(app, service)
    if service.importers:
        add_import(app, service)
    complete_openapi(app, settings, lambda: openapi_schemas(service))
    return app


@asynccontextmanager
async def open_dependencies(service: Service[Any], settings: Settings) -> AsyncIterator[Dependencies]:
    """Open the resources of a deciding service's API, and build its dependencies."""
    async with open_resources(service.name, RoleKind.API, settings, connections=12, keyring_connections=6) as resources:
        await compare_at_start(resources.database, service.name, (EVENTS, ACCESS), settings)
        every = api_dependencies(settings, resources.database, service.permissions, service.inherited_labels)
        event_store = PostgresEventStore(resources.database)
        handler = resources.command_handler(service, event_store, signing=True)
        async with watching_relay(resources.database, service.name):
            yield Dependencies(**vars(every), handler=handler, event_store=event_store)
            await every.gate.repeated.close()


def serve(app: Starlette, settings: Settings) -> None:
    """Serve an application until SIGTERM, then finish the running requests."""
    exempt_from_collection()
    options = uvicorn_options(settings, ConnectionLimits.of(settings))
    run(uvicorn.Config(app, host=settings.host, port=settings.port, **options))


def uvicorn_options(settings: Settings, limits: ConnectionLimits) -> dict[str, Any]:
    """Build the options of uvicorn: time limits (seconds), and forwarded addresses from trusted proxies only."""
    protocol = with_limits(limits)
    return {
        "loop": "uvloop",
        "http": protocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 20,
        "timeout_graceful_shutdown": 10,
        "h11_max_incomplete_event_size": 32_768,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies or "",
        **(_tls(settings, protocol) if settings.tls_certificate else {}),
    }


def _tls(settings: Settings, protocol: type[BoundedProtocol]) -> dict[str, Any]:
    def newest_version(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        protocol.tls = context
        return context

    return {
        "ssl_certfile": settings.tls_certificate,
        "ssl_keyfile": settings.tls_key,
        "ssl_context_factory": newest_version,
    }
