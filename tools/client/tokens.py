"""Tokens for the people whom `ooc` speaks for: from the environment, else from the development issuer.

OOC_TOKEN_SUPERVISOR holds the token of a supervisor, OOC_TOKEN_SUPERVISOR_2 that of a second one. Without them the
development issuer is asked, which gives anyone any role and therefore runs on a local machine only.
"""

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2

from shared.domain.ids import derived_uuid

AREA: Final = "DORSET"
ORGANISATION: Final = "OOC_DEVELOPMENT"
EARLY: Final = 30
"""Seconds before its end at which a token is no longer used."""


class NoToken(Exception):
    """No token could be had for a role: says what to do."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, whose it is, and until when (seconds of a monotonic clock) it is used."""

    text: str
    person: UUID
    until: float


def officer_id(role: str, number: int) -> UUID:
    """Return the id of the person who acts in a role, or in several by the first, on a development system: always the same one."""
    return derived_uuid("officer", role.partition(" ")[0], number)


def credentials(role: str, number: int = 1) -> dict[str, str]:
    """Return what the development issuer takes for a token (RFC 6749, section 4.4); several roles have spaces between them."""
    return {
        "grant_type": "client_credentials",
        "sub": str(officer_id(role, number)),
        "role": role,
        "organisation": ORGANISATION,
        "area": AREA,
    }


def claims_in(text: str) -> Mapping[str, Any]:
    """Read the claims of a token without verifying it, which is the APIs' part. Raises ValueError."""
    try:
        body = text.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (IndexError, ValueError, TypeError):
        raise ValueError("this is no signed JSON Web Token (RFC 7519)") from None


class Tokens:
    """Tokens by role, kept until shortly before they end."""

    def __init__(self, issuer: str | None, client: httpx2.Client, environment: Mapping[str, str] = os.environ) -> None:
        self._issuer = issuer
        self._client = client
        self._environment = environment
        self._cache: dict[tuple[str, int], Token] = {}

    def token(self, role: str, number: int = 1) -> Token:
        """Return the token of a person in a role; raises `NoToken`."""
        token = self._cache.get((role, number))
        if token is None or token.until <= time.monotonic():
            token = self._cache[role, number] = self._token_of_the_environment(role, number) or self._issued(
                role, number
            )
        return token

    def drop(self, role: str, number: int = 1) -> None:
        self._cache.pop((role, number), None)

    def _token_of_the_environment(self, role: str, number: int) -> Token | None:
        name = f"OOC_TOKEN_{role}" if number == 1 else f"OOC_TOKEN_{role}_{number}"
        text = self._environment.get(name)
        if not text:
            return None
        try:
            person = UUID(claims_in(text)["sub"])
        except (ValueError, KeyError, TypeError):
            raise NoToken(f"{name} holds no token whose `sub` is a person's id (a UUID): set it anew.") from None
        return Token(text, person, float("inf"))

    def _issued(self, role: str, number: int) -> Token:
        if self._issuer is None:
            raise NoToken(f"No token for {role}: set OOC_TOKEN_{role}, or OOC_ISSUER for a development issuer.")
        form = credentials(role, number)
        try:
            answer = self._client.post(f"{self._issuer.rstrip('/')}/token", data=form)
            if answer.status_code >= 500:
                answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise NoToken(
                f"The issuer at {self._issuer} does not answer ({type(error).__name__}): is the system up? Ask `ooc status`."
            ) from None
        if answer.status_code != 200:
            raise NoToken(f"The issuer at {self._issuer} gives no token for {role} (HTTP {answer.status_code}).")
        body = answer.json()
        return Token(
            body["access_token"], officer_id(role, number), time.monotonic() + body.get("expires_in", 300) - EARLY
        )
