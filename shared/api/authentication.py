"""Check bearer tokens against the keys of an OpenID Connect issuer.

Tokens are access tokens by RFC 9068: JWTs with an asymmetric signature; an ID token is refused. Claims: `sub` (a UUID),
`role` (one, or a list of several), `organisation`, the labels of the service and `conflicts` (ids that the actor has declared a conflict of interest for).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from time import monotonic, time
from typing import Any, Final

import httpx2
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from shared.domain.messages import Actor
from shared.servers.http_client import client_tls

_LOG: Final = logging.getLogger(__name__)

ALGORITHMS: Final = ["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]


TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
"""The permitted values of the header `typ` of an access token (RFC 9068, section 4)."""


LEEWAY_SECONDS: Final = 10


KEYS_SECONDS: Final = 300.0
"""The age at which the keys of the issuer are fetched again. An unknown key id fetches them at once."""


TRUSTED_SECONDS: Final = 3600.0
"""The greatest age of the keys while the issuer does not answer. A withdrawn key is trusted no longer than this."""


LONGEST_SECONDS: Final = 3600
"""The longest lifetime of a token: the time until a removed user, or a new conflict of interest, takes effect."""


NO_CONFLICTS: Final = "none"
"""The value of the claim `conflicts` for no conflict, since some issuers omit an empty claim."""


PAUSE_SECONDS: Final = 2.0
"""The shortest time between two requests to the issuer, so that forged tokens cannot flood it."""


PATIENCE_SECONDS: Final = 5.0
"""The time-out of a request to the issuer."""


REMEMBERED_TOKENS: Final = 1_000
"""The most verified tokens that a process remembers."""


LONGEST_CLAIM: Final = 100
"""The most characters of a claim that is stored: role, organisation and labels."""


MOST_ROLES: Final = 20
"""The most roles of a person; a token with further ones has these alone."""


class InvalidToken(Exception):
    """A missing or invalid token (401). The message names the remedy."""


class IssuerUnavailable(Exception):
    """An issuer whose keys cannot be fetched (503)."""


class TokenVerifier:
    """Verifier of bearer tokens with the keys of an issuer."""

    def __init__(self, issuer: str, audience: str, labels: Sequence[str], *, needs_conflicts: bool = True) -> None:
        self._issuer = issuer.rstrip("/")
        self._labels = tuple(labels)
        self._needs_conflicts = needs_conflicts
        self._keys: KeySet | None = None
        self._verified: dict[bytes, tuple[Actor, float]] = {}
        self._fetched_at = self._requested_at = float("-inf")
        self._failure: str | None = None
        self._lock = asyncio.Lock()
        self._claims = self._claims_for(audience)

    def _claims_for(self, audience: str) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def actor(self, authorization: str | None) -> Actor:
        """Verify an Authorization header and return its actor. Raises `InvalidToken` or `IssuerUnavailable`.

        A token that was verified is known again by its digest until it expires or the keys are fetched anew, since its
        signature takes a tenth of the processor time of a command.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidToken("send an access token in the header 'Authorization: Bearer …'")
        keys = await self._key_set()
        digest = sha256(token.encode()).digest()
        actor, expires = self._verified.get(digest, (None, 0.0))
        if actor is not None and time() < expires:
            return actor
        claims = await self._verified_claims(token.strip(), keys)
        actor = self._actor(claims)
        if len(self._verified) >= REMEMBERED_TOKENS:
            self._verified.clear()
        self._verified[digest] = actor, claims["exp"]
        return actor

    async def identity(self, token: str, client: str) -> Mapping[str, Any]:
        """Verify an ID token that was issued to a client (OpenID Connect Core 1.0, section 3.1.3.7), and return its claims.

        Raises `InvalidToken` or `IssuerUnavailable`.
        """
        try:
            decoded = jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS)
            self._claims_for(client).validate(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken("the ID token is not valid; sign in again") from error
        return decoded.claims

    def _actor(self, claims: Mapping[str, Any]) -> Actor:
        """Return the actor that verified claims name. Raises `InvalidToken`."""
        _check_lifetime(claims)
        if self._needs_conflicts and "conflicts" not in claims:
            raise InvalidToken(
                "the token's claim 'conflicts' is missing: ask the issuer's administrator to declare your conflicts of"
                f" interest, or {NO_CONFLICTS!r}"
            )
        try:
            roles = claims["role"] if isinstance(claims["role"], list) else [claims["role"]]
            role, *also = [_line_of({"role": role}, "role") for role in roles[:MOST_ROLES]] or [""]
            return Actor.model_validate(
                {
                    "id": claims["sub"],
                    "role": role,
                    "also": frozenset(also) - {role},
                    "organisation": _line_of(claims, "organisation"),
                    "labels": {label: _line_of(claims, label) for label in self._labels},
                    "conflicts": _conflict_ids(claims.get("conflicts", [])),
                },
                strict=False,
            )
        except (KeyError, ValidationError) as error:
            claim = error.args[0] if isinstance(error, KeyError) else error.errors()[0]["loc"][0]
            raise InvalidToken(
                f"the token's claim {claim!r} is missing or malformed; ask the issuer's administrator"
            ) from error

    async def _verified_claims(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        try:
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                # The key may be new.
                decoded = jwt.decode(token, await self._key_set(fresh=True), algorithms=ALGORITHMS)
            if str(decoded.header.get("typ")).lower() not in TYPES:
                raise InvalidToken("this is not an access token (RFC 9068); send the access token, not the ID token")
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # The message does not repeat the token. A header of a wrong type raises TypeError.
            why = error if isinstance(error, ClaimError) else getattr(error, "error", "") or "malformed"
            raise InvalidToken(f"the access token is not valid ({why}); sign in again") from error
        return decoded.claims

    async def _key_set(self, *, fresh: bool = False) -> KeySet:
        """Return the keys of the issuer; fetch them if they are missing or too old, or must be fresh.

        Raises `IssuerUnavailable`.
        """
        age = monotonic() - self._fetched_at
        # During a fetch, other requests use the old keys, as long as these are trusted.
        if fresh or (age > KEYS_SECONDS and not (age <= TRUSTED_SECONDS and self._lock.locked())):
            await self._fetch_keys()
        failed = self._failure is not None if fresh else monotonic() - self._fetched_at > TRUSTED_SECONDS
        if self._keys is None or failed:
            raise IssuerUnavailable(
                f"the keys of {self._issuer} cannot be fetched ({self._failure}): try again in a moment"
            )
        return self._keys

    async def _fetch_keys(self) -> None:
        """Fetch the keys, unless a request was just made. Stores the result in `_keys` and `_failure`."""
        async with self._lock:
            if monotonic() - self._requested_at < PAUSE_SECONDS:
                return
            try:
                async with asyncio.timeout(PATIENCE_SECONDS), httpx2.AsyncClient(verify=client_tls()) as client:
                    configuration = await client.get(f"{self._issuer}/.well-known/openid-configuration")
                    keys = await client.get(configuration.raise_for_status().json()["jwks_uri"])
                    self._keys = KeySet.import_key_set(keys.raise_for_status().json())
                self._verified.clear()
                self._fetched_at, self._failure = monotonic(), None
            except Exception as error:  # noqa: BLE001 - any failure means that there are no new keys
                _LOG.warning("the keys of %s cannot be fetched: %r", self._issuer, error)
                self._failure = type(error).__name__
            self._requested_at = monotonic()


def _check_lifetime(claims: Mapping[str, Any]) -> None:
    """Raise `InvalidToken` for a token that is valid for more than an hour, from its issue or from now."""
    issued = claims.get("iat", float("inf"))
    issued_at = min(float(issued), time()) if isinstance(issued, (int, float)) else time()
    if claims["exp"] - issued_at > LONGEST_SECONDS + LEEWAY_SECONDS:
        raise InvalidToken(
            f"the access token is valid for more than {LONGEST_SECONDS // 60} minutes: ask the issuer's administrator for a"
            " shorter lifetime (five minutes), and sign in again"
        )


def _line_of(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that is a bounded line of visible text. Raises `InvalidToken`, or KeyError without one."""
    text = claims[name]
    # Neither a control, a lone surrogate nor a character that hides or turns others is printable.
    if not (isinstance(text, str) and text.isprintable() and 0 < len(text.strip()) == len(text) <= LONGEST_CLAIM):
        raise InvalidToken(
            f"the token's claim {name!r} must be a line of 1 to {LONGEST_CLAIM} characters, without hidden ones or spaces"
            " around it; ask the issuer's administrator"
        )
    return text


def _conflict_ids(conflicts: Any) -> Any:
    """Return the ids of declared conflicts, without the word for none."""
    if isinstance(conflicts, list):
        return [conflict for conflict in conflicts if conflict != NO_CONFLICTS]
    return [] if conflicts == NO_CONFLICTS else conflicts
