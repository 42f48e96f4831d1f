"""A server that speaks the documented API of GOV.UK Notify: its tokens, its answers and its errors.

Source: https://docs.notifications.service.gov.uk/rest-api.html
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SERVICE: Final = str(uuid4())
SECRET: Final = str(uuid4())
KEY: Final = f"ooc_test-{SERVICE}-{SECRET}"
TEMPLATES: Final = {channel: str(uuid4()) for channel in ("sms", "email", "letter")}


class Problem(Exception):
    """An error as the API documents it."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message


@dataclass
class NotifyServer:
    """What it took, and what it answers next."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    status: str = "sending"
    next_problem: Problem | None = None
    after_taking: Problem | None = None

    def application(self) -> Starlette:
        """Return its routes."""
        return Starlette(
            routes=[
                Route("/v2/notifications/{channel}", self._send, methods=["POST"]),
                Route("/v2/notifications", self._list),
            ],
            exception_handlers={Problem: _answer},
        )

    async def _send(self, request: Request) -> JSONResponse:
        _check(request)
        body, channel = await request.json(), request.path_params["channel"]
        if self.next_problem is not None:
            raise self.next_problem
        if body["template_id"] != TEMPLATES.get(channel):
            raise Problem(400, "BadRequestError", "Template not found")
        if channel == "sms" and not body["phone_number"].replace(" ", "").lstrip("+").isdigit():
            raise Problem(400, "ValidationError", "phone_number Must not contain letters or symbols")
        made = {"id": str(uuid4()), "channel": channel, **body}
        self.taken.append(made)
        if self.after_taking is not None:
            raise self.after_taking
        return JSONResponse(
            {"id": made["id"], "reference": body.get("reference"), "content": {}, "uri": "", "template": {}}, 201
        )

    async def _list(self, request: Request) -> JSONResponse:
        _check(request)
        reference = request.query_params.get("reference")
        found = [{**one, "status": self.status} for one in self.taken if one["reference"] == reference]
        return JSONResponse({"notifications": found, "links": {"current": ""}})


def _check(request: Request) -> None:
    """Require a token as documented: HS256, the service's id, and issued within 30 seconds."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_iat": False})
    except jwt.PyJWTError:
        raise Problem(403, "AuthError", "Invalid token: signature, api token not found") from None
    if claims.get("iss") != SERVICE:
        raise Problem(403, "AuthError", "Invalid token: service not found")
    if abs(time.time() - claims["iat"]) > 30:
        raise Problem(403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds")


async def _answer(_request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    body = {"status_code": problem.status, "errors": [{"error": problem.error, "message": problem.message}]}
    return JSONResponse(body, problem.status)
