"""The encryption of the console's rows and of the cookie of a sign-in: AES-256-GCM under keys of their own."""

import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.privacy.keyring import KeyEncryptionKeys

NONCE_BYTES: Final = 12


class Cipher:
    """Seals JSON under the newest key, and opens what any of the keys has sealed."""

    def __init__(self, keys: KeyEncryptionKeys) -> None:
        self._keys = [
            HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ooc console rows").derive(key)
            for key in reversed(list(keys.epochs.values()))
        ]
        self._owners = keys.derived("ooc console owners")  # by the oldest key, so that hashes stay while keys rotate

    def seal(self, value: Any, place: bytes) -> bytes:
        """Seal a value for one place (a row's id, a cookie's name): it opens nowhere else."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._keys[0]).encrypt(nonce, json.dumps(value).encode(), place)

    def open(self, sealed: bytes, place: bytes) -> Any:
        """Open a value at its place; None if no key opens it there."""
        for key in self._keys:
            try:
                return json.loads(AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place))
            except (InvalidTag, ValueError):
                continue
        return None

    def seal_text(self, value: Any, place: bytes) -> str:
        return urlsafe_b64encode(self.seal(value, place)).decode()

    def open_text(self, text: str, place: bytes) -> Any:
        """Open what `seal_text` made; None if it is something else."""
        try:
            return self.open(urlsafe_b64decode(text.encode()), place)
        except ValueError:
            return None

    def owner(self, person: str) -> bytes:
        """Return the keyed hash of a person's id."""
        return hmac.digest(self._owners, person.encode(), sha256)
