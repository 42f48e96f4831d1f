"""The HTTP API of a deciding service, built from its declaration: commands, queries, receipts, problem details.

POST /v1/{collection}/{id}/commands     any command, discriminated by `type`; needs an Idempotency-Key
GET  /v1/{collection}/{id}              the state; ?as_of=&known_at=
GET  /v1/{collection}/{id}/history      every event, in order
GET  /v1/{collection}/{id}/duties       the duties; ?as_of=DATE
GET  /v1/{collection}/{id}/documents/{name}  a document as PDF; ?lang=en|cy&as_of=&known_at=
GET  /v1/reactions                      parked reactions, which wait for a retry
/v1/alarms /v1/quarantine /v1/gaps /v1/decisions   for operators: shared/api/quarantine.py
GET  /status /health/live /health/ready without a token: positions and readiness, no data
GET  /docs /openapi.json                without a token: the description of this API
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from shared.api.boundary import guard
from shared.api.commands import add_commands, command_schemas
from shared.api.connections import ConnectionLimits, with_limits
from shared.api.dependencies import open_dependencies
from shared.api.documents import add_documents
from shared.api.openapi import complete_openapi, new_application
from shared.api.operations import add_operations
from shared.api.problems import install_handlers
from shared.api.quarantine import add_quarantine
from shared.api.queries import add_queries
from shared.runtime.service import Service
from shared.runtime.settings import Settings


def service_api(service: Service[Any], settings: Settings) -> FastAPI:
    """Build the application of one deciding service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_dependencies(service, settings) as app.state.deps:
            yield

    app = new_application(
        f"The service {service.name}",
        f"Commands and queries of the service {service.name}. Every read is recorded.",
        lifespan=lifespan,
    )
    guard(app, settings)
    install_handlers(app)
    add_commands(app, service, settings)
    add_queries(app, service)
    if service.documents:
        add_documents(app, service)
    add_operations(app, service)
    add_quarantine(app, service.name)
    complete_openapi(app, settings, command_schemas(service))
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until SIGTERM, then finish the running requests."""
    limits = ConnectionLimits(
        total=settings.connections,
        per_address=None if settings.trusted_proxies else settings.connections_per_address,
    )
    uvicorn.run(app, host=settings.host, port=settings.port, **uvicorn_options(settings, limits))


def uvicorn_options(settings: Settings, limits: ConnectionLimits) -> dict[str, Any]:
    """Build the options of uvicorn: time limits (seconds), and forwarded addresses from trusted proxies only."""
    return {
        "loop": "uvloop",
        "http": with_limits(limits),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 20,
        "timeout_graceful_shutdown": 10,
        "h11_max_incomplete_event_size": 32_768,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies or "",
    }
