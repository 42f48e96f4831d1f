"""Sign-in by the authorisation code flow with PKCE (RFC 6749, RFC 7636), against any OpenID Connect provider.

The person is read from the access token by the same check that the APIs make, the name alone from the ID token, which is
handed back at the sign-out. Access tokens live minutes; they are renewed when a page needs one.

Both requests are written here (ADR 90).
"""

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import httpx2

from services.console.apis import NoAnswer
from services.console.rendering import with_query
from services.console.sessions import RENEWAL_SECONDS, Session, Sessions, Tokens
from services.console.settings import ConsoleSettings
from services.trade.vocabulary import INHERITED_LABELS, Role
from shared.api.authentication import InvalidToken, IssuerUnavailable, TokenVerifier
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.domain.permissions import EVERY
from shared.servers.http_client import client_tls
from shared.servers.settings import credentials_form

CALLBACK: Final = "/signed-in"
SIGNED_OUT: Final = "/signed-out"
SCOPE: Final = "openid"
LONGEST_NAME: Final = 100
LONGEST_EMAIL: Final = 254
ISSUER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
DEFAULT_SECONDS: Final = 60
"""The life of an access token whose issuer does not say it (RFC 6749, section 5.1)."""


class SignInFailed(Exception):
    """A sign-in that gave no session: says why, for the person."""


class SessionEnded(Exception):
    """A session whose tokens the issuer renews no longer: the person signs in again."""


class Provider:
    """The issuer, as a client of it."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._issuer = settings.issuer.rstrip("/")
        self._client_id = settings.console_client
        self._redirect = settings.console_url.rstrip("/") + CALLBACK
        self._signed_out = settings.console_url.rstrip("/") + SIGNED_OUT
        self._verifier = TokenVerifier(
            settings.issuer, settings.audience, sorted(INHERITED_LABELS), needs_conflicts=settings.needs_conflicts
        )
        self._configuration: dict[str, Any] | None = None
        self._invited_form = invited_form(settings)
        self._invited: Tokens | None = None

    async def messenger(self, authorization: str | None) -> bool:
        """Tell whether an access token is that of the program that writes to people. Raises `InvalidToken` or `IssuerUnavailable`."""
        return (await self._verifier.actor(authorization)).role == Role.MESSENGER

    async def invited(self) -> Session:
        """Return a session for a holder of a link to an appointment. Raises `NoAnswer`."""
        if self._invited is None or not self._invited.is_fresh:
            try:
                self._invited = await self._token(**self._invited_form)
            except SignInFailed as error:
                raise NoAnswer("the sign-in does not answer") from error
        return Session("", "", Role.INVITED, "", "", self._invited)

    async def sign_in_address(self, state: str, verifier: str, *, anew: bool = False) -> str:
        """Return the address of the issuer's page; `anew`: asks for credentials even if a person is signed in there. Raises `NoAnswer`."""
        endpoint = (await self._configured())["authorization_endpoint"]
        question = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect,
            "scope": SCOPE,
            "state": state,
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **({"prompt": "login"} if anew else {}),
        }
        return with_query(endpoint, **question)

    async def sign_out_address(self, session: Session) -> str | None:
        """Return the address at which the issuer's session ends (OpenID Connect RP-Initiated Logout 1.0); None if it says none."""
        try:
            endpoint = (await self._configured()).get("end_session_endpoint")
        except NoAnswer:
            return None
        question = {"client_id": self._client_id, "post_logout_redirect_uri": self._signed_out}
        if session.tokens.identity is not None:
            question["id_token_hint"] = session.tokens.identity
        return with_query(endpoint, **question) if endpoint else None

    async def session(self, code: str, verifier: str) -> Session:
        """Begin a session with a code. Raises `SignInFailed` or `NoAnswer`."""
        tokens = await self._token(
            grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=self._redirect
        )
        try:
            actor = await self._verifier.actor(f"Bearer {tokens.access}")
            identity = (
                {} if tokens.identity is None else await self._verifier.identity(tokens.identity, self._client_id)
            )
        except InvalidToken as error:
            raise SignInFailed(str(error)) from error
        except IssuerUnavailable as error:
            raise NoAnswer(str(error)) from error
        if identity.get("sub") != str(actor.id):
            identity = {}
        person = {"name": _name_in(identity), "email": _email_in(identity)}
        return Session(secrets.token_urlsafe(32), **_part_of(actor) | person, tokens=tokens)

    async def renew(self, session: Session) -> dict[str, Any]:
        """Return the tokens that follow a session's, and the role, organisation and area of the new one.

        The APIs decide by the token: a page that went on by an older role would offer what they refuse. Raises
        `SessionEnded` or `NoAnswer`.
        """
        old = session.tokens
        if old.refresh is None:
            raise SessionEnded
        try:
            async with asyncio.timeout(RENEWAL_SECONDS):
                tokens = await self._token(grant_type="refresh_token", refresh_token=old.refresh)
                part = _part_of(await self._verifier.actor(f"Bearer {tokens.access}"))
        except (SignInFailed, InvalidToken) as error:
            raise SessionEnded from error
        except (TimeoutError, IssuerUnavailable) as error:
            raise NoAnswer("the sign-in does not answer") from error
        if part["person"] != session.person:
            raise SessionEnded
        tokens = replace(tokens, refresh=tokens.refresh or old.refresh, identity=tokens.identity or old.identity)
        # In another role the reason for reading is asked again.
        return {
            **part,
            "tokens": tokens,
            **({} if (part["role"], *part["also"]) == session.roles else {"reason": None}),
        }

    async def _token(self, **form: str) -> Tokens:
        endpoint = (await self._configured())["token_endpoint"]
        try:
            async with _client() as client:
                answer = await client.post(endpoint, data={"client_id": self._client_id, **form})
            body = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise NoAnswer("the sign-in does not answer") from error
        if answer.status_code >= 500:
            raise NoAnswer("the sign-in does not answer")
        if not answer.is_success or "access_token" not in body:
            raise SignInFailed(f"the issuer gave no token ({body.get('error', answer.status_code)})")
        ends_at = time.time() + float(body.get("expires_in", DEFAULT_SECONDS))
        return Tokens(str(body["access_token"]), ends_at, body.get("refresh_token"), body.get("id_token"))

    async def _configured(self) -> dict[str, Any]:
        """Return the issuer's configuration (OpenID Connect Discovery 1.0). Raises `NoAnswer`."""
        if self._configuration is None:
            try:
                async with _client() as client:
                    answer = await client.get(f"{self._issuer}/.well-known/openid-configuration")
                    self._configuration = answer.raise_for_status().json()
            except (httpx2.HTTPError, ValueError) as error:
                raise NoAnswer("the sign-in does not answer") from error
        return self._configuration


