"""Canned problems for tests of API clients: `Prefer: example=409`, or `example=key-reused` (RFC 7240).

Only a sandbox answers so. The request goes no further, so nothing is read or recorded, and no token is needed.
"""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.api.problems import PROBLEM_TYPES, Malformed, example_response, malformed_response

EXAMPLE: Final = re.compile(r"(?:^|[,;\s])example=\"?([a-z0-9-]{1,40})")


class Sandbox:
    """ASGI middleware that answers with the problem that a request prefers: a type, or the first type with a status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request that prefers an example; pass any other on."""
        preferred = EXAMPLE.search(Headers(scope=scope).get("prefer", "")) if scope["type"] == "http" else None
        await (self._app if preferred is None else _answer(preferred[1]))(scope, receive, send)


def _answer(wanted: str) -> Response:
    kinds = [kind for kind, (statuses, _) in PROBLEM_TYPES.items() if wanted in {kind, str(statuses[0])}]
    if not kinds:
        statuses = sorted({str(statuses[0]) for statuses, _ in PROBLEM_TYPES.values()})
        remedy = f"prefer example= and one of {', '.join([*statuses, *PROBLEM_TYPES])}"
        return malformed_response(Malformed(("Prefer", remedy)))
    return example_response(kinds[0])
