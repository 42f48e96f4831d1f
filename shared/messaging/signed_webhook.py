"""Signatures of webhooks by the Standard Webhooks specification (https://www.standardwebhooks.com).

Tests and receivers check them with its official package.
"""

import base64
import hashlib
import hmac
import time
from typing import Final

PREFIX: Final = "whsec_"


def secret_text(secret: bytes) -> str:
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(secret: bytes, id_: str, body: bytes) -> dict[str, str]:
    """Return the headers of a message, signed now; `id_` is the same however often the message is sent."""
    at = int(time.time())
    signed = hmac.digest(secret, f"{id_}.{at}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