def invited_form(settings: ConsoleSettings) -> dict[str, str]:
    """Return the request of a token of the role `INVITED`. Raises `InvalidSetting`."""
    who = {"sub": str(derived_uuid("invited")), "role": Role.INVITED, "organisation": "OOC", "area": EVERY}
    return credentials_form(settings.invited_client, settings.invited_secret_file, "OOC_INVITED_SECRET_FILE", **who)


def _part_of(actor: Actor) -> dict[str, Any]:
    """Return what a session takes over from an access token."""
    area = str(actor.labels.get("area", ""))
    return {
        "person": str(actor.id),
        "role": actor.role,
        "also": [*actor.roles[1:]],
        "organisation": actor.organisation,
        "area": area,
    }


def _name_in(identity: Mapping[str, Any]) -> str:
    """Return the name of a person (OpenID Connect Core 1.0, section 5.1), in one line; empty if there is none."""
    name = identity.get("name")
    return " ".join(name.split())[:LONGEST_NAME] if isinstance(name, str) and name.isprintable() else ""


def _email_in(identity: Mapping[str, Any]) -> str:
    """Return the address of a person that the issuer has verified (the same section); empty if there is none."""
    email = identity.get("email") if identity.get("email_verified") is True else None
    return email if isinstance(email, str) and email.isprintable() and len(email) <= LONGEST_EMAIL else ""


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=ISSUER_SECONDS, trust_env=False, verify=client_tls())


async def fresh(sessions: Sessions, provider: Provider, session: Session) -> Session:
    """Return the session with an access token that lives for a while. Raises `SessionEnded` or `NoAnswer`.

    One request renews it and the others wait for that without a database connection.
    """
    if session.tokens.is_fresh:
        return session
    until = time.monotonic() + RENEWAL_SECONDS + 1
    while not await sessions.begin_renewal(session.key):
        if time.monotonic() > until:
            raise NoAnswer("the sign-in does not answer")
        await asyncio.sleep(POLL_SECONDS)
    try:
        stored = await sessions.find(session.key)
        if stored is not None and stored.tokens == session.tokens:
            renewed = await provider.renew(stored)
            stored = await sessions.change(session.key, lambda kept: replace(kept, **renewed))
        if stored is None:
            raise SessionEnded
        return stored
    finally:
        await sessions.end_renewal(session.key)
