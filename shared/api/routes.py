"""What a route declares to FastAPI: its caller, its parameters, and the problems that it may answer.

    @app.get("/v1/loans/{id}", response_model=StateView, **declared((ID, *TIMES, ACCESS_REASON), 404))
    async def state(request: Request, actor: Caller, id: str) -> JSONResponse: ...

FastAPI derives the OpenAPI document from these dependencies, and solves them before it calls the route. So the order of
answers is the same everywhere: the token (401), the parameters (422), the right (403), the record (404).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from shared.api.parameters import Parameter
from shared.api.problems import Malformed, malformed_response, problems
from shared.api.request import Caller, check_parameters

PROBLEMS: Final = (401, 403, 422, 503)
"""The problems that every route behind a token may answer, besides those of any route."""


class ParameterCheck:
    """A dependency that declares parameters to FastAPI and checks them: unknown, repeated, malformed, missing.

    FastAPI itself takes the last of repeated parameters and passes over unknown ones, and its errors repeat the input,
    which may be personal. So it only reads and documents them here.
    """

    def __init__(self, parameters: Sequence[Parameter], *, with_caller: bool) -> None:
        self._parameters = tuple(parameters)
        arguments = [_argument("request", Request), *([_argument("actor", Caller)] if with_caller else ())]
        for n, parameter in enumerate(parameters):
            arguments.append(_argument(f"parameter_{n}", parameter.annotation, parameter.default))
        self.__signature__ = inspect.Signature(arguments)

    async def __call__(self, *, request: Request, **_values: Any) -> None:
        """Check the parameters of a request. Raises `Malformed`."""
        self.check(request)

    def check(self, request: Request) -> None:
        """Check the parameters of a request. Raises `Malformed`."""
        check_parameters(request, self._parameters)


def _argument(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def declared(
    parameters: Sequence[Parameter],
    *statuses: int,
    answers: Mapping[int | str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the arguments of a route behind a token: its parameters, the problems of these statuses, its body by hand."""
    return {
        "dependencies": [Depends(ParameterCheck(parameters, with_caller=True))],
        "responses": {**(answers or {}), **problems(*PROBLEMS, *statuses)},
        **({} if body is None else {"openapi_extra": {"requestBody": dict(body)}}),
    }


def json_body(schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Build a request body of OpenAPI: JSON of a schema."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def declared_openly(parameters: Sequence[Parameter], *statuses: int) -> dict[str, Any]:
    """Build the arguments of a route that needs no token."""
    return {
        "dependencies": [Depends(ParameterCheck(parameters, with_caller=False))],
        "responses": problems(*statuses),
    }


def explain_missing(app: FastAPI) -> None:
    """Answer a missing parameter as every malformed one: FastAPI notices it before the route's check is called."""

    @app.exception_handler(RequestValidationError)
    async def _missing(request: Request, raised: RequestValidationError) -> JSONResponse:
        for dependency in request.scope["route"].dependencies:
            if isinstance(dependency.dependency, ParameterCheck):
                try:
                    dependency.dependency.check(request)
                except Malformed as error:
                    return malformed_response(error)
        return malformed_response(Malformed.from_validation(raised))
