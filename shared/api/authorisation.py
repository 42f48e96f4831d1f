"""Who may do what: bearer tokens, roles, the one read gate, and the access log.

Tokens are access tokens by RFC 9068 of an OpenID Connect issuer: JWTs signed asymmetrically, checked against its
published keys. An ID token, which tells a client who signed in, opens nothing, whatever audience it names.
Claims used: `sub` (a UUID), `role`, `organisation`, and the labels (`area`) and `conflicts` (ids of streams, homes or
persons from which the officer is barred, or `none`). The role SYSTEM comes from no token.

Every read passes `ReadGate.read`: its line in the access log is committed before the body leaves. The log is append-only,
dense and chained by SHA-256, and holds ids and codes only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic, time
from typing import Any, Final

import asyncpg
import httpx
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from shared.database import retry_or_raise
from shared.domain.messages import Actor, Command
from shared.domain.permissions import SYSTEM, Denial, Permissions
from shared.runtime.service import Service

ALGORITHMS: Final = ["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]
TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
"""What the header `typ` of an access token says (RFC 9068, section 4)."""
LEEWAY_SECONDS: Final = 10
KEYS_SECONDS: Final = 300.0
"""How long the issuer's keys are used before they are fetched again; an unknown key id fetches them at once."""
TRUSTED_SECONDS: Final = 3600.0
"""How long they are used when the issuer does not give them again: a key that it has withdrawn ends here at the latest."""
LONGEST_SECONDS: Final = 3600
"""The longest life of a token: so long somebody who was removed, or barred from a case, may yet go on."""
NO_CONFLICTS: Final = "none"
"""What the claim `conflicts` says where none is declared, from issuers that leave an empty claim out."""
PAUSE_SECONDS: Final = 2.0
"""The issuer is asked no more often than this, however many forged tokens come, and whether or not it answers."""
PATIENCE_SECONDS: Final = 5.0
"""How long it may take to answer."""


class InvalidToken(Exception):
    """No token, or one that may not be believed; the message says what to do (401)."""


class NotAllowed(Exception):
    """The actor's role, area or declared conflict forbids it (403, rule T2)."""


class IssuerUnavailable(Exception):
    """The issuer's keys could not be fetched (503)."""


class LogUnavailable(Exception):
    """The access log did not answer, so nothing may be read (503)."""


