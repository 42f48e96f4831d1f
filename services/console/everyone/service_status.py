"""The status page: whether each service is ready, without a sign-in."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from services.console.rendering import render
from services.console.routing import console_of
from services.system.registry import SERVICES


async def status_page(request: Request) -> Response:
    """Show whether each service is ready; 503 if one is not, for programs that watch the page."""
    apis = console_of(request).apis
    ready = await asyncio.gather(*(apis.is_ready(entry.name) for entry in SERVICES))
    lines = [(entry.title, works) for entry, works in zip(SERVICES, ready, strict=True)]
    status, support = 200 if all(ready) else 503, request.app.state.support
    return render(request, "service_status.html", None, status=status, lines=lines, support=support)
