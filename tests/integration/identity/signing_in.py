"""A person who signs in at Keycloak as a browser does, with authorization code and PKCE (RFC 6749, RFC 7636)."""

import base64
import hashlib
import html
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import loopback

HERE = "http://127.0.0.1:4999/done"
"""Where the browser is sent back to; nothing listens there, and nothing follows."""


@dataclass(frozen=True)
class Person:
    """A person of a realm, and how they sign in."""

    issuer: str
    id: str
    name: str
    password: str

    def tokens(self, client: str = "ooc-people", *, back: str = HERE) -> dict[str, str]:
        """Sign in; return access, ID and refresh token."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {"code_challenge": challenge, "code_challenge_method": "S256", "redirect_uri": back}
        with loopback.blocking_client(timeout=60) as browser:
            page = browser.get(f"{self.issuer}/protocol/openid-connect/auth", params=question(client, **query))
            form = re.search(r'action="([^"]+)"', page.raise_for_status().text)
            assert form is not None, page.text
            # The cookies are marked as secure, which browsers take from this machine and httpx2 does not.
            cookies = "; ".join(cookie.split(";")[0] for cookie in page.headers.get_list("set-cookie"))
            who = {"username": self.name, "password": self.password}
            answer = browser.post(html.unescape(form[1]), data=who, headers={"Cookie": cookies})
            assert answer.status_code == 302, answer.text
            (code,) = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
            exchange = {
                "grant_type": "authorization_code",
                "code": code,
                "client_id": client,
                "redirect_uri": back,
                "code_verifier": verifier,
            }
            form_values = (
                browser.post(f"{self.issuer}/protocol/openid-connect/token", data=exchange).raise_for_status().json()
            )
        return {name: form_values[f"{name}_token"] for name in ("access", "id", "refresh")}

    def token(self, client: str = "ooc-people") -> str:
        """Return an access token."""
        return self.tokens(client)["access"]


def question(client: str, **more: str) -> dict[str, str]:
    """Return the parameters of a request for authorization."""
    return {"client_id": client, "response_type": "code", "scope": "openid", "state": "x", **more}


def part(token: str, index: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a token, unchecked."""
    text = token.split(".")[index]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def encoded(value: object) -> str:
    """Return a header or claims as a token has them."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