class TokenVerifier:
    """Checks bearer tokens against an issuer's keys."""

    def __init__(
        self, issuer: str, audience: str, labels: Sequence[str] = ("area",), *, needs_conflicts: bool = True
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._labels = tuple(labels)
        self._needs_conflicts = needs_conflicts
        self._keys: KeySet | None = None
        self._fetched = self._asked = float("-inf")
        self._failure: str | None = None
        self._lock = asyncio.Lock()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def actor(self, authorization: str | None) -> Actor:
        """The actor of an Authorization header; raises `InvalidToken` or `IssuerUnavailable`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidToken("send an access token in the header 'Authorization: Bearer …'")
        claims = await self._verified(token.strip())
        _check_lifetime(claims)
        if self._needs_conflicts and "conflicts" not in claims:
            raise InvalidToken(
                "the token's claim 'conflicts' is missing: ask the issuer's administrator to declare your conflicts of"
                f" interest, or {NO_CONFLICTS!r}"
            )
        try:
            return Actor.model_validate(
                {
                    "id": claims["sub"],
                    "role": claims["role"],
                    "organisation": claims["organisation"],
                    "labels": {label: claims[label] for label in self._labels},
                    "conflicts": _declared(claims.get("conflicts", [])),
                },
                strict=False,
            )
        except (KeyError, ValidationError) as error:
            what = error.args[0] if isinstance(error, KeyError) else error.errors()[0]["loc"][0]
            raise InvalidToken(
                f"the token's claim {what!r} is missing or malformed; ask the issuer's administrator"
            ) from error

    async def _verified(self, token: str) -> Mapping[str, Any]:
        keys = await self._key_set()
        try:
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                # It may be signed with a new key.
                decoded = jwt.decode(token, await self._newest(), algorithms=ALGORITHMS)
            if str(decoded.header.get("typ")).lower() not in TYPES:
                raise InvalidToken("this is not an access token (RFC 9068); send the access token, not the ID token")
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # What the token says is not repeated; a header of odd shapes ends in a TypeError.
            why = error if isinstance(error, ClaimError) else getattr(error, "error", "") or "malformed"
            raise InvalidToken(f"the access token is not valid ({why}); sign in again") from error
        return decoded.claims

    async def _key_set(self) -> KeySet:
        """The issuer's keys, fetched where they are missing or have aged."""
        age = monotonic() - self._fetched
        # While one request asks, the others go on with keys that may still be trusted.
        if age > KEYS_SECONDS and not (age <= TRUSTED_SECONDS and self._lock.locked()):
            await self._ask()
        if self._keys is None or monotonic() - self._fetched > TRUSTED_SECONDS:
            raise self._unavailable()
        return self._keys

    async def _newest(self) -> KeySet:
        """The issuer's keys as they are now: whether it knows a key can be said only if it answers."""
        await self._ask()
        if self._keys is None or self._failure is not None:
            raise self._unavailable()
        return self._keys

    def _unavailable(self) -> IssuerUnavailable:
        return IssuerUnavailable(f"the keys of {self._issuer} cannot be fetched: {self._failure}")

    async def _ask(self) -> None:
        """Fetch the keys, unless that was just tried; what came of it is in `_keys` and `_failure`."""
        async with self._lock:
            if monotonic() - self._asked < PAUSE_SECONDS:
                return
            try:
                async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient() as client:
                    where = await client.get(f"{self._issuer}/.well-known/openid-configuration")
                    keys = await client.get(where.raise_for_status().json()["jwks_uri"])
                    self._keys = KeySet.import_key_set(keys.raise_for_status().json())
                self._fetched, self._failure = monotonic(), None
            except Exception as error:  # noqa: BLE001 - whatever is wrong with its answer, it has given no keys
                self._failure = f"{type(error).__name__} {error}".strip()
            self._asked = monotonic()


def _check_lifetime(claims: Mapping[str, Any]) -> None:
    """Raise `InvalidToken` for a token that lives longer than an hour, from its issue or from now."""
    issued = claims.get("iat", float("inf"))
    begins = min(float(issued), time()) if isinstance(issued, (int, float)) else time()
    if claims["exp"] - begins > LONGEST_SECONDS + LEEWAY_SECONDS:
        raise InvalidToken(
            f"the access token lives longer than {LONGEST_SECONDS // 60} minutes: ask the issuer's administrator for a"
            " shorter life (five minutes), and sign in again"
        )


def _declared(conflicts: Any) -> Any:
    """The ids of declared conflicts; the word for none is no id."""
    if isinstance(conflicts, list):
        return [conflict for conflict in conflicts if conflict != NO_CONFLICTS]
    return [] if conflicts == NO_CONFLICTS else conflicts


def command_denial(service: Service[Any], role: str, command: type[Command] | None = None) -> str | None:
    """Return why a role may not send a command (None: any command at all) to a service; None where it may."""
    if role not in service.commanding_roles:
        return f"the role {role} may send no command to {service.name}"
    if command is None or role in (roles := service.roles_for(command)):
        return None
    return f"the role {role} may not send {command.__name__}; it is for {', '.join(sorted(roles))}"


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
        await retry_or_raise(
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


class ReadGate:
    """The one gate that every read passes."""

    def __init__(self, log: AccessLog, permissions: Permissions) -> None:
        self._log = log
        self._permissions = permissions

    def refusal(self, actor: Actor, what: str, reason: str | None) -> str | None:
        """Why a read is refused, whichever record is looked for; None where it is not."""
        permission = None if actor.role == SYSTEM else self._permissions.get(actor.role)
        if permission is None or what not in permission.parts:
            return f"the role {actor.role} may not read {what} here"
        if permission.needs_reason and not reason:
            return f"the role {actor.role} must give a reason: send a code such as AUDIT in the header 'Access-Reason'"
        return None

    async def read(
        self, actor: Actor, what: str, target: str, reason: str | None, *, denial: Denial | None = None
    ) -> bool:
        """Let a read pass and log it, or refuse it and log that; False where the record must answer as unknown.

        `what` is the part that is read (state, history, duties, …); `denial` says why this one record is barred.
        Raises `NotAllowed`.
        """
        why = self.refusal(actor, what, reason)
        passes = why is None and denial is None
        outcome = "GIVEN" if passes else "FORBIDDEN"
        await self._log.record(actor, f"READ_{what.upper()}", target, outcome=outcome, reason=reason)
        if why is not None:
            raise NotAllowed(why)
        if denial is not None and not denial.hidden:
            raise NotAllowed(denial.why)
        return passes

    async def act(self, actor: Actor, what: str, action: str, target: str, reason: str) -> None:
        """Let an operator's action pass and log it, or refuse it and log that; raises `NotAllowed`."""
        why = self.refusal(actor, what, reason)
        await self._log.record(actor, action, target, outcome="FORBIDDEN" if why else "GIVEN", reason=reason)
        if why is not None:
            raise NotAllowed(why)
