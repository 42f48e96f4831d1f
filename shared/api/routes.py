"""Declarations of a route to FastAPI: its caller, its parameters, and its problems.

    @app.get("/v1/loans/{id}", response_model=StateView, **declared((ID, *TIMES, ACCESS_REASON), 404))
    async def state(request: Request, actor: Caller, id: str) -> JSONResponse: ...

FastAPI solves these dependencies before it calls the route. So the order of answers is the same everywhere: the token
(401), the parameters (422), the right (403), the record (404).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Depends, Request

from shared.api.parameters import Parameter
from shared.api.problems import problems
from shared.api.request import Caller, check_parameters

PROBLEMS: Final = (401, 403, 422, 503)
"""The problems that every route behind a token may answer, besides those of any route."""


class ParameterCheck:
    """A dependency that checks parameters: unknown, repeated, malformed, missing. FastAPI reads those of the path alone.

    It would take the last of repeated parameters and pass over unknown ones, and its errors repeat the input, which may be
    personal.
    """

    def __init__(self, parameters: Sequence[Parameter], *, with_caller: bool) -> None:
        self._parameters = tuple(parameters)
        arguments = [_argument("request", Request), *([_argument("actor", Caller)] if with_caller else ())]
        of_path = [parameter.annotation for parameter in parameters if parameter.place == "path"]
        arguments += [_argument(f"parameter_{n}", annotation) for n, annotation in enumerate(of_path)]
        self.__signature__ = inspect.Signature(arguments)

    async def __call__(self, *, request: Request, **_values: Any) -> None:
        """Check the parameters of a request. Raises `Malformed`."""
        check_parameters(request, self._parameters)


def _argument(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


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
        "openapi_extra": _described(parameters) | ({} if body is None else {"requestBody": dict(body)}),
    }


def json_body(schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Build a request body of OpenAPI: JSON of a schema."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def declared_openly(parameters: Sequence[Parameter], *statuses: int) -> dict[str, Any]:
    """Build the arguments of a route that needs no token."""
    return {
        "dependencies": [Depends(ParameterCheck(parameters, with_caller=False))],
        "responses": problems(*statuses),
        "openapi_extra": _described(parameters),
    }


def _described(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Describe the parameters of a query and of headers to the OpenAPI document."""
    places = ("query", "header")
    return {"parameters": [p.described for place in places for p in parameters if p.place == place]}
