"""A development OpenID Connect issuer. It grants any role to anyone, so it is for a local machine only.

`python -m tools.local.issuer`, told by the environment: OOC_MODE must be `local`, else it refuses to start; OOC_HOST
(127.0.0.1) and OOC_PORT (8100) for where it listens, OOC_VAR (`var`) for its key, OOC_ISSUER for its own name
(`http://127.0.0.1:<port>`), OOC_SIGN_IN_URL for its address in a browser (OOC_ISSUER), OOC_AUDIENCE (`ooc`).

`POST /token` takes a form: grant_type=client_credentials, sub (a UUID), role (several with spaces between them), organisation, area (`*`: all), and optionally
conflicts (UUIDs, separated by spaces). It answers as RFC 6749 section 5 says. The tokens are JWTs (RFC 9068 without
the client), signed with ES256, and live for five minutes; `/jwks` has the key, `/.well-known/openid-configuration`
(OpenID Connect Discovery 1.0) tells where everything is. People sign in on a page of it: tools/local/sign_in.py.
"""

import os
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tools.local.people import BY_KEY
from tools.local.ports import DEFAULT_BASE, HOST
from tools.local.secret_files import secret_in
from tools.local.sign_in import HEADERS, Refused, SignIn, known_person, query_error, redirect_address, sign_in_page

LIFETIME: Final = 300
"""Seconds a token lives."""
ALGORITHM: Final = "ES256"
WORD: Final = "[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}"
NO_STORE: Final = {"Cache-Control": "no-store"}

Word = Annotated[str, StringConstraints(pattern=f"^{WORD}$")]


class Holder(BaseModel):
    """Whom a token is for, as the form of a request says it."""

    sub: uuid.UUID
    role: Annotated[list[Word], BeforeValidator(str.split), Field(min_length=1)]
    organisation: Word
    area: Annotated[str, StringConstraints(pattern=rf"^(\*|{WORD})$")]
    conflicts: Annotated[list[uuid.UUID], BeforeValidator(str.split)] = []


def key_in(folder: Path) -> ECKey:
    """Return the signing key in `folder`; creates it at the first call, readable by its owner only."""
    file = secret_in(folder / "key.pem", lambda: ECKey.generate_key("P-256").as_pem(private=True).decode())
    key = ECKey.import_key(file.read_text(encoding="ascii"))
    key.ensure_kid()
    return key


def claims_of(form: Mapping[str, Any], *, issuer: str, audience: str, now: int) -> dict[str, Any]:
    """Return the claims that a token request asks for. Raises `Refused`, naming the field."""
    try:
        holder = Holder.model_validate(dict(form))
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused("invalid_request", f"{first['loc'][0]}: {first['msg']}") from error
    return {
        **holder.model_dump(mode="json"),
        "role": holder.role if len(holder.role) > 1 else holder.role[0],
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": str(uuid.uuid4()),
    }


def app(*, issuer: str, audience: str, key: ECKey, browser: str | None = None) -> Starlette:
    """Return the issuer as an ASGI application; `browser` is its address for people, if that is another."""
    sign_in = SignIn(key, ALGORITHM)

    async def configuration(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/jwks",
                "authorization_endpoint": f"{browser or issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "end_session_endpoint": f"{browser or issuer}/sign-out",
                "token_endpoint_auth_methods_supported": ["none"],
                "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
                "response_types_supported": ["code", "token"],
                "code_challenge_methods_supported": ["S256"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse({"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}]})

    async def token(request: Request) -> JSONResponse:
        form = await request.form()
        try:
            person_claims, more = _granted(form, sign_in, issuer)
            claims = claims_of(person_claims, issuer=issuer, audience=audience, now=int(time.time()))
        except Refused as error:
            refusal = {"error": error.code, "error_description": str(error)}
            return JSONResponse(refusal, status_code=400, headers=NO_STORE)
        signed = jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}, claims, key)
        answer = {"access_token": signed, "token_type": "Bearer", "expires_in": LIFETIME, **more}
        return JSONResponse(answer, headers=NO_STORE)

    async def authorize(request: Request) -> Response:
        """Show the page of people, or send back to the client with the person picked there."""
        query = {
            name: str(value)
            for name, value in (request.query_params if request.method == "GET" else await request.form()).items()
        }
        if wrong := query_error(query):
            return PlainTextResponse(wrong, status_code=400)
        if request.method == "POST" and known_person(query.get("person")) is not None:
            address = redirect_address(query, sign_in.code(query, query["person"]))
            return RedirectResponse(address, status_code=303, headers=NO_STORE)
        return HTMLResponse(sign_in_page(query), headers=HEADERS)

    async def sign_out(request: Request) -> Response:
        """Send back to the client: nobody stays signed in here, so nothing ends."""
        if wrong := sign_in.sign_out_error(request.query_params):
            return PlainTextResponse(wrong, status_code=400)
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], status_code=303, headers=NO_STORE)

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", configuration),
            Route("/jwks", jwks),
            Route("/token", token, methods=["POST"]),
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/sign-out", sign_out),
        ]
    )


def _granted(form: Mapping[str, Any], sign_in: SignIn, issuer: str) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Return whom a token request asks a token for, and the other tokens that come with it. Raises `Refused`."""
    match form.get("grant_type"):
        case "client_credentials":
            return form, {}
        case "authorization_code" | "refresh_token":
            claims, until = sign_in.redeem(form)
            person = known_person(claims["person"]) or {}
            identity = sign_in.identity(claims, str(person.get("sub")), BY_KEY[claims["person"]], issuer)
            return person, {"refresh_token": sign_in.refresh(claims, until), "id_token": identity}
        case _:
            known = "client_credentials, authorization_code or refresh_token"
            raise Refused("unsupported_grant_type", f"grant_type must be {known}")


def main() -> None:
    """Serve until told to stop."""
    if os.environ.get("OOC_MODE") != "local":
        sys.exit(
            "This issuer signs a token for anyone who asks, so it runs in local mode only (OOC_MODE=local).\n"
            "Elsewhere, point OOC_ISSUER at your identity provider."
        )
    import uvicorn  # noqa: PLC0415 - not before the refusal

    from shared.runtime.server import run  # noqa: PLC0415 - the same

    port = int(os.environ.get("OOC_PORT") or DEFAULT_BASE)
    served = app(
        issuer=os.environ.get("OOC_ISSUER") or f"http://{HOST}:{port}",
        audience=os.environ.get("OOC_AUDIENCE") or "ooc",
        key=key_in(Path(os.environ.get("OOC_VAR") or "var") / "issuer"),
        browser=os.environ.get("OOC_SIGN_IN_URL") or None,
    )
    run(uvicorn.Config(served, os.environ.get("OOC_HOST") or HOST, port, log_level="warning"))


if __name__ == "__main__":
    main()
