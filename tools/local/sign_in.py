"""The sign-in of the development issuer: authorisation code flow with PKCE, and a page on which one picks a person.

    GET  /authorize   the page (OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636)
    POST /authorize   the choice: back to the client with a code
    POST /token       grant_type=authorization_code or refresh_token (RFC 6749 sections 4.1.3 and 6)
    GET  /sign-out    back to the client (OpenID Connect RP-Initiated Logout 1.0)

Codes and refresh tokens are JWTs of the issuer's own key with types of their own, so no API takes one for an access
token, and a restarted issuer still knows them. A code lives a minute and is taken once.
"""

import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jinja2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from markupsafe import Markup

from tools.local.people import BY_KEY, PEOPLE, Person

CODE_SECONDS: Final = 60
SESSION_SECONDS: Final = 12 * 3600
"""Seconds after the sign-in for which tokens are renewed."""
CODE: Final = "code+jwt"
REFRESH: Final = "refresh+jwt"
IDENTITY: Final = "JWT"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
PARAMETERS: Final = ("client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method", "nonce")

Claims = Mapping[str, Any]


class Refused(ValueError):
    """A token request that gets none; `code` is the error of RFC 6749 section 5.2, such as `invalid_grant`."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class SignIn:
    """Codes and refresh tokens of one issuer."""

    def __init__(self, key: ECKey, algorithm: str) -> None:
        self._key = key
        self._algorithm = algorithm
        self._used: dict[str, float] = {}

    def code(self, query: Mapping[str, str], person: str) -> str:
        bound = {name: query[name] for name in ("client_id", "redirect_uri", "code_challenge")}
        return self._signed(CODE, {**bound, "person": person}, CODE_SECONDS)

    def refresh(self, claims: Claims, until: int) -> str:
        """Return a refresh token that gives access tokens with these claims until then."""
        return self._signed(REFRESH, {"person": claims["person"], "client_id": claims["client_id"]}, until - _now())

    def identity(self, claims: Claims, subject: str, person: Person, issuer: str) -> str:
        """Return an ID token, which says no more than who signed in and where."""
        content = {"iss": issuer, "aud": claims["client_id"], "sub": subject, "name": person.name, "iat": _now()}
        content |= {"email": person.email, "email_verified": True}
        return self._signed(IDENTITY, content, CODE_SECONDS)

    def sign_out_error(self, query: Mapping[str, str]) -> str | None:
        """Say what is wrong with the question of a client that signs somebody out; None if nothing is."""
        back = urlsplit(query.get("post_logout_redirect_uri", ""))
        if back.scheme not in {"http", "https"} or back.hostname not in LOOPBACK:
            return "post_logout_redirect_uri must be an address of this machine"
        try:  # an ID token that has expired is a hint as well
            jwt.decode(query.get("id_token_hint", ""), self._key, algorithms=[self._algorithm])
        except (JoseError, ValueError):
            return "id_token_hint is no ID token of this issuer"
        return None

    def redeem(self, form: Mapping[str, Any]) -> tuple[Claims, int]:
        """Return whom a code or refresh token is for, and until when tokens may be renewed. Raises `Refused`."""
        if form.get("grant_type") == "refresh_token":
            claims = self._read(REFRESH, form.get("refresh_token"))
            until = int(claims["exp"])
        else:
            claims = self._read(CODE, form.get("code"))
            until = _now() + SESSION_SECONDS
            challenge = (
                urlsafe_b64encode(sha256(str(form.get("code_verifier")).encode()).digest()).rstrip(b"=").decode()
            )
            if not compare_digest(challenge, claims["code_challenge"]):
                raise Refused("invalid_grant", "code_verifier is not that of the code")
            if form.get("redirect_uri") != claims["redirect_uri"]:
                raise Refused("invalid_grant", "redirect_uri is not that of the code")
            self._take_once(claims)
        if form.get("client_id") != claims["client_id"]:
            raise Refused("invalid_grant", "client_id is not that of the code")
        return claims, until

    def _take_once(self, claims: Claims) -> None:
        now = time.time()
        self._used = {jti: until for jti, until in self._used.items() if until > now}
        if claims["jti"] in self._used:
            raise Refused("invalid_grant", "the code has been used")
        self._used[claims["jti"]] = float(claims["exp"])

    def _signed(self, type_: str, claims: dict[str, Any], seconds: int) -> str:
        header = {"alg": self._algorithm, "kid": self._key.kid, "typ": type_}
        return jwt.encode(header, {**claims, "exp": _now() + seconds, "jti": str(uuid.uuid4())}, self._key)

    def _read(self, type_: str, text: Any) -> Claims:
        try:
            token = jwt.decode(str(text), self._key, algorithms=[self._algorithm])
        except (JoseError, ValueError) as error:
            raise Refused("invalid_grant", "this is no code or refresh token of this issuer") from error
        if token.header.get("typ") != type_ or token.claims["exp"] <= _now():
            raise Refused("invalid_grant", "this is another kind of token, or too old: sign in again")
        return token.claims


def _now() -> int:
    return int(time.time())


def query_error(query: Mapping[str, str]) -> str | None:
    """Say what is wrong with the question of a client; None if nothing is.

    Only clients on this machine are answered: a code that went elsewhere would sign a stranger in.
    """
    redirect = urlsplit(query.get("redirect_uri", ""))
    if redirect.scheme not in {"http", "https"} or redirect.hostname not in LOOPBACK:
        return "redirect_uri must be an address of this machine, such as http://127.0.0.1:8119/signed-in"
    if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
        return "response_type must be code, and code_challenge_method S256"
    missing = [name for name in ("client_id", "code_challenge") if not query.get(name)]
    return f"{missing[0]} is missing" if missing else None


def redirect_address(query: Mapping[str, str], code: str) -> str:
    more = {"code": code} | ({"state": query["state"]} if "state" in query else {})
    redirect = query["redirect_uri"]
    return f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(more)}"


STYLE: Final = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
STYLE_HASH: Final = urlsafe_b64encode(sha256(STYLE.encode()).digest()).decode().replace("-", "+").replace("_", "/")

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of the page. There is no `form-action`: browsers apply it to the way back to the client, too."""


PAGE: Final = jinja2.Environment(autoescape=True).from_string(
    Path(__file__).with_suffix(".html.jinja").read_text(encoding="utf-8")
)


def sign_in_page(query: Mapping[str, str]) -> str:
    kept = {name: query[name] for name in ("response_type", *PARAMETERS) if name in query}
    return PAGE.render(style=Markup(STYLE), kept=kept, people=PEOPLE)  # noqa: S704 - our own file


def known_person(key: Any) -> dict[str, Any] | None:
    """Return the person of a key as a token request names them; None if the page offers none."""
    person = BY_KEY.get(str(key))
    return None if person is None else person.form()
