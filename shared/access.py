"""Who may do what: bearer tokens, roles, the one read gate, and the access log.

Tokens are JWTs (RFC 7519) of an OpenID Connect issuer, signed asymmetrically and checked against its published keys.
Claims used: `sub` (a UUID), `role`, `organisation`, and the labels (`area`) and `conflicts` (ids of streams, homes or
persons from which the officer is barred). The role SYSTEM comes from no token.

Every read passes `Gate.read`: its line in the access log is committed before the body leaves. The log is append-only,
dense and chained by SHA-256, and holds ids and codes only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from shared.database import retrying
from shared.messages import Actor

ALGORITHMS: Final = ["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]
SYSTEM: Final = "SYSTEM"
LEEWAY_SECONDS: Final = 10
KEYS_SECONDS: Final = 300.0
"""How long the issuer's keys are used before they are fetched again; an unknown key id fetches them at once."""


class BadToken(Exception):
    """No token, or one that may not be believed; the message says what to do (401)."""


class NotAllowed(Exception):
    """The actor's role, area or declared conflict forbids it (403, rule T2)."""


class IssuerUnavailable(Exception):
    """The issuer's keys could not be fetched (503)."""


class LogUnavailable(Exception):
    """The access log did not answer, so nothing may be read (503)."""


class Tokens:
    """Checks bearer tokens against an issuer's keys."""

    def __init__(self, issuer: str, audience: str, labels: Sequence[str] = ("area",)) -> None:
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._labels = tuple(labels)
        self._keys: KeySet | None = None
        self._fetched = 0.0
        self._lock = asyncio.Lock()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def actor(self, authorization: str | None) -> Actor:
        """The actor of an Authorization header; raises `BadToken` or `IssuerUnavailable`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise BadToken("send an access token in the header 'Authorization: Bearer …'")
        claims = await self._verified(token.strip())
        try:
            return Actor.model_validate(
                {
                    "id": claims["sub"],
                    "role": claims["role"],
                    "organisation": claims["organisation"],
                    "labels": {label: claims[label] for label in self._labels if label in claims},
                    "conflicts": claims.get("conflicts", []),
                },
                strict=False,
            )
        except (KeyError, ValidationError) as error:
            what = error.args[0] if isinstance(error, KeyError) else error.errors()[0]["loc"][0]
            raise BadToken(
                f"the token's claim {what!r} is missing or malformed; ask the issuer's administrator"
            ) from error

    async def _verified(self, token: str) -> Mapping[str, Any]:
        fresh = False
        while True:
            keys = await self._key_set(fresh=fresh)
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
                self._claims.validate(decoded.claims)
            except (JoseError, ValueError) as error:
                # A key that we do not know may be a new one: ask the issuer once, but not for every forged token.
                if not fresh and time.monotonic() - self._fetched > 5 and "key" in str(error).lower():
                    fresh = True
                    continue
                raise BadToken(f"the access token is not valid ({error}); sign in again") from error
            return decoded.claims

    async def _key_set(self, *, fresh: bool) -> KeySet:
        async with self._lock:
            if self._keys is None or fresh or time.monotonic() - self._fetched > KEYS_SECONDS:
                try:
                    async with httpx.AsyncClient(timeout=5) as client:
                        found = (
                            (await client.get(f"{self._issuer}/.well-known/openid-configuration"))
                            .raise_for_status()
                            .json()
                        )
                        keys = (await client.get(found["jwks_uri"])).raise_for_status().json()
                    self._keys = KeySet.import_key_set(keys)
                    self._fetched = time.monotonic()
                except (httpx.HTTPError, KeyError, ValueError, JoseError) as error:
                    if self._keys is None:
                        raise IssuerUnavailable(f"the keys of {self._issuer} cannot be fetched: {error}") from error
            return self._keys


class AccessLog:
    """A service's access log."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def record(
        self,
        actor: Actor,
        action: str,
        target: str,
        *,
        outcome: str,
        reason: str | None = None,
        rules: Sequence[str] = (),
    ) -> None:
        """Append a line and return when it is committed; raises `LogUnavailable`."""
        await retrying(
            lambda: self._pool.execute(
                "select log_access($1, $2, $3, $4, $5, $6, $7, $8)",
                actor.id,
                actor.role,
                actor.organisation,
                action,
                target,
                reason,
                outcome,
                list(rules),
            ),
            LogUnavailable,
        )


class Gate:
    """The one gate that every read passes."""

    def __init__(self, log: AccessLog, readers: Mapping[str, frozenset[str]], reasons: frozenset[str]) -> None:
        self._log = log
        self._readers = readers
        self._reasons = reasons

    async def read(
        self, actor: Actor, what: str, target: str, reason: str | None, *, allowed: str | None = None
    ) -> None:
        """Let a read pass and log it, or refuse it and log that; raises `NotAllowed`.

        `what` is the right that is needed (state, history, duties, …); `allowed` says why this one record is barred.
        """
        why = allowed
        if actor.role == SYSTEM or what not in self._readers.get(actor.role, frozenset()):
            why = f"the role {actor.role} may not read {what} here"
        elif why is None and actor.role in self._reasons and not reason:
            why = f"the role {actor.role} must give a reason: send a code such as AUDIT in the header 'Access-Reason'"
        if why is not None:
            await self._log.record(actor, f"READ_{what.upper()}", target, outcome="FORBIDDEN", reason=reason)
            raise NotAllowed(why)
        await self._log.record(actor, f"READ_{what.upper()}", target, outcome="GIVEN", reason=reason)
